//! What is done when, one case at a time.

#![allow(clippy::unwrap_used, clippy::panic)]

use protocol::{
    Extra, Kind, Message, To,
    message::{Query, Reason},
};

use super::*;
use crate::testing::{Log, at, junk, name};

fn seconds(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

fn next(log: &Log, second: i64, silent: Option<i64>) -> Next {
    decide(log.fold(), &Now { time: at(second), silent: silent.map(seconds) }, &Policy::default())
}

fn closes(next: &Next) -> Option<(Reason, &str)> {
    if let Next::Close { reason, code, .. } = next { Some((*reason, *code)) } else { None }
}

fn query() -> Query {
    Query::new(name("me"), "request", "?")
}

#[test]
fn what_is_no_query_is_rejected() {
    let mut bad = Log::empty();
    bad.write(Kind::Query, "me", To::Any, Err(junk()));
    let Next::Close { reason, code, pointer, .. } = next(&bad, 1, None) else { panic!() };
    assert_eq!((reason, code, pointer.as_deref()), (Reason::Rejected, "schema_violation", Some("/payload")));

    let other = Log::of(Query { id: Some("ffffffff-0000-7000-8000-000000000000".parse().unwrap()), ..query() });
    assert_eq!(closes(&next(&other, 1, None)), Some((Reason::Rejected, "id_mismatch")));
    let gather = Log::of(Query { gather: Some(Extra::new()), ..query() });
    assert_eq!(closes(&next(&gather, 1, None)), Some((Reason::Rejected, "unsupported")));
    let mut elsewhere = Log::empty();
    let target = Query { target: Some(name("b")), ..query() };
    elsewhere.write(Kind::Query, "me", To::One(name("a")), Ok(Message::Query(target)));
    assert_eq!(closes(&next(&elsewhere, 1, None)), Some((Reason::Rejected, "target_mismatch")));
}

#[test]
fn a_query_expires_at_its_deadline() {
    let log = Log::of(Query { timeout_ms: Some(5000), ..query() });
    assert_eq!(next(&log, 5, None), Next::Dispatch { attempt: 1, until: at(6) });
    assert_eq!(closes(&next(&log, 6, None)), Some((Reason::Expired, "deadline_passed")));
}

#[test]
fn a_cancel_comes_before_the_deadline() {
    let mut log = Log::of(Query { timeout_ms: Some(1), ..query() });
    log.cancel();
    assert_eq!(closes(&next(&log, 60, None)), Some((Reason::Cancelled, "cancelled")));
}

#[test]
fn an_attempt_is_lost_when_nothing_is_heard_of_it() {
    let mut log = Log::posted();
    log.assign(1, "i");
    assert_eq!(next(&log, 3, Some(1)), Next::Wait { until: at(4), why: None }, "the accept time is 2 s");
    assert_eq!(next(&log, 4, Some(2)), Next::Dispatch { attempt: 2, until: at(601) });
    log.accept(1, "i");
    assert_eq!(next(&log, 5, Some(2)), Next::Wait { until: at(18), why: None }, "the lease is 15 s");
    assert!(matches!(next(&log, 18, Some(15)), Next::Dispatch { attempt: 2, .. }));
    assert_eq!(next(&log, 500, None), Next::Wait { until: at(601), why: None }, "who is deaf loses nothing");
}

#[test]
fn a_query_is_dead_when_its_attempts_are_spent() {
    let mut log = Log::of(Query { attempts: Some(2), ..query() });
    log.assign(1, "i");
    log.assign(2, "i");
    log.accept(2, "i");
    assert!(matches!(next(&log, 60, Some(60)), Next::Dispatch { attempt: 3, .. }), "the first was not accepted");
    log.assign(3, "i");
    log.answer(3, "i", Outcome::Retry);
    assert_eq!(closes(&next(&log, 60, None)), Some((Reason::Dead, "attempts_spent")));
}

#[test]
fn a_pause_comes_before_another_try() {
    let mut log = Log::posted();
    log.assign(1, "i");
    log.answer(1, "i", Outcome::Retry);
    assert!(matches!(next(&log, 3, None), Next::Wait { why: Some(_), .. }));
    assert!(matches!(next(&log, 4, None), Next::Dispatch { .. }));
}

#[test]
fn pauses_double_up_to_their_limit() {
    let mut log = Log::of(Query { timeout_ms: Some(7 * 24 * 3_600_000), ..query() });
    let mut pauses = Vec::new();
    for number in 1..=40 {
        log.assign(number, "i");
        let ready = (0..100).find(|wait| matches!(next(&log, log.second + wait, Some(100)), Next::Dispatch { .. }));
        pauses.push(ready.unwrap());
    }
    assert_eq!(pauses.iter().take(6).copied().collect::<Vec<_>>(), [0, 1, 2, 4, 8, 16], "the first costs nobody anything");
    assert!(pauses.iter().skip(7).all(|pause| *pause == 60), "{pauses:?}");
}
