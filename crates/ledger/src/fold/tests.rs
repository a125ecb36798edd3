//! The rules of the fold, one by one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use protocol::{
    Kind, Message, State, To, Verdict,
    message::{Outcome, Query, Reason},
};

use crate::testing::{Log, junk, name};

#[test]
fn a_query_passes_through_its_states() {
    let mut log = Log::posted();
    let mut states = vec![log.fold().state()];
    let steps: [fn(&mut Log) -> Verdict; 7] = [
        |log| log.assign(1, "i"),
        |log| log.accept(1, "i"),
        |log| log.progress(1, "i"),
        |log| log.question(1, "i", 1),
        |log| log.reply(1),
        |log| log.answer(1, "i", Outcome::Retry),
        |log| log.assign(2, "i"),
    ];
    for step in steps {
        assert_eq!(step(&mut log), Verdict::Counted);
        states.push(log.fold().state());
    }
    use State::{Accepted, Assigned, Posted, Waiting, Working};
    assert_eq!(states, [Posted, Assigned, Accepted, Working, Waiting, Working, Posted, Assigned]);
    log.answer(2, "i", Outcome::Completed);
    assert_eq!(log.fold().state(), State::Completed);
}

#[test]
fn the_first_ending_stands() {
    let mut log = Log::posted();
    log.assign(1, "i");
    assert_eq!(log.answer(1, "i", Outcome::Failed), Verdict::Counted);
    assert_eq!(log.close(Reason::Dead), Verdict::Late);
    assert_eq!(log.answer(1, "i", Outcome::Completed), Verdict::Late);
    assert_eq!(log.assign(2, "i"), Verdict::Late);
    assert_eq!(log.cancel(), Verdict::Late);
    assert_eq!((log.fold().state(), log.fold().ended().unwrap().seq), (State::Failed, 3));
}

#[test]
fn only_the_current_assignment_counts() {
    let mut log = Log::posted();
    log.assign(1, "i");
    log.accept(1, "i");
    log.assign(2, "j");
    for verdict in [log.accept(1, "i"), log.progress(1, "i"), log.answer(1, "i", Outcome::Completed)] {
        assert_eq!(verdict, Verdict::Stale);
    }
    assert_eq!(log.answer(2, "i", Outcome::Completed), Verdict::Stale, "the attempt is right, the instance is not");
    assert_eq!(log.assign(2, "k"), Verdict::Stale, "attempts rise");
    assert_eq!(log.answer(2, "j", Outcome::Completed), Verdict::Counted);
}

#[test]
fn time_only_permits_the_end() {
    let mut query = Query::new(name("me"), "request", "?");
    query.timeout_ms = Some(3000);
    let mut log = Log::of(query);
    log.assign(1, "i");
    assert_eq!(log.close(Reason::Expired), Verdict::Premature, "stored at second 3, and it lives until 4");
    assert_eq!(log.fold().state(), State::Assigned);
    log.second = 10;
    let mut other = Log { book: log.book.clone(), key: log.key.clone(), entries: vec![], second: 10 };
    assert_eq!(other.close(Reason::Expired), Verdict::Counted);
    assert_eq!(log.answer(1, "i", Outcome::Completed), Verdict::Counted, "late, but before the close");
}

#[test]
fn cancelled_needs_a_cancel() {
    let mut log = Log::posted();
    assert_eq!(log.close(Reason::Cancelled), Verdict::Premature);
    assert_eq!((log.cancel(), log.cancel()), (Verdict::Counted, Verdict::Duplicate));
    assert_eq!(log.close(Reason::Cancelled), Verdict::Counted);
}

#[test]
fn a_reply_counts_before_its_question() {
    let mut log = Log::posted();
    log.assign(1, "i");
    assert_eq!(log.reply(1), Verdict::Counted);
    assert_eq!(log.question(1, "i", 1), Verdict::Counted);
    assert_eq!((log.reply(1), log.question(1, "i", 1)), (Verdict::Duplicate, Verdict::Duplicate));
    assert_eq!(log.fold().state(), State::Working);
    log.question(1, "i", 2);
    assert_eq!(log.fold().state(), State::Waiting);
}

#[test]
fn only_what_was_accepted_is_spent() {
    let mut log = Log::posted();
    log.assign(1, "i");
    log.assign(2, "i");
    assert_eq!(log.fold().spent(), 0);
    // Work shows it as well as an acceptance that was lost.
    log.progress(2, "i");
    assert_eq!((log.accept(2, "i"), log.fold().spent()), (Verdict::Duplicate, 1));
}

#[test]
fn the_same_again_is_the_same_query() {
    let mut log = Log::posted();
    let again = log.entries[0].body.clone();
    assert_eq!(log.write(Kind::Query, "me", To::Any, again.clone()), Verdict::Duplicate);
    assert_eq!(log.write(Kind::Query, "me", To::One(name("a")), again), Verdict::Conflict);
    let other = Ok(Message::Query(Query::new(name("me"), "request", "What else?")));
    assert_eq!(log.write(Kind::Query, "me", To::Any, other), Verdict::Conflict);
    assert_eq!(log.write(Kind::Query, "me", To::Any, Err(junk())), Verdict::Invalid);
    assert_eq!(log.fold().state(), State::Posted);
    log.close(Reason::Unroutable);
    let again = log.entries[0].body.clone();
    assert_eq!(log.write(Kind::Query, "me", To::Any, again), Verdict::Duplicate, "also after the end");
}
