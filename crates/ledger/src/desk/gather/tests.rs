//! Asking several at once, step by step, as one desk does it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use protocol::{
    Extra, State,
    message::{Close, Failure, Outcome, Until},
};

mod bounds;

use super::*;
use crate::{
    Appended, Hands, Policy,
    testing::{at, close, decision, instance, key, name},
};

/// Whoever is named, and has no live instance; of many `b` and `c`.
fn router(fold: &Fold, _: &Hands) -> Decision {
    if let Some(target) = fold.posted().query().and_then(|query| query.target.as_ref()) {
        return decision(Some(target.as_str()));
    }
    let candidates = ["b", "c"].map(|agent| Candidate::new(name(agent), "so")).to_vec();
    Decision { candidates, ..decision(None) }
}

/// A desk, and the ledger that it reads: what it appends is stored at once, under compare-and-set.
struct World {
    desk: Desk,
    entries: Vec<Entry>,
    now: i64,
    /// How far the desk's clock is ahead of the server's.
    ahead: i64,
}

impl World {
    /// A query that gathers is stored.
    fn asked(gather: Gather) -> Self {
        Self::empty("c").with(gather)
    }

    fn with(mut self, gather: Gather) -> Self {
        let query = Query { gather: Some(gather), timeout_ms: Some(60_000), ..Query::new(name("me"), "request", "?") };
        self.store(key(0).id, "me", To::Any, Message::Query(query));
        self
    }

    fn empty(coordinator: &str) -> Self {
        let mut desk = Desk::new(instance(coordinator), Policy::default());
        desk.listening(Some(at(-10)));
        desk.caught_up(at(0), &router);
        Self { desk, entries: Vec::new(), now: 0, ahead: 0 }
    }

    fn store(&mut self, id: QueryId, from: &str, to: To, message: Message) {
        let from = if from == "coordinator" { Name::coordinator() } else { name(from) };
        let subject = Subject::new(message.kind(), id, from, to).unwrap();
        self.read(subject, message);
    }

