//! The people outside: requesters with their queries and second thoughts, and an enemy who
//! writes whatever his permissions let him.

use ledger::Key;
use protocol::{
    Extra, InstanceId, Invalid, Kind, Message, Name, QueryId, Subject, To,
    message::{Accept, Answer, Cancel, Failure, Gather, Notice, Outcome, Priority, Progress, Query, Reply},
};

use crate::{
    event::Event,
    stream::{Draft, Expect, Ms},
    tally::Happening,
    world::World,
};

/// A query that somebody will post.
pub(crate) struct Request {
    pub(crate) key: Key,
    pub(crate) to: To,
    pub(crate) body: Result<Message, Invalid>,
}

/// Something that somebody outside does about the request of this number.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Post(usize),
    /// The same id with other content.
    Change(usize),
    /// Another requester takes the id.
    Steal(usize),
    Cancel(usize),
    /// Somebody else cancels it.
    Meddle(usize),
    Reply(Key, Name, u32),
    /// A body that is no message, in the requester's own name.
    Junk(usize),
    /// A subject that is none of the bus, in the requester's own name.
    OffSubject(usize),
    /// Signs of work from one who was not assigned, or not that instance.
    Forge(usize),
    /// Somebody claims to ask on its behalf.
    Claim(usize),
    /// Messages about a query that nobody posted.
    Orphan,
    Notice,
}

/// The names under which queries are posted; the last is an agent's too.
const REQUESTERS: [&str; 3] = ["ann", "bob", "a0"];

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn junk() -> Invalid {
    Invalid { pointer: "/payload".to_owned(), keyword: "required".to_owned(), reason: "payload is missing".to_owned() }
}

/// What else may happen to a request, with its chance in percent.
const fn second_thoughts(n: usize) -> [(u64, Act); 9] {
    [
        (25, Act::Post(n)),
        (10, Act::Post(n)),
        (15, Act::Change(n)),
        (8, Act::Steal(n)),
        (20, Act::Cancel(n)),
        (10, Act::Meddle(n)),
        (12, Act::Junk(n)),
        (8, Act::OffSubject(n)),
        (30, Act::Forge(n)),
    ]
}

impl World {
    /// Plans what people will do until `end`.
    pub(crate) fn plan_requests(&mut self, end: Ms) {
        for n in 0..1 + self.rng.below(5) {
            let request = self.request(n);
            self.requests.push(request);
            let start = self.rng.between(0, end * 2 / 3);
            self.agenda.put(start, Event::Act(Act::Post(n)));
            self.plan_thoughts(n, start, end);
            if self.family && self.rng.percent(40) {
                let when = self.rng.between(start, (start + 3000).min(end));
                self.agenda.put(when, Event::Act(Act::Claim(n)));
            }
            if self.rng.percent(10) {
                let when = self.rng.between(start, (start + 2000).min(end));
                let Request { key, to, .. } = &self.requests[n];
                let to = to.name().cloned().unwrap_or_else(|| name("a0"));
                self.agenda.put(when, Event::Act(Act::Reply(key.clone(), to, 1)));
            }
        }
        if self.rng.percent(20) {
            let when = self.rng.between(0, end);
            self.agenda.put(when, Event::Act(if when % 2 == 0 { Act::Orphan } else { Act::Notice }));
        }
    }

    pub(crate) fn plan_thoughts(&mut self, n: usize, start: Ms, end: Ms) {
        for (chance, act) in second_thoughts(n) {
            if self.rng.percent(chance) {
                let when = self.rng.between((start - 100).max(0), (start + 4000).min(end));
                self.agenda.put(when, Event::Act(act));
            }
        }
    }

    fn request(&mut self, n: usize) -> Request {
        let id: QueryId = format!("{n:08x}-0000-7000-8000-{:012x}", self.seed & 0xffff_ffff_ffff).parse().unwrap();
        let requester = name(REQUESTERS[[0, 0, 0, 1, 1, 1, 2][self.rng.below(7)]]);
        let mut query = Query::new(requester.clone(), "request", "What is known?");
        query.priority = [None, Some(Priority::Low), Some(Priority::High), Some(Priority::Critical)][self.rng.below(4)];
        query.attempts = [None, Some(1), Some(2), Some(6)][self.rng.below(4)];
        query.timeout_ms = [None, Some(200), Some(3000), Some(8000), Some(60_000), None][self.rng.below(6)];
        let mut to = To::Any;
        if self.rng.percent(30) {
            let agent = self.routes.agents[self.rng.below(self.routes.agents.len())].clone();
            // The agent that never comes back cannot answer; time must end what waits for it.
            if self.gone.as_ref() == Some(&agent) {
                query.timeout_ms = Some(3000);
            }
            query.target = Some(agent.clone());
            to = To::One(agent);
        }
        self.enlarge(&mut query, &mut to);
        match self.rng.below(20) {
            0 => return Request { key: Key { id, requester }, to, body: Err(junk()) },
            1 => query.gather = Some(Gather::default()),
            2 => query.id = Some("ffffffff-0000-7000-8000-000000000000".parse().unwrap()),
            3 => query.target = to.name().map(|_| name("somebody-else")),
            4 => (query.target, to) = (Some(name("nobody")), To::One(name("nobody"))),
            _ => {}
        }
        Request { key: Key { id, requester }, to, body: Ok(Message::Query(query)) }
    }

