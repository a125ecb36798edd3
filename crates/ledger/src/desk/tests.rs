//! What a desk wants done, step by step. The long way round is in the simulator.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use jiff::Timestamp;
use protocol::{
    Decision, Extra, Heartbeat, Kind, Lease, Message, Name, Order, State, To,
    message::{Outcome, Query, Reason},
};

use super::*;
use crate::testing::{Log, at, decision, instance, junk, name};

fn router(_: &Fold, _: &Hands) -> Decision {
    decision(Some("a"))
}

fn beat(agent: Name, from: &str, attempts: &[u32]) -> Heartbeat {
    let lease = |attempt: &u32| Lease { id: Log::empty().key.id, requester: name("me"), attempt: *attempt };
    Heartbeat {
        agent,
        owner: "bus".to_owned(),
        session: from.to_owned(),
        instance_id: instance(from),
        ts: at(0),
        interval_s: 100.0,
        capacity: 1,
        pulls: false,
        only: None,
        load: attempts.len() as u32,
        leases: attempts.iter().map(lease).collect(),
        version: None,
        digest: None,
        extra: Extra::new(),
    }
}

/// A desk that has read all there is, hears everything, and knows instance `i` of agent `a`.
fn desk(log: &Log, now: i64) -> Desk {
    let mut desk = Desk::new(instance("c"), Policy::default());
    for entry in &log.entries {
        assert_eq!(desk.read(entry, at(now), &router), [], "it does nothing before it has read all");
    }
    assert_eq!(desk.heartbeat(&beat(name("a"), "i", &[]), at(now), &router), []);
    desk.listening(Some(at(now)));
    desk
}

fn read_last(desk: &mut Desk, log: &Log, now: Timestamp) -> Vec<Action> {
    desk.read(log.entries.last().unwrap(), now, &router)
}

/// The message and its expectation, where appending it is all that is wanted.
fn appended(actions: &[Action]) -> (&Message, u64) {
    let [Action::Append { message, expect, .. }] = actions else { panic!("{actions:?}") };
    (message, expect.unwrap())
}

fn is_stop(action: &Action, number: u32) -> bool {
    matches!(action, Action::Hand { order: Order::Stop(stop), .. } if stop.attempt == number)
}

#[test]
fn work_is_handed_when_the_ledger_has_it() {
    let mut log = Log::posted();
    let mut desk = desk(&log, 1);
    let actions = desk.caught_up(at(1), &router);
    let (message, expect) = appended(&actions);
    assert!(matches!(message, Message::Assign(assign) if assign.attempt == 1 && assign.instance == instance("i")));
    assert_eq!(expect, 1);
    log.assign(1, "i");
    let actions = read_last(&mut desk, &log, at(2));
    let [Action::Hand { instance, order: Order::Work(work), .. }] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!((instance.as_str(), work.assign.attempt), ("i", 1));
    assert_eq!(desk.appended(&log.key, Appended::Stored(2), at(2), &router), []);
}

#[test]
fn what_a_full_ledger_holds_is_worked_on() {
    let log = Log::posted();
    let mut desk = Desk::new(instance("c"), Policy::default());
    // Whoever starts may learn that it is full before it has read anything.
    desk.full(true);
    desk.read(&log.entries[0], at(1), &router);
    desk.heartbeat(&beat(name("a"), "i", &[]), at(1), &router);
    desk.listening(Some(at(1)));
    let actions = desk.caught_up(at(1), &router);
    assert!(matches!(appended(&actions).0, Message::Assign(_)), "{actions:?}");
}

#[test]
fn the_work_of_another_coordinator_is_not_handed() {
    let mut log = Log::posted();
    let mut other = Desk { me: instance("d"), ..desk(&log, 1) };
    other.caught_up(at(1), &router);
    log.assign(1, "i");
    assert_eq!(read_last(&mut other, &log, at(2)), []);
}

#[test]
fn an_end_is_signalled_and_stops_the_holder() {
    let mut log = Log::posted();
    log.assign(1, "i");
    log.cancel();
    let mut desk = desk(&log, 3);
    let actions = desk.caught_up(at(3), &router);
    assert!(matches!(appended(&actions), (Message::Close(close), 3) if close.reason == Reason::Cancelled));
    log.close(Reason::Cancelled);
    desk.appended(&log.key, Appended::Stored(4), at(4), &router);
    let actions = read_last(&mut desk, &log, at(4));
    let [Action::End { end, .. }, stop] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!((end.seq, end.state), (4, State::Cancelled));
    assert!(is_stop(stop, 1));
    assert!(desk.is_idle());
}