    fn read(&mut self, subject: Subject, message: Message) {
        self.now += 1;
        let entry = Entry { seq: self.entries.len() as u64 + 1, time: at(self.now), subject, body: Ok(message) };
        self.entries.push(entry.clone());
        let actions = self.desk.read(&entry, at(self.now + self.ahead), &router);
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            if let Action::Append { key, subject, message, .. } = action {
                let stored = Appended::Stored(self.entries.len() as u64 + 1);
                self.read(subject, *message);
                let more = self.desk.appended(&key, stored, at(self.now + self.ahead), &router);
                self.perform(more);
            }
        }
    }

    /// Time passes.
    fn wait(&mut self, until: i64) {
        self.now = until;
        let actions = self.desk.tick(at(until + self.ahead), &router);
        self.perform(actions);
    }

    /// Another coordinator is heard.
    fn hears(&mut self, coordinator: &str) {
        let beat = serde_json::json!({
            "agent": "coordinator", "owner": "bus", "session": "", "instance_id": coordinator, "ts": "2026-01-01T00:00:00Z",
            "interval_s": 20.0, "capacity": 0, "load": 0,
        });
        let beat: protocol::Heartbeat = serde_json::from_value(beat).unwrap();
        self.desk.heartbeat(&beat, at(self.now), &router);
    }

    /// The parts, as the assignment lists them.
    fn parts(&self) -> Vec<Asked> {
        let assigned = |entry: &Entry| match &entry.body {
            Ok(Message::Assign(assign)) if !assign.parts.is_empty() => Some(assign.parts.clone()),
            _ => None,
        };
        self.entries.iter().find_map(assigned).unwrap()
    }

    /// Who was asked, in that order.
    fn whom(&self) -> Vec<String> {
        let part = |entry: &Entry| match &entry.body {
            Ok(Message::Query(query)) if query.parent == Some(key(0).id) => Some(query.target.as_ref()?.to_string()),
            _ => None,
        };
        self.entries.iter().filter_map(part).collect()
    }

    /// A part is assigned to its agent, which answers.
    fn answers(&mut self, part: &Asked, outcome: Outcome, result: Option<serde_json::Value>) {
        self.assigned(part);
        self.answered(part, outcome, result);
    }

    fn assigned(&mut self, part: &Asked) {
        let assign = Assign { agent: part.agent.clone(), ..crate::testing::assign(1, "i") };
        self.store(part.id, "coordinator", To::One(part.agent.clone()), Message::Assign(assign));
    }

    fn answered(&mut self, part: &Asked, outcome: Outcome, result: Option<serde_json::Value>) {
        let agent = part.agent.to_string();
        let failure = (outcome == Outcome::Failed).then(|| Failure::new("broken", "It broke."));
        let answer = Answer {
            agent: part.agent.clone(),
            attempt: 1,
            instance: "i".parse::<InstanceId>().unwrap(),
            outcome,
            delivery: "Done. ".repeat(40),
            result,
            result_at: None,
            attachments: Vec::new(),
            facts: Vec::new(),
            unknown: Vec::new(),
            parts: Vec::new(),
            usage: None,
            failure,
            extra: Extra::new(),
        };
        self.store(part.id, &agent, To::One(Name::coordinator()), Message::Answer(Box::new(answer)));
    }

    /// A part is closed.
    fn closes(&mut self, part: &Asked) {
        let closed = Close { code: "no_agent".to_owned(), ..close(Reason::Unroutable) };
        self.store(part.id, "coordinator", To::One(Name::coordinator()), Message::Close(closed));
    }

    fn whole(&self) -> Option<&Answer> {
        let gathered = |entry: &&Entry| entry.subject.id() == key(0).id && entry.subject.from().is_coordinator();
        let entry = self.entries.iter().rev().find(|entry| gathered(entry) && matches!(entry.body, Ok(Message::Answer(_))))?;
        let Ok(Message::Answer(answer)) = &entry.body else { return None };
        Some(answer)
    }

    fn state(&self) -> State {
        self.desk.book().get(&key(0)).unwrap().state()
    }
}

fn of(names: &[&str], until: Option<Until>) -> Gather {
    Gather { to: Some(names.iter().map(|agent| name(agent)).collect()), until, ..Gather::default() }
}

#[test]
fn each_agent_is_asked_once_on_behalf_of_the_whole() {
    let mut world = World::asked(of(&["a", "b", "a"], None));
    assert_eq!(world.whom(), ["a", "b"]);
    assert_eq!(world.state(), State::Working);
    for part in world.parts() {
        let child = world.desk.book().get(&part_key(part.id)).unwrap();
        assert_eq!(world.desk.book().path(child.key()), [name("me"), Name::coordinator()]);
    }
    assert_eq!(world.desk.waiting_for(&key(0), at(9), &router).unwrap(), "what it asked of a (posted), b (posted)");
    world.wait(10);
    assert_eq!(world.whom().len(), 2, "and not once more");
}

#[test]
fn without_names_whoever_routing_chooses_is_asked() {
    let world = World::asked(Gather { top: Some(2), ..Gather::default() });
    assert_eq!(world.whom(), ["b", "c"]);
}

#[test]
fn the_answer_names_every_part_with_its_state() {
    let mut world = World::asked(of(&["a", "b", "c"], None));
    let parts = world.parts();
    world.answers(&parts[0], Outcome::Completed, Some(1.into()));
    world.answers(&parts[1], Outcome::Failed, None);
    assert_eq!(world.whole(), None, "one is still open");
    world.closes(&parts[2]);
    let answer = world.whole().unwrap();
    assert_eq!((answer.outcome, world.state()), (Outcome::Completed, State::Completed));
    let told: Vec<_> = answer.parts.iter().map(|part| (part.agent.as_str(), part.state)).collect();
    assert_eq!(told, [("a", State::Completed), ("b", State::Failed), ("c", State::Unroutable)]);
    assert_eq!(answer.parts[0].result, Some(1.into()));
    assert_eq!(answer.delivery, "1 of 3 parts completed. b: failed (broken). c: unroutable (no_agent).");
}

