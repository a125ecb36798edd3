//! For the unit tests of this crate: a ledger of one query, written line by line.

#![allow(clippy::unwrap_used)]

use jiff::Timestamp;
use protocol::{
    Decision, Extra, InstanceId, Invalid, Kind, Message, Name, Step, Subject, To, Verdict,
    message::{Accept, Answer, Assign, Cancel, Close, Failure, Outcome, Progress, Query, Question, Reason, Reply},
};

use crate::{Applied, Book, Entry, Fold, Key};

/// A time, in seconds.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn instance(text: &str) -> InstanceId {
    text.parse().unwrap()
}

/// A query's key; each number has its own.
pub(crate) fn key(n: usize) -> Key {
    Key { id: format!("{n:08x}-0000-7000-8000-000000000000").parse().unwrap(), requester: name("me") }
}

/// The decision for an agent, or for nobody.
pub(crate) fn decision(agent: Option<&str>) -> Decision {
    let step = if agent.is_some() { Step::Fallback } else { Step::None };
    Decision::new(agent.map(name), step, "so")
}

pub(crate) fn assign(attempt: u32, to: &str) -> Assign {
    Assign {
        agent: name("a"),
        instance: instance(to),
        attempt,
        deadline: at(600),
        coordinator: instance("c"),
        decision: decision(Some("a")),
        gives_up: None,
        path: Vec::new(),
        budget: None,
        parts: Vec::new(),
        extra: Extra::new(),
    }
}

pub(crate) fn close(reason: Reason) -> Close {
    let (code, message) = ("because".to_owned(), "Because.".to_owned());
    Close { reason, code, message, pointer: None, hint: None, coordinator: instance("c"), extra: Extra::new() }
}

pub(crate) fn junk() -> Invalid {
    Invalid { pointer: "/payload".to_owned(), keyword: "required".to_owned(), reason: "payload is missing".to_owned() }
}

fn answer(agent: &str, attempt: u32, by: &str, outcome: Outcome, failure: Option<Failure>) -> Message {
    Message::Answer(Box::new(Answer {
        agent: name(agent),
        attempt,
        instance: instance(by),
        outcome,
        delivery: "Done.".to_owned(),
        result: None,
        result_at: None,
        attachments: vec![],
        facts: vec![],
        unknown: vec![],
        parts: vec![],
        usage: None,
        failure,
        extra: Extra::new(),
    }))
}

/// A ledger in the making, and the book that has read it. Each message is stored a second after the last.
pub(crate) struct Log {
    pub(crate) key: Key,
    pub(crate) book: Book,
    pub(crate) entries: Vec<Entry>,
    pub(crate) second: i64,
}

impl Log {
    /// Nothing yet.
    pub(crate) fn empty() -> Self {
        Self { key: key(0), book: Book::default(), entries: Vec::new(), second: 0 }
    }

    /// A query is stored.
    pub(crate) fn of(query: Query) -> Self {
        let mut log = Self::empty();
        log.write(Kind::Query, "me", To::Any, Ok(Message::Query(query)));
        log
    }

    /// A plain query is stored.
    pub(crate) fn posted() -> Self {
        Self::of(Query::new(name("me"), "request", "What is known?"))
    }

    /// Stores and reads a message, a second after the last.
    pub(crate) fn write(&mut self, kind: Kind, from: &str, to: To, body: Result<Message, Invalid>) -> Verdict {
        let subject = Subject::new(kind, self.key.id, name(from), to).unwrap();
        let seq = self.book.last() + 1;
        self.second += 1;
        let entry = Entry { seq, time: at(self.second), subject, body };
        let Applied { verdict, .. } = self.book.apply(&entry);
        self.entries.push(entry);
        verdict
    }

    pub(crate) fn fold(&self) -> &Fold {
        self.book.get(&self.key).unwrap()
    }

    fn mine(&mut self, to: &str, message: Message) -> Verdict {
        let to = if to == "coordinator" { Name::coordinator() } else { name(to) };
        self.write(message.kind(), "me", To::One(to), Ok(message))
    }