    pub(crate) fn act(&mut self, act: Act) {
        match act {
            Act::Post(n) => {
                let Request { key, to, body } = &self.requests[n];
                let (key, to, body) = (key.clone(), to.clone(), body.clone());
                self.post(&key, to, body);
            }
            Act::Change(n) => {
                let Request { key, to, body } = &self.requests[n];
                let (key, to, mut body) = (key.clone(), to.clone(), body.clone());
                if let Ok(Message::Query(query)) = &mut body {
                    query.payload.query.push_str(" And what else?");
                }
                self.post(&key, to, body);
            }
            Act::Steal(n) => {
                let key = Key { id: self.requests[n].key.id, requester: name("eve") };
                let query = Query::new(key.requester.clone(), "request", "Mine!");
                self.post(&key, To::Any, Ok(Message::Query(query)));
            }
            Act::Cancel(n) => {
                let key = self.requests[n].key.clone();
                self.cancel(key.id, key.requester);
            }
            Act::Meddle(n) => self.cancel(self.requests[n].key.id, name("eve")),
            Act::Reply(key, to, question) => {
                let asked = self.truths.log(key.id).iter().any(|stored| {
                    let body = stored.entry.as_ref().and_then(|entry| entry.body.as_ref().ok());
                    matches!(body, Some(Message::Question(q)) if q.question == question)
                });
                if !asked {
                    self.tally.count(Happening::EarlyReply);
                }
                let reply = Reply { requesting_agent: key.requester.clone(), question, reply: "Yes.".into(), extra: Extra::new() };
                self.say(Kind::Reply, key.id, key.requester, To::One(to), Ok(Message::Reply(reply)));
            }
            Act::Junk(n) => {
                let key = self.requests[n].key.clone();
                self.say(Kind::Reply, key.id, key.requester, To::One(name("a0")), Err(junk()));
            }
            Act::OffSubject(n) => {
                self.tally.count(Happening::OffSubject);
                let draft = Draft { slot: self.requests[n].key.clone(), message: None };
                self.publish(draft, None);
            }
            Act::Forge(n) => self.forge(n),
            Act::Claim(n) => self.claim(n),
            Act::Orphan => {
                let id: QueryId = "eeeeeeee-0000-7000-8000-000000000000".parse().unwrap();
                self.answer_as(name("a0"), id, name("ann"), 1, "i9".parse().unwrap());
                self.cancel(id, name("ann"));
            }
            Act::Notice => {
                let id = self.requests[0].key.id;
                let notice = Notice { agent: name("a0"), delivery: "Built.".to_owned(), extra: Extra::new() };
                self.say(Kind::Notice, id, name("a0"), To::All, Ok(Message::Notice(notice)));
            }
        }
    }

    fn post(&mut self, key: &Key, to: To, body: Result<Message, Invalid>) {
        let Ok(subject) = Subject::new(Kind::Query, key.id, key.requester.clone(), to) else { return };
        // Clients publish under compare-and-set; nothing forces them to.
        let expect = self.rng.percent(60).then_some(Expect::NoQuery(key.id));
        self.publish(Draft::new(subject, body), expect);
    }

    fn cancel(&mut self, id: QueryId, requester: Name) {
        let cancel = Cancel { requesting_agent: requester.clone(), reason: None, extra: Extra::new() };
        self.say(Kind::Cancel, id, requester, To::One(Name::coordinator()), Ok(Message::Cancel(cancel)));
    }

    /// Somebody who was not assigned, or another instance than the assigned one, meddles.
    fn forge(&mut self, n: usize) {
        let key = self.requests[n].key.clone();
        let Some((agent, attempt, instance)) = self.truths.now(&key).and_then(|truth| truth.current.clone()) else { return };
        let (from, instance): (Name, InstanceId) = match self.rng.below(3) {
            0 => (name("eve"), instance),
            1 => (agent, "i9".parse().unwrap()),
            // Its own progress, to everybody: beside the record, but under the requester's guard.
            _ => return self.aside(&key),
        };
        let accept =
            Accept { agent: from.clone(), attempt, instance: instance.clone(), lease_ms: None, stall_ms: None, extra: Extra::new() };
        self.say(Kind::Accept, key.id, from.clone(), To::One(key.requester.clone()), Ok(Message::Accept(accept)));
        self.answer_as(from, key.id, key.requester, attempt, instance);
    }

    fn aside(&mut self, key: &Key) {
        let agent = key.requester.clone();
        let progress = Progress {
            agent: agent.clone(),
            status: "busy".to_owned(),
            progress: None,
            attempt: None,
            instance: None,
            defaulted: None,
            extra: Extra::new(),
        };
        self.say(Kind::Progress, key.id, agent, To::All, Ok(Message::Progress(progress)));
    }

    fn answer_as(&mut self, agent: Name, id: QueryId, requester: Name, attempt: u32, instance: InstanceId) {
        let answer = answer(agent.clone(), attempt, instance, Outcome::Completed, None);
        self.say(Kind::Answer, id, agent, To::One(requester), Ok(answer));
    }

    /// Publishes a message without compare-and-set.
    pub(crate) fn say(&mut self, kind: Kind, id: QueryId, from: Name, to: To, body: Result<Message, Invalid>) {
        let Ok(subject) = Subject::new(kind, id, from, to) else { return };
        self.publish(Draft::new(subject, body), None);
    }
}

pub(crate) fn answer(agent: Name, attempt: u32, instance: InstanceId, outcome: Outcome, failure: Option<Failure>) -> Message {
    Message::Answer(Box::new(Answer {
        agent,
        attempt,
        instance,
        outcome,
        delivery: "Done.".to_owned(),
        result: None,
        result_at: None,
        attachments: Vec::new(),
        facts: Vec::new(),
        unknown: Vec::new(),
        parts: Vec::new(),
        usage: None,
        failure,
        extra: Extra::new(),
    }))
}
