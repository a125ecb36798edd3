//! What a desk sends to the archive, and what it makes of what the archive says.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use protocol::{
    Decision, End, Extra, Heartbeat, Kind, Message, Name, State, To,
    message::{Asked, Assign, Gather, Outcome, Query},
};

use super::*;
use crate::{
    Appended, Content, Hands, Policy, Tombstone,
    testing::{Log, at, decision, instance, key, name},
};

const HOUR: i64 = 3600;

fn router(_: &Fold, _: &Hands) -> Decision {
    decision(Some("a"))
}

/// A desk that has read all there is, and hears of nobody.
fn desk(log: &Log, now: i64) -> Desk {
    let mut desk = Desk::new(instance("c"), Policy::default()).retain(Retention::default());
    for entry in &log.entries {
        assert_eq!(desk.read(entry, at(now), &router), [], "it does nothing before it has read all");
    }
    desk
}

fn read_last(desk: &mut Desk, log: &Log, now: i64) -> Vec<Action> {
    desk.read(log.entries.last().unwrap(), at(now), &router)
}

fn answered() -> Log {
    let mut log = Log::posted();
    log.assign(1, "i");
    log.accept(1, "i");
    log.answer(1, "i", Outcome::Completed);
    log
}

/// Up to where what is to move.
fn moves(actions: &[Action]) -> Vec<u64> {
    let moved = |action: &Action| match action {
        Action::Archive { upto, .. } => Some(*upto),
        _ => None,
    };
    actions.iter().filter_map(moved).collect()
}

fn query_again(log: &mut Log, from: &str, text: &str) {
    log.write(Kind::Query, from, To::Any, Ok(Message::Query(Query::new(name(from), "request", text))));
}

/// A log whose query comes a day after its id was minted.
fn repeated(text: &str) -> Log {
    let mut log = Log::empty();
    log.second = 24 * HOUR;
    query_again(&mut log, "me", text);
    log
}

fn past(requester: &str, text: &str) -> (Looked, End) {
    let content = Content::of(key(0).id, &To::Any, &Ok(Message::Query(Query::new(name("me"), "request", text))));
    let end = End { id: key(0).id, seq: 4, state: State::Completed, digest: "d".to_owned() };
    (Looked::Ended { requester: name(requester), content, end: end.clone() }, end)
}

fn refusal(actions: &[Action]) -> &str {
    let [Action::Append { message, .. }] = actions else { panic!("{actions:?}") };
    let Message::Close(close) = &**message else { panic!("{message:?}") };
    &close.code
}

#[test]
fn what_is_over_moves_a_day_later_and_is_forgotten_then() {
    let log = answered();
    let mut desk = desk(&log, 5);
    desk.caught_up(at(5), &router);
    assert_eq!(desk.tick(at(4 + 24 * HOUR - 1), &router), []);
    assert_eq!(moves(&desk.tick(at(4 + 24 * HOUR), &router)), [4]);
    assert_eq!(desk.tick(at(5 + 24 * HOUR), &router), [], "once at a time");
    assert_eq!((desk.finished(), desk.book().folds().count()), (1, 1));
    assert_eq!(desk.archived(log.key.id, true, at(6 + 24 * HOUR)), []);
    assert_eq!((desk.finished(), desk.book().folds().count()), (0, 0), "nothing is left of it");
    assert!(desk.is_idle());
}

#[test]
fn what_could_not_be_moved_is_tried_again() {
    let log = answered();
    let mut desk = desk(&log, 5);
    desk.caught_up(at(5), &router);
    let now = 25 * HOUR;
    assert_eq!(moves(&desk.tick(at(now), &router)).len(), 1);
    assert_eq!(moves(&desk.archived(log.key.id, false, at(now + 1))), [4]);
    assert_eq!(desk.book().folds().count(), 1, "it is still there");
}

