//! What is done when, one case at a time.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use protocol::{
    Kind, Message, To,
    message::{Failure, Gather, Query, Reason},
};

use super::*;
use crate::testing::{Log, at, junk, name};

fn seconds(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

fn next(log: &Log, second: i64, silent: Option<i64>) -> Next {
    decide(
        log.fold(),
        &Kin::default(),
        &Now { time: at(second), silent: silent.map(seconds), idle: silent.map(seconds) },
        &Policy::default(),
    )
}

fn closes(next: &Next) -> Option<(Reason, &str)> {
    if let Next::Close { reason, code, .. } = next { Some((*reason, *code)) } else { None }
}

/// Why the attempt is given up, where it is.
fn gives_up(next: &Next) -> Option<String> {
    if let Next::Dispatch { gives_up, .. } = next { Some(gives_up.as_ref()?.code.clone()) } else { None }
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
    let gather = Log::of(Query { gather: Some(Gather { top: Some(2), all: true, ..Gather::default() }), ..query() });
    assert_eq!(closes(&next(&gather, 1, None)), Some((Reason::Rejected, "gather_unclear")));
    let top = Some(Gather { top: Some(2), ..Gather::default() });
    let both = Log::of(Query { gather: top, target: Some(name("a")), ..query() });
    assert_eq!(closes(&next(&both, 1, None)), Some((Reason::Rejected, "gather_and_target")));
    let mut elsewhere = Log::empty();
    let target = Query { target: Some(name("b")), ..query() };
    elsewhere.write(Kind::Query, "me", To::One(name("a")), Ok(Message::Query(target)));
    assert_eq!(closes(&next(&elsewhere, 1, None)), Some((Reason::Rejected, "target_mismatch")));
}

#[test]
fn a_query_expires_at_its_deadline() {
    let log = Log::of(Query { timeout_ms: Some(5000), ..query() });
    assert_eq!(next(&log, 5, None), Next::Dispatch { attempt: 1, until: at(6), gives_up: None });
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
    assert_eq!(gives_up(&next(&log, 4, Some(2))).as_deref(), Some("not_accepted"));
    log.accept(1, "i");
    assert_eq!(next(&log, 5, Some(2)), Next::Wait { until: at(18), why: None }, "the lease is 15 s");
    assert_eq!(gives_up(&next(&log, 18, Some(15))).as_deref(), Some("lease_expired"));
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
fn crashes_and_errors_are_counted_apart() {
    let mut log = Log::of(Query { attempts: Some(10), ..query() });
    for number in 1..=3 {
        log.assign(number, "i");
        log.accept(number, "i");
        log.fail(number, "i", Failure { crash: number != 2, ..Failure::new("killed_by_signal", "signal 6") });
    }
    assert!(matches!(next(&log, 60, None), Next::Dispatch { attempt: 4, .. }), "two crashes and an error");
    log.assign(4, "i");
    log.accept(4, "i");
    let Next::Close { reason, code, message, .. } = next(&log, 60, Some(15)) else { panic!("the third crash") };
    assert_eq!((reason, code), (Reason::Dead, "crashed"));
    assert!(message.contains("killed_by_signal") && message.contains("lease_expired"), "{message}");
}

#[test]
fn work_that_is_given_back_spends_nothing_and_goes_on_at_once() {
    let mut log = Log::of(Query { attempts: Some(1), ..query() });
    log.assign(1, "i");
    log.accept(1, "i");
    log.fail(1, "i", Failure::new(Failure::GIVEN_BACK, "The instance stopped."));
    assert!(matches!(next(&log, log.second, None), Next::Dispatch { attempt: 2, .. }));
}

#[test]
fn an_attempt_without_progress_is_given_up_where_its_instance_set_a_limit() {
    let mut log = Log::posted();
    log.assign(1, "i");
    log.accept_for(1, "i", 5000);
    let look = |log: &Log, silent: i64, idle: i64| {
        let now = Now { time: at(30), silent: Some(seconds(silent)), idle: Some(seconds(idle)) };
        decide(log.fold(), &Kin::default(), &now, &Policy::default())
    };
    assert_eq!(look(&log, 1, 3), Next::Wait { until: at(32), why: None });
    assert_eq!(gives_up(&look(&log, 1, 5)).as_deref(), Some("stalled"));
    log.question(1, "i", 1);
    assert_eq!(look(&log, 1, 60), Next::Wait { until: at(44), why: None }, "it waits for input");
    log.reply(1);
    assert_eq!(gives_up(&look(&log, 1, 5)).as_deref(), Some("stalled"));
}

#[test]
fn with_failover_a_query_goes_on_to_be_routed_again() {
    let mut log = Log::of(Query { attempts: Some(1), failover: Some(true), ..query() });
    log.assign(1, "i");
    log.answer(1, "i", Outcome::Retry);
    assert!(matches!(next(&log, 60, None), Next::Dispatch { attempt: 2, .. }));
    assert!(log.fold().is_done_with(&name("a")) && !log.fold().is_done_with(&name("b")));
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
fn pauses_are_drawn_from_a_range_that_doubles_up_to_its_limit() {
    let mut log = Log::of(Query { timeout_ms: Some(7 * 24 * 3_600_000), ..query() });
    let mut pauses = Vec::new();
    for number in 1..=40 {
        log.assign(number, "i");
        let ready = (0..100).find(|wait| matches!(next(&log, log.second + wait, Some(100)), Next::Dispatch { .. }));
        pauses.push(ready.unwrap());
    }
    assert_eq!(pauses[0], 0, "the first costs nobody anything");
    let most = [1, 1, 2, 4, 8, 16, 32].into_iter().chain(std::iter::repeat(60));
    assert!(pauses.iter().zip(most).all(|(pause, most)| *pause <= most), "{pauses:?}");
    let late: Vec<_> = pauses.iter().skip(8).collect();
    assert!(late.iter().any(|pause| **pause < 20) && late.iter().any(|pause| **pause > 40), "full jitter: {late:?}");
}

#[test]
fn what_is_given_back_again_and_again_never_pauses_for_long() {
    let mut log = Log::of(Query { timeout_ms: Some(7 * 24 * 3_600_000), ..query() });
    for number in 1..=20 {
        log.assign(number, "i");
        log.fail(number, "i", Failure::new(Failure::GIVEN_BACK, "Not now."));
        let waits = (0..100).find(|wait| matches!(next(&log, log.second + wait, Some(100)), Next::Dispatch { .. }));
        assert!(waits.unwrap() <= 1, "round {number}: {waits:?}");
    }
}