#[test]
fn the_first_answer_is_enough_where_one_is_asked_for_and_the_others_are_stopped() {
    let mut world = World::asked(of(&["a", "b"], Some(Until::First)));
    let parts = world.parts();
    world.answers(&parts[0], Outcome::Failed, None);
    assert_eq!(world.whole(), None);
    world.answers(&parts[1], Outcome::Completed, None);
    assert_eq!(world.state(), State::Completed);

    let mut world = World::asked(of(&["a", "b"], Some(Until::First)));
    let parts = world.parts();
    world.answers(&parts[0], Outcome::Completed, None);
    assert_eq!(world.whole().unwrap().delivery, "1 of 2 parts completed. b: had not answered (posted).");
    assert_eq!(world.desk.book().get(&part_key(parts[1].id)).unwrap().state(), State::Cancelled);
}

#[test]
fn a_quorum_that_cannot_be_reached_fails_at_once() {
    let mut world = World::asked(of(&["a", "b", "c"], Some(Until::Quorum(2))));
    let parts = world.parts();
    world.closes(&parts[0]);
    assert_eq!(world.whole(), None);
    world.closes(&parts[1]);
    let answer = world.whole().unwrap();
    assert_eq!((answer.outcome, answer.failure.as_ref().unwrap().code.as_str()), (Outcome::Failed, "gather_unmet"));
    assert_eq!(answer.failure.as_ref().unwrap().message, "0 of 3 parts completed, and 2 had to.");
}

#[test]
fn what_is_late_is_named_when_the_time_is_up() {
    let mut world = World::asked(Gather { timeout_ms: Some(20_000), ..of(&["a", "b"], None) });
    let parts = world.parts();
    world.answers(&parts[0], Outcome::Completed, None);
    world.wait(15);
    assert_eq!(world.whole(), None);
    world.wait(30);
    let answer = world.whole().unwrap();
    assert_eq!((answer.outcome, answer.parts[1].state), (Outcome::Completed, State::Posted));

    let mut world = World::asked(of(&["a", "b"], None));
    world.wait(70);
    assert_eq!((world.state(), world.whole().unwrap().parts.len()), (State::Failed, 2), "at its deadline it is answered, too");
}

#[test]
fn an_answer_before_its_time_by_the_servers_clock_changes_nothing() {
    let mut world = World { ahead: 40, ..World::empty("c") }.with(Gather { timeout_ms: Some(20_000), ..of(&["a", "b"], None) });
    assert_eq!(world.whole().unwrap().parts.len(), 2, "its clock says that the time is up");
    assert_eq!(world.state(), State::Working);
    assert_eq!(world.whom(), ["a", "b"], "and now it knows better");
    let parts = world.parts();
    world.answers(&parts[0], Outcome::Completed, None);
    world.wait(15);
    assert_eq!(world.state(), State::Working);
    world.wait(30);
    assert_eq!((world.state(), world.whole().unwrap().parts[0].state), (State::Completed, State::Completed));
}

#[test]
fn what_another_coordinator_gathers_is_left_to_it() {
    let is_the_others = |peer: &&str| {
        let mut world = World::empty("c");
        world.hears(peer);
        world.with(of(&["a"], None)).entries.len() == 1
    };
    let peer = ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"].into_iter().find(is_the_others).unwrap();
    let mut first = World::asked(Gather { timeout_ms: Some(20_000), ..of(&["a"], None) });
    // It sees that a part is still to be asked, and a moment later that it was.
    let mut second = World::empty("c");
    second.hears(peer);
    for entry in std::mem::take(&mut first.entries) {
        second.now = entry.time.as_second();
        second.entries.push(entry.clone());
        assert_eq!(second.desk.read(&entry, entry.time, &router), [], "{entry:?}");
    }
    second.wait(10);
    let due = second.desk.tick(at(23), &router);
    let is_answer = |action: &Action| matches!(action, Action::Append { key: of, .. } if *of == key(0));
    assert!(!due.iter().any(is_answer), "when it is time, the other one answers: {due:?}");
    second.wait(26);
    assert_eq!(second.state(), State::Failed, "unless it does not");
}