    fn agents(&mut self, message: Message) -> Verdict {
        self.write(message.kind(), "a", To::One(name("me")), Ok(message))
    }

    pub(crate) fn assign(&mut self, attempt: u32, to: &str) -> Verdict {
        self.mine("a", Message::Assign(assign(attempt, to)))
    }

    /// Another agent than the usual one.
    pub(crate) fn assign_to(&mut self, agent: &str, attempt: u32, to: &str) -> Verdict {
        self.mine(agent, Message::Assign(Assign { agent: name(agent), ..assign(attempt, to) }))
    }

    /// The attempt before it is given up.
    pub(crate) fn give_up(&mut self, attempt: u32, to: &str, code: &str) -> Verdict {
        let gives_up = Some(Failure::new(code, "Because."));
        self.mine("a", Message::Assign(Assign { gives_up, ..assign(attempt, to) }))
    }

    pub(crate) fn accept(&mut self, attempt: u32, by: &str) -> Verdict {
        self.accept_with(attempt, by, None)
    }

    /// It may show no progress for so many milliseconds.
    pub(crate) fn accept_for(&mut self, attempt: u32, by: &str, stall_ms: u64) -> Verdict {
        self.accept_with(attempt, by, Some(stall_ms))
    }

    fn accept_with(&mut self, attempt: u32, by: &str, stall_ms: Option<u64>) -> Verdict {
        let (agent, instance) = (name("a"), instance(by));
        self.agents(Message::Accept(Accept { agent, attempt, instance, lease_ms: None, stall_ms, extra: Extra::new() }))
    }

    pub(crate) fn progress(&mut self, attempt: u32, by: &str) -> Verdict {
        let (agent, status, instance) = (name("a"), "busy".to_owned(), Some(instance(by)));
        self.agents(Message::Progress(Progress {
            agent,
            status,
            progress: None,
            attempt: Some(attempt),
            instance,
            defaulted: None,
            extra: Extra::new(),
        }))
    }

    pub(crate) fn question(&mut self, attempt: u32, by: &str, question: u32) -> Verdict {
        self.agents(Message::Question(Question {
            agent: name("a"),
            attempt,
            instance: instance(by),
            question,
            text: "Which?".to_owned(),
            choices: None,
            default: None,
            timeout_ms: None,
            extra: Extra::new(),
        }))
    }

    pub(crate) fn reply(&mut self, question: u32) -> Verdict {
        self.mine("a", Message::Reply(Reply { requesting_agent: name("me"), question, reply: "This.".into(), extra: Extra::new() }))
    }

    pub(crate) fn answer(&mut self, attempt: u32, by: &str, outcome: Outcome) -> Verdict {
        self.answer_with(attempt, by, outcome, None)
    }

    /// It asks for another try, and says why.
    pub(crate) fn fail(&mut self, attempt: u32, by: &str, failure: Failure) -> Verdict {
        self.answer_with(attempt, by, Outcome::Retry, Some(failure))
    }

    /// Another agent than the usual one asks for another try.
    pub(crate) fn fail_as(&mut self, agent: &str, attempt: u32, by: &str) -> Verdict {
        let message = answer(agent, attempt, by, Outcome::Retry, None);
        self.write(message.kind(), agent, To::One(name("me")), Ok(message))
    }

    fn answer_with(&mut self, attempt: u32, by: &str, outcome: Outcome, failure: Option<Failure>) -> Verdict {
        self.agents(answer("a", attempt, by, outcome, failure))
    }

    pub(crate) fn cancel(&mut self) -> Verdict {
        self.mine("coordinator", Message::Cancel(Cancel { requesting_agent: name("me"), reason: None, extra: Extra::new() }))
    }

    pub(crate) fn close(&mut self, reason: Reason) -> Verdict {
        self.mine("me", Message::Close(close(reason)))
    }
}