#[test]
fn an_attempt_that_is_over_is_stopped_until_it_is_no_longer_named() {
    let mut log = Log::posted();
    log.assign(1, "i");
    log.accept(1, "i");
    log.assign(2, "j");
    let mut desk = desk(&log, 4);
    desk.caught_up(at(4), &router);
    for _ in 0..2 {
        let actions = desk.heartbeat(&beat(name("a"), "i", &[1]), at(5), &router);
        assert!(matches!(&actions[..], [stop] if is_stop(stop, 1)), "{actions:?}");
    }
    assert_eq!(desk.heartbeat(&beat(name("a"), "j", &[2]), at(5), &router), [], "this one is current");
    assert_eq!(desk.heartbeat(&beat(name("a"), "i", &[3]), at(5), &router), [], "and of this one it will read in a moment");
}

#[test]
fn who_loses_an_attempt_is_told_at_once() {
    let mut log = Log::posted();
    log.assign(1, "i");
    log.accept(1, "i");
    let mut desk = desk(&log, 4);
    desk.caught_up(at(4), &router);
    log.assign(2, "j");
    let actions = read_last(&mut desk, &log, at(5));
    assert!(matches!(&actions[..], [stop, Action::Hand { order: Order::Work(_), .. }] if is_stop(stop, 1)), "{actions:?}");
}

#[test]
fn who_begins_to_hear_looks_again() {
    let mut log = Log::posted();
    log.assign(1, "i");
    let mut desk = desk(&log, 3);
    desk.listening(None);
    desk.caught_up(at(3), &router);
    assert_eq!(desk.tick(at(100), &router), [], "who is deaf kills nothing");
    desk.listening(Some(at(101)));
    desk.heartbeat(&beat(name("a"), "i", &[]), at(101), &router);
    assert_eq!(desk.tick(at(102), &router), []);
    let due = desk.next_due().unwrap();
    assert_eq!(due, at(103), "the accept time begins afresh");
    let actions = desk.tick(due, &router);
    assert!(matches!(appended(&actions), (Message::Assign(assign), 2) if assign.attempt == 2), "to the same instance, as it has room");
}

#[test]
fn another_coordinators_query_is_left_to_it_for_a_while() {
    let log = Log::posted();
    let mut desk = desk(&log, 1);
    // Some coordinator out of many has the higher hash.
    for peer in 0..20 {
        desk.heartbeat(&Heartbeat { interval_s: 3600.0, ..beat(Name::coordinator(), &format!("c{peer}"), &[]) }, at(1), &router);
    }
    assert_eq!(desk.caught_up(at(1), &router), []);
    assert_eq!(desk.next_due(), Some(at(3)));
    let junk = Entry { seq: 2, body: Err(junk()), ..log.entries[0].clone() };
    assert_eq!(desk.read(&junk, at(2), &router), [], "and what does not count puts it off no longer");
    let actions = desk.tick(at(3), &router);
    assert!(matches!(appended(&actions).0, Message::Assign(_)));
}

#[test]
fn a_coordinator_that_is_gone_looks_after_nothing() {
    let mut log = Log::empty();
    let mut desk = desk(&log, 1);
    for peer in 0..20 {
        desk.heartbeat(&Heartbeat { interval_s: 1.0, ..beat(Name::coordinator(), &format!("c{peer}"), &[]) }, at(1), &router);
    }
    desk.caught_up(at(1), &router);
    desk.tick(at(10), &router);
    log.write(Kind::Query, "me", To::Any, Ok(Message::Query(Query::new(name("me"), "request", "?"))));
    assert!(matches!(appended(&read_last(&mut desk, &log, at(10))).0, Message::Assign(_)));
}

