//! Whatever parts and clocks do, a query to several agents gets an ending, and one that readers can read.

use protocol::message::Accept;

use super::*;
use crate::testing::assign;

fn deep(levels: usize) -> serde_json::Value {
    (0..levels).fold(serde_json::json!(1), |value, _| serde_json::json!([value]))
}

/// What a reader makes of the bytes.
fn reads(answer: &Answer) -> bool {
    let message = Message::Answer(Box::new(answer.clone()));
    Message::parse(Kind::Answer, &Name::coordinator(), &message.to_bytes()).is_ok()
}

#[test]
fn a_result_that_nests_too_deep_for_the_whole_is_left_in_its_own_record() {
    let mut world = World::asked(of(&["a"], None));
    let part = world.parts()[0].clone();
    world.answers(&part, Outcome::Completed, Some(deep(63)));
    let answer = world.whole().unwrap();
    assert!(reads(answer) && answer.parts[0].omitted, "{answer:?}");
}

#[test]
fn what_is_more_than_a_message_holds_is_told_without_its_words() {
    let mut world = World::asked(of(&["a", "b"], None));
    world.desk.policy.largest = 700;
    let parts = world.parts();
    for part in &parts {
        world.answers(part, Outcome::Completed, Some("x".repeat(150).into()));
    }
    let answer = world.whole().unwrap();
    assert!(answer.parts.iter().all(|part| part.omitted && part.delivery.is_none() && part.state == State::Completed), "{answer:?}");

    let mut world = World::asked(of(&["a", "b"], None));
    world.desk.policy.largest = 100;
    for part in world.parts() {
        world.answers(&part, Outcome::Completed, None);
    }
    assert_eq!((world.whole(), world.state()), (None, State::Dead), "even that has an ending");
}

#[test]
fn an_answer_that_nobody_takes_is_not_tried_for_ever() {
    let mut world = World::asked(of(&["a", "b"], None));
    let mut tried = Vec::new();
    for second in (62..100).step_by(2) {
        for action in world.desk.tick(at(second), &router) {
            let Action::Append { key: of, message, .. } = action else { continue };
            tried.extend((of == key(0)).then(|| message.kind()));
            world.desk.appended(&of, Appended::Unknown, at(second), &router);
        }
    }
    assert_eq!((tried.first(), tried.last()), (Some(&Kind::Answer), Some(&Kind::Close)), "{tried:?}");
}

#[test]
fn whoever_was_deaf_reads_on_before_it_calls_a_part_late() {
    let answers = |actions: Vec<Action>| actions.iter().any(|action| matches!(action, Action::Append { key: of, .. } if *of == key(0)));
    let mut world = World::asked(Gather { timeout_ms: Some(30_000), ..of(&["a"], None) });
    let part = world.parts()[0].clone();
    world.assigned(&part);
    world.desk.listening(None);
    assert!(!answers(world.desk.tick(at(40), &router)), "it has stood still: the answer may be there already");
    world.desk.listening(Some(at(40)));
    assert!(!answers(world.desk.tick(at(40), &router)), "nor has it read on by now");
    world.now = 40;
    world.answered(&part, Outcome::Completed, None);
    assert_eq!(world.state(), State::Completed);

    let mut world = World::asked(Gather { timeout_ms: Some(30_000), ..of(&["a"], None) });
    world.desk.listening(None);
    assert!(answers(world.desk.tick(at(55), &router)), "but not for ever");
}

#[test]
fn who_asks_for_more_answers_than_there_are_agents_is_told_so_at_once() {
    let world = World::asked(of(&["a", "b"], Some(Until::Quorum(5))));
    assert_eq!((world.whom().len(), world.state()), (0, State::Rejected));
    let itself = Gather { to: Some(vec![name("a"), Name::coordinator()]), ..Gather::default() };
    assert_eq!(World::asked(itself).state(), State::Rejected);
}