#[test]
fn another_coordinator_goes_on_where_the_first_one_stopped() {
    let mut first = World::asked(of(&["a", "b"], None));
    let parts = first.parts();
    first.answers(&parts[0], Outcome::Completed, None);
    // It has read all, but the second part was never stored.
    let mut second = World::empty("d");
    let (mut desk, entries) = (Desk::new(instance("d"), Policy::default()), first.entries.clone());
    let kept = entries.into_iter().filter(|entry| entry.subject.id() != parts[1].id).zip(1..);
    for (entry, seq) in kept {
        let entry = Entry { seq, ..entry };
        desk.read(&entry, at(20), &router);
        second.entries.push(entry);
    }
    (second.desk, second.now) = (desk, 20);
    let actions = second.desk.caught_up(at(20), &router);
    second.perform(actions);
    assert_eq!(second.whom(), ["a", "b"]);
    second.answers(&parts[1], Outcome::Completed, None);
    let answer = second.whole().unwrap();
    assert_eq!((answer.delivery.as_str(), answer.attempt), ("2 of 2 parts completed.", 1));
}

#[test]
fn what_is_too_large_together_is_left_in_its_own_record() {
    let mut world = World::asked(of(&["a", "b"], None));
    let parts = world.parts();
    for part in &parts {
        world.answers(part, Outcome::Completed, Some("x".repeat(Policy::default().largest / 8 + 1).into()));
    }
    let told: Vec<_> = world.whole().unwrap().parts.iter().map(|part| (part.result.is_some(), part.omitted)).collect();
    assert_eq!(told, [(true, false), (false, true)]);
}

#[test]
fn a_cancelled_whole_takes_its_parts_with_it() {
    let mut world = World::asked(of(&["a", "b"], None));
    let cancel = serde_json::from_value(serde_json::json!({ "requesting_agent": "me" })).unwrap();
    world.store(key(0).id, "me", To::One(Name::coordinator()), Message::Cancel(cancel));
    assert_eq!(world.state(), State::Cancelled);
    for part in world.parts() {
        assert_eq!(world.desk.book().get(&part_key(part.id)).unwrap().state(), State::Cancelled);
    }
    assert!(world.desk.is_idle());
}

#[test]
fn an_agent_that_waits_for_the_answer_is_not_asked_for_it() {
    let mut world = World::empty("c");
    let routed = |_: &Fold, _: &Hands| decision(Some("a"));
    let root = Query::new(name("me"), "request", "?");
    let entries = [(key(0), To::Any, Message::Query(root)), (key(0), To::One(name("a")), Message::Assign(crate::testing::assign(1, "i")))];
    for (key, to, message) in entries {
        let subject = Subject::new(message.kind(), key.id, key.requester, to).unwrap();
        world.now += 1;
        let entry = Entry { seq: world.now as u64, time: at(world.now), subject, body: Ok(message) };
        world.desk.read(&entry, at(world.now), &routed);
    }
    let back = Query { target: Some(name("a")), parent: Some(key(0).id), ..Query::new(name("a"), "request", "?") };
    let subject = Subject::new(Kind::Query, key(1).id, name("a"), To::One(name("a"))).unwrap();
    let entry = Entry { seq: 3, time: at(3), subject, body: Ok(Message::Query(back)) };
    let actions = world.desk.read(&entry, at(3), &routed);
    let [Action::Append { message, .. }] = &actions[..] else { panic!("{actions:?}") };
    let Message::Close(close) = &**message else { panic!("{message:?}") };
    assert_eq!(
        (close.code.as_str(), close.message.as_str()),
        ("delegation_cycle", "It would come back to a, which waits for it: me → a → a.")
    );
}
