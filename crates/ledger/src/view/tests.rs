//! What users see of a record.

#![allow(clippy::unwrap_used)]

use protocol::{AttemptState, State, Verdict, message::Outcome, message::Reason};

use crate::{
    record, summary,
    testing::{Log, name},
};

#[test]
fn a_record_tells_everything_about_its_query() {
    let mut log = Log::posted();
    log.assign(1, "i");
    log.assign(2, "j");
    log.answer(1, "i", Outcome::Completed);
    log.answer(2, "j", Outcome::Completed);
    log.close(Reason::Dead);
    let record = record(log.key.id, &name("me"), &log.entries).unwrap();
    assert_eq!((record.state, record.end_seq, record.close), (State::Completed, Some(5), None));
    assert_eq!(record.answer.unwrap().attempt, 2);
    assert_eq!(record.decision.unwrap().agent, Some(name("a")));
    let verdicts: Vec<_> = record.messages.iter().map(|message| message.verdict).collect();
    use Verdict::{Counted, Late, Stale};
    assert_eq!(verdicts, [Counted, Counted, Counted, Stale, Counted, Late]);
    let states: Vec<_> = record.attempts.iter().map(|attempt| attempt.state).collect();
    assert_eq!(states, [AttemptState::Lost, AttemptState::Answered]);
}

#[test]
fn a_record_without_a_query_is_none() {
    let mut log = Log::empty();
    log.cancel();
    assert_eq!(record(log.key.id, &name("me"), &log.entries), None);
}

#[test]
fn a_closed_query_shows_its_close() {
    let mut log = Log::posted();
    log.assign(1, "i");
    log.cancel();
    log.close(Reason::Cancelled);
    let record = record(log.key.id, &name("somebody"), &log.entries).unwrap();
    assert_eq!((record.state, record.close.unwrap().reason, record.answer), (State::Cancelled, Reason::Cancelled, None));
    assert_eq!(record.attempts.first().unwrap().state, AttemptState::Stopped);
    let line = summary(log.fold(), None);
    assert_eq!((line.state, line.agent, line.ended_at), (State::Cancelled, Some(name("a")), record.ended_at));
}