#[test]
fn a_part_that_was_not_asked_is_called_that() {
    let mut world = World::asked(of(&["a"], None));
    let (asked, attempt) = (world.parts(), world.desk.book().get(&key(0)).unwrap().attempts()[0].clone());
    // Its query was never stored.
    world.desk.book.forget_one(&part_key(asked[0].id));
    let answer = Gathering::of(&asked).answer(&Gather::default(), &attempt, world.desk.book(), 1 << 20).unwrap();
    assert_eq!(answer.parts[0].failure.as_ref().unwrap().code, "not_asked");
    assert_eq!(answer.delivery, "0 of 1 parts completed. a: posted (not_asked).");
}

#[test]
fn more_agents_than_an_assignment_lists_are_refused() {
    let many = |_: &Fold, _: &Hands| {
        let candidates = (0..=MOST).map(|n| Candidate::new(name(&format!("a{n}")), "so")).collect();
        Decision { candidates, ..decision(None) }
    };
    let mut desk = World::empty("c").desk;
    let query = Query { gather: Some(Gather { all: true, ..Gather::default() }), ..Query::new(name("me"), "request", "?") };
    let subject = Subject::new(Kind::Query, key(0).id, name("me"), To::Any).unwrap();
    let actions = desk.read(&Entry { seq: 1, time: at(1), subject, body: Ok(Message::Query(query)) }, at(1), &many);
    let [Action::Append { message, .. }] = &actions[..] else { panic!("{actions:?}") };
    assert!(matches!(&**message, Message::Close(close) if close.code == "gather_too_many"), "{message:?}");
}

/// Nobody has been heard, and somebody is known.
struct Unheard;

impl Router for Unheard {
    fn route(&self, _: &Situation<'_>) -> Decision {
        decision(None)
    }

    fn awaits(&self, _: &Hands) -> bool {
        true
    }
}

#[test]
fn all_are_asked_when_there_was_time_to_hear_them() {
    let query = Query { gather: Some(Gather { all: true, ..Gather::default() }), ..Query::new(name("me"), "request", "?") };
    let subject = Subject::new(Kind::Query, key(0).id, name("me"), To::Any).unwrap();
    let entry = Entry { seq: 1, time: at(1), subject, body: Ok(Message::Query(query)) };
    let mut desk = Desk::new(instance("c"), Policy::default());
    desk.caught_up(at(0), &Unheard);
    desk.listening(Some(at(0)));
    assert_eq!(desk.read(&entry, at(1), &Unheard), [], "it has only begun to listen");
    assert_eq!(desk.tick(at(3), &Unheard), []);
    assert_eq!(desk.tick(at(7), &Unheard).len(), 1, "nobody was heard");
}

#[test]
fn a_stranger_does_not_keep_the_clock_of_a_stalled_agent_from_running() {
    let routed = |_: &Fold, _: &Hands| decision(Some("a"));
    let mut desk = Desk::new(instance("c"), Policy::default());
    desk.caught_up(at(0), &routed);
    desk.listening(Some(at(0)));
    let mut seq = 0;
    let mut read = |desk: &mut Desk, second: i64, n: usize, from: &str, to: To, message: Message| {
        seq += 1;
        let subject = Subject::new(message.kind(), key(n).id, name(from), to).unwrap();
        desk.read(&Entry { seq, time: at(second), subject, body: Ok(message) }, at(second), &routed);
    };
    let accept =
        Accept { agent: name("a"), attempt: 1, instance: instance("i"), lease_ms: None, stall_ms: Some(20_000), extra: Extra::new() };
    let foreign = Query { parent: Some(key(0).id), ..Query::new(name("eve"), "request", "?") };
    read(&mut desk, 1, 0, "me", To::Any, Message::Query(Query::new(name("me"), "request", "?")));
    read(&mut desk, 2, 0, "me", To::One(name("a")), Message::Assign(assign(1, "i")));
    read(&mut desk, 3, 0, "a", To::One(name("me")), Message::Accept(accept));
    read(&mut desk, 18, 7, "eve", To::Any, Message::Query(foreign));
    read(&mut desk, 18, 7, "eve", To::One(name("eve")), Message::Close(close(Reason::Rejected)));
    assert_eq!(desk.silent(&key(0), at(19)).1.unwrap().as_secs(), 16);
}