#[test]
fn a_clock_that_is_ahead_is_found_out_once() {
    let mut log = Log::posted();
    let mut desk = desk(&log, 10_001);
    let actions = desk.caught_up(at(10_001), &router);
    assert!(matches!(appended(&actions), (Message::Close(close), 1) if close.reason == Reason::Expired));
    log.close(Reason::Expired);
    desk.appended(&log.key, Appended::Stored(2), at(10_002), &router);
    let actions = read_last(&mut desk, &log, at(10_002));
    assert!(matches!(appended(&actions), (Message::Assign(assign), 2) if assign.attempt == 1), "{actions:?}");
    assert_eq!(desk.book().get(&log.key).unwrap().state(), State::Posted);
}

#[test]
fn a_clock_that_is_behind_holds_nothing_up() {
    let mut log = Log::empty();
    log.second = 10_000;
    let query = Query::new(name("me"), "request", "?");
    log.write(Kind::Query, "me", To::Any, Ok(Message::Query(query)));
    let mut desk = desk(&log, 1);
    assert!(matches!(appended(&desk.caught_up(at(1), &router)).0, Message::Assign(_)));
}

#[test]
fn what_waits_for_a_silent_agent_goes_to_a_live_one() {
    let router = |_: &Fold, hands: &Hands| decision(Some(if hands.is_live(&name("a")) || !hands.is_live(&name("b")) { "a" } else { "b" }));
    let mut log = Log::posted();
    log.assign(1, "i");
    log.answer(1, "i", Outcome::Retry);
    let mut desk = Desk::new(instance("c"), Policy::default());
    for entry in &log.entries {
        desk.read(entry, at(3), &router);
    }
    desk.heartbeat(&Heartbeat { capacity: 1, interval_s: 1.0, ..beat(name("a"), "i", &[]) }, at(3), &router);
    desk.hands.hold(Key { requester: name("you"), ..log.key.clone() }, name("a"), instance("i"));
    desk.caught_up(at(4), &router);
    assert_eq!(desk.waiting_for(&log.key, at(4), &router).unwrap(), "a free hand of a: its instance is busy, 1 waiting");
    desk.heartbeat(&beat(name("b"), "k", &[]), at(5), &router);
    let actions = desk.tick(at(7), &router);
    assert!(matches!(appended(&actions).0, Message::Assign(assign) if assign.agent == name("b")));
}

/// Nobody is found; somebody may be introduced yet.
struct Introducing(bool);

impl Router for Introducing {
    fn route(&self, _: &Situation<'_>) -> Decision {
        decision(None)
    }

    fn is_complete(&self) -> bool {
        !self.0
    }
}

#[test]
fn nobody_is_called_missing_while_somebody_is_being_introduced() {
    let log = Log::posted();
    let closes = |now: i64, introducing: bool| {
        let mut desk = desk(&log, 0);
        desk.caught_up(at(now), &Introducing(introducing)).len()
    };
    assert_eq!(closes(0, true), 0, "it may be the one who was just heard");
    assert_eq!(closes(0, false), 1);
    assert_eq!(closes(30, true), 1, "but not for long");
}

#[test]
fn with_failover_the_next_candidate_has_its_attempts_and_then_it_is_dead() {
    let route = |fold: &Fold, _: &Hands| decision(["a", "b"].into_iter().find(|agent| !fold.is_done_with(&name(agent))));
    let mut log = Log::of(Query { attempts: Some(1), failover: Some(true), ..Query::new(name("me"), "request", "?") });
    log.assign(1, "i");
    log.answer(1, "i", Outcome::Retry);
    let mut first = desk(&log, 4);
    first.heartbeat(&beat(name("b"), "j", &[]), at(4), &route);
    let actions = first.caught_up(at(10), &route);
    assert!(matches!(appended(&actions).0, Message::Assign(assign) if assign.agent == name("b") && assign.attempt == 2));

    log.assign_to("b", 2, "j");
    log.fail_as("b", 2, "j");
    let mut last = desk(&log, 6);
    let actions = last.caught_up(at(60), &route);
    assert!(matches!(appended(&actions).0, Message::Close(close) if close.code == "attempts_spent"), "{actions:?}");
}