#[test]
fn what_is_open_never_moves() {
    let mut log = Log::posted();
    let mut desk = desk(&log, 1);
    desk.caught_up(at(1), &router);
    assert_eq!(moves(&desk.tick(at(599), &router)), [0_u64; 0]);
    // Another requester's query under the id of one that is over keeps both where they are.
    log.answer(1, "i", Outcome::Completed);
    let mut ended = answered();
    query_again(&mut ended, "her", "Mine!");
    let mut desk = self::desk(&ended, 6);
    desk.caught_up(at(6), &router);
    assert_eq!(moves(&desk.tick(at(100 * HOUR), &router)), [0_u64; 0]);
    assert_eq!(desk.finished(), 0);
}

#[test]
fn what_comes_while_a_record_moves_stays_and_follows_later() {
    let mut log = answered();
    let mut desk = desk(&log, 5);
    desk.caught_up(at(5), &router);
    assert_eq!(moves(&desk.tick(at(25 * HOUR), &router)), [4]);
    log.second = 25 * HOUR;
    log.progress(1, "i");
    read_last(&mut desk, &log, 25 * HOUR);
    assert_eq!(desk.archived(log.key.id, true, at(25 * HOUR)), []);
    assert_eq!((desk.finished(), desk.book().folds().count()), (1, 0), "a late message without a query");
    assert_eq!(moves(&desk.tick(at(49 * HOUR + 1), &router)), [5]);
}

#[test]
fn a_query_that_comes_while_its_id_moves_is_not_forgotten() {
    let mut log = answered();
    let mut desk = desk(&log, 5);
    desk.caught_up(at(5), &router);
    assert_eq!(moves(&desk.tick(at(25 * HOUR), &router)), [4]);
    log.second = 25 * HOUR;
    query_again(&mut log, "her", "Mine!");
    read_last(&mut desk, &log, 25 * HOUR);
    desk.archived(log.key.id, true, at(25 * HOUR));
    let left: Vec<_> = desk.book().folds().map(|fold| (fold.key().requester.clone(), fold.is_conflict())).collect();
    assert_eq!(left, [(name("her"), true)]);
    assert_eq!(moves(&desk.tick(at(90 * HOUR), &router)), [0_u64; 0], "and it is open");
}

#[test]
fn messages_of_no_query_move_too() {
    let mut log = Log::empty();
    log.cancel();
    let mut desk = desk(&log, 2);
    desk.caught_up(at(2), &router);
    assert_eq!(moves(&desk.tick(at(1 + 24 * HOUR), &router)), [1]);
}

#[test]
fn what_is_none_of_the_bus_moves_with_the_id_that_it_names() {
    let log = answered();
    let mut desk = desk(&log, 5);
    desk.passed_over(&key(7), 5);
    desk.caught_up(at(5), &router);
    assert_eq!(moves(&desk.tick(at(25 * HOUR), &router)), [5, 5], "each under its id");
    assert!(desk.waiting_for(&key(7), at(5), &router).is_none());
}

#[test]
fn a_full_ledger_gives_what_is_over_away_sooner() {
    let log = answered();
    let mut desk = desk(&log, 5);
    desk.caught_up(at(5), &router);
    desk.full(true);
    assert_eq!(moves(&desk.tick(at(303), &router)), [0_u64; 0]);
    assert_eq!(moves(&desk.tick(at(304), &router)), [4]);
}

#[test]
fn another_coordinators_records_are_left_to_it_and_then_taken_up() {
    let log = answered();
    let mut desk = desk(&log, 5);
    for peer in 0..20 {
        let beat = Heartbeat {
            agent: Name::coordinator(),
            owner: "bus".to_owned(),
            session: "s".to_owned(),
            instance_id: instance(&format!("c{peer}")),
            ts: at(0),
            interval_s: 3600.0,
            capacity: 0,
            pulls: false,
            only: None,
            load: 0,
            leases: vec![],
            version: None,
            digest: None,
            extra: Extra::new(),
        };
        desk.heartbeat(&beat, at(24 * HOUR), &router);
    }
    desk.caught_up(at(24 * HOUR), &router);
    assert_eq!(moves(&desk.tick(at(24 * HOUR + 4), &router)), [0_u64; 0]);
    assert_eq!(moves(&desk.tick(at(24 * HOUR + 33), &router)), [0_u64; 0]);
    assert_eq!(moves(&desk.tick(at(24 * HOUR + 34), &router)), [4]);
}