#[test]
fn an_instance_that_accepts_nothing_goes_last_until_it_works_again() {
    let mut log = Log::posted();
    log.assign(1, "i");
    log.give_up(2, "j", "not_accepted");
    let mut desk = desk(&log, 4);
    let trouble = |desk: &Desk| desk.hands().of(&name("a")).map(|(_, hand)| hand.trouble).collect::<Vec<_>>();
    assert_eq!(trouble(&desk), [None], "it had not been heard then");
    log.give_up(3, "i", "stalled");
    read_last(&mut desk, &log, at(5));
    log.give_up(4, "j", "not_accepted");
    read_last(&mut desk, &log, at(6));
    assert_eq!(trouble(&desk), [Some(protocol::Trouble::Deaf)]);
    desk.heartbeat(&beat(name("a"), "z", &[]), at(6), &router);
    assert_eq!(desk.hands().free(&name("a")), Some(&instance("z")), "the healthy one first, whatever its name");
    log.give_up(5, "i", "not_accepted");
    read_last(&mut desk, &log, at(7));
    log.accept(5, "i");
    read_last(&mut desk, &log, at(8));
    assert_eq!(trouble(&desk), [None, None]);
}

#[test]
fn a_query_in_the_hands_of_somebody_silent_says_so() {
    let mut log = Log::posted();
    log.assign(1, "i");
    log.accept(1, "i");
    let mut desk = desk(&log, 3);
    desk.caught_up(at(3), &router);
    assert_eq!(desk.waiting_for(&log.key, at(4), &router), None, "it is worked on");
    desk.listening(Some(at(400)));
    desk.tick(at(400), &router);
    let said = desk.waiting_for(&log.key, at(405), &router).unwrap();
    assert!(said.contains("instance i has been silent for 5 s"), "{said}");
}

/// Their queries wait until somebody fetches them.
struct Mailbox;

impl Router for Mailbox {
    fn route(&self, _: &Situation<'_>) -> Decision {
        decision(Some("a"))
    }

    fn pulls(&self, _: &Name) -> bool {
        true
    }
}

#[test]
fn what_is_fetched_waits_until_somebody_asks_for_it() {
    let log = Log::posted();
    let pulls = |capacity: u32, only| Heartbeat { capacity, pulls: true, only, ..beat(name("a"), "p", &[]) };
    let mut desk = Desk::new(instance("c"), Policy::default());
    desk.read(&log.entries[0], at(1), &router);
    desk.heartbeat(&pulls(0, None), at(1), &router);
    assert_eq!(desk.caught_up(at(1), &router), []);
    let words = "a to take it: agentbus inbox --as a";
    assert_eq!(desk.waiting_for(&log.key, at(2), &router).unwrap(), words);
    assert!(desk.waits_for(&log.key, &name("a")) && !desk.waits_for(&log.key, &name("b")));
    let another = crate::testing::key(7).id;
    assert_eq!(desk.heartbeat(&pulls(1, Some(another)), at(3), &router), [], "it takes another one only");
    let actions = desk.heartbeat(&pulls(1, Some(log.key.id)), at(4), &router);
    assert!(matches!(appended(&actions).0, Message::Assign(assign) if assign.instance == instance("p")));
}

#[test]
fn whoever_wants_this_query_comes_before_the_others() {
    let log = Log::posted();
    let mut desk = Desk::new(instance("c"), Policy::default());
    desk.read(&log.entries[0], at(1), &router);
    // By name and share, `b` would be first.
    desk.heartbeat(&beat(name("a"), "b", &[]), at(1), &router);
    desk.heartbeat(&Heartbeat { only: Some(log.key.id), ..beat(name("a"), "p", &[]) }, at(1), &router);
    let actions = desk.caught_up(at(1), &router);
    assert!(matches!(appended(&actions).0, Message::Assign(assign) if assign.instance == instance("p")));
}

#[test]
fn a_mailbox_waits_for_its_person_whether_live_or_not() {
    let mut log = Log::posted();
    let mut away = Desk::new(instance("c"), Policy::default());
    away.read(&log.entries[0], at(1), &Mailbox);
    away.caught_up(at(1), &Mailbox);
    assert_eq!(away.waiting_for(&log.key, at(2), &Mailbox).unwrap(), "a to take it: agentbus inbox --as a");

    log.assign(1, "gone");
    log.accept(1, "gone");
    let mut taken = desk(&log, 3);
    taken.caught_up(at(3), &Mailbox);
    taken.listening(Some(at(400)));
    assert_eq!(taken.waiting_for(&log.key, at(405), &Mailbox).unwrap(), "a, who took it, and was last heard of 5 s ago");
}