#[test]
fn a_fresh_id_is_not_looked_up() {
    let mut log = Log::empty();
    let mut desk = desk(&log, -10);
    desk.caught_up(at(-10), &router);
    query_again(&mut log, "me", "?");
    assert_eq!(read_last(&mut desk, &log, 1), [], "it waits for a hand, and for nothing else");
    assert!(desk.waiting_for(&log.key, at(1), &router).is_some());
    // After a restart it could be one that was erased just before.
    let mut next = self::desk(&log, 2);
    assert_eq!(next.caught_up(at(2), &router), [Action::LookUp { key: log.key.clone() }]);
    desk.erased(log.key.id, at(3));
    assert_eq!(desk.book().folds().count(), 1, "what is open is not forgotten");
    log.close(Reason::Rejected);
    read_last(&mut desk, &log, 3);
    desk.erased(log.key.id, at(3));
    assert_eq!(desk.book().folds().count(), 0);
    query_again(&mut log, "me", "?");
    assert_eq!(read_last(&mut desk, &log, 4), [Action::LookUp { key: log.key.clone() }], "and this one was");
    let (looked, _) = past("me", "?");
    desk.looked_up(&log.key, looked, at(5), &router);
    assert_eq!(moves(&desk.tick(at(25 * HOUR), &router)), [3], "what is left of it goes when it would have moved");
}

#[test]
fn an_id_of_old_waits_for_the_archive() {
    let log = repeated("?");
    let mut desk = desk(&log, 24 * HOUR);
    assert_eq!(desk.caught_up(at(24 * HOUR), &router), [Action::LookUp { key: log.key.clone() }]);
    assert_eq!(desk.tick(at(24 * HOUR + 700), &router), [], "nothing is done meanwhile, not even when it expires");
    assert_eq!(desk.looked_up(&log.key, Looked::Unknown, at(24 * HOUR + 1), &router), []);
    assert_eq!(desk.tick(at(24 * HOUR + 2), &router), [Action::LookUp { key: log.key.clone() }]);
    assert_eq!(desk.looked_up(&log.key, Looked::Nothing, at(24 * HOUR + 3), &router), []);
    assert!(desk.waiting_for(&log.key, at(24 * HOUR + 3), &router).unwrap().contains("instance of a"), "now it is as any other");
}

#[test]
fn the_same_query_again_has_the_ending_that_it_had() {
    let log = repeated("What is known?");
    let mut desk = desk(&log, 24 * HOUR);
    desk.caught_up(at(24 * HOUR), &router);
    let (looked, end) = past("me", "What is known?");
    assert_eq!(desk.looked_up(&log.key, looked, at(24 * HOUR), &router), [Action::End { requester: name("me"), end }]);
    assert!(desk.book().folds().next().is_none() && desk.is_idle());
    assert_eq!(moves(&desk.tick(at(48 * HOUR + 1), &router)), [1], "it follows its record");
}

#[test]
fn another_query_under_an_id_that_is_taken_is_refused() {
    let (looked, _) = past("me", "What is known?");
    let (hers, _) = past("her", "?");
    let erased = Looked::Erased(Tombstone { at: at(9), by: name("me"), sequences: vec![] });
    for (looked, code) in [(looked, "conflict"), (hers, "conflict"), (erased, "erased")] {
        let mut log = repeated("?");
        let mut desk = desk(&log, 24 * HOUR);
        desk.caught_up(at(24 * HOUR), &router);
        let actions = desk.looked_up(&log.key, looked, at(24 * HOUR), &router);
        assert_eq!(refusal(&actions), code);
        // It stays refused, whatever becomes of the close.
        desk.appended(&log.key, Appended::Unknown, at(24 * HOUR + 1), &router);
        assert_eq!(refusal(&desk.tick(at(24 * HOUR + 2), &router)), code);
        desk.appended(&log.key, Appended::Stored(2), at(24 * HOUR + 2), &router);
        log.close(Reason::Rejected);
        assert!(matches!(read_last(&mut desk, &log, 24 * HOUR + 2)[..], [Action::End { .. }]));
        assert!(desk.filing.looks.is_empty() && desk.is_idle());
    }
}

#[test]
fn looks_wait_for_each_other_and_none_is_forgotten() {
    let mut desk = Desk::new(instance("c"), Policy::default()).retain(Retention::default());
    let keys: Vec<_> = (0..200).map(key).collect();
    for (n, key) in keys.iter().enumerate() {
        let mut log = Log::empty();
        log.key = key.clone();
        log.second = 24 * HOUR + 100 * n as i64;
        query_again(&mut log, "me", "?");
        let entry = Entry { seq: n as u64 + 1, ..log.entries.remove(0) };
        desk.read(&entry, at(48 * HOUR), &router);
    }
    let mut actions = desk.caught_up(at(24 * HOUR), &router);
    assert_eq!(actions.len(), LOOKS);
    let mut asked = Vec::new();
    while let Some(Action::LookUp { key }) = actions.pop() {
        actions.extend(desk.looked_up(&key, Looked::Nothing, at(24 * HOUR), &router));
        asked.push(key);
    }
    asked.sort_unstable();
    assert_eq!(asked, keys);
}

#[test]
fn what_was_read_in_part_before_it_moved_is_dropped() {
    let mut log = Log::posted();
    log.assign(1, "i");
    let mut desk = desk(&log, 2);
    desk.listening(Some(at(2)));
    desk.caught_up(at(2), &router);
    assert_eq!(desk.appended(&log.key, Appended::Gone, at(99), &router), []);
    assert!(desk.book().folds().next().is_none() && desk.is_idle());
}

#[test]
fn nor_does_anything_stay_of_what_was_gathered_then() {
    let gather = Gather { to: Some(vec![name("a")]), ..Gather::default() };
    let mut log = Log::of(Query { gather: Some(gather), ..Query::new(name("me"), "request", "?") });
    let parts = vec![Asked { id: key(1).id, agent: name("a") }];
    let assign = Assign { agent: Name::coordinator(), parts, ..crate::testing::assign(1, "gather") };
    log.write(Kind::Assign, "me", To::One(Name::coordinator()), Ok(Message::Assign(assign)));
    let mut desk = desk(&log, 2);
    assert!(!desk.is_idle());
    desk.appended(&log.key, Appended::Gone, at(99), &router);
    assert!(desk.book().folds().next().is_none() && desk.is_idle());
}

#[test]
fn a_tree_stays_until_all_of_it_is_over() {
    let mut log = Log::posted();
    log.assign(1, "i");
    let (root, child) = (log.key.clone(), key(1));
    log.key = child;
    let asked = Query { parent: Some(root.id), ..Query::new(name("a"), "request", "?") };
    log.write(Kind::Query, "a", To::Any, Ok(Message::Query(asked)));
    log.write(Kind::Close, "a", To::One(name("a")), Ok(Message::Close(crate::testing::close(Reason::Unroutable))));
    let mut desk = desk(&log, 4);
    desk.caught_up(at(4), &router);
    assert_eq!(moves(&desk.tick(at(25 * HOUR), &router)), [0; 0], "what it was asked for is open");
    (log.key, log.second) = (root, 30 * HOUR);
    log.close(Reason::Expired);
    read_last(&mut desk, &log, 30 * HOUR);
    assert_eq!(moves(&desk.tick(at(55 * HOUR), &router)).len(), 2);
}
