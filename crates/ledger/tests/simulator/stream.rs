//! The ledger as the server keeps it: messages in order, and appends under compare-and-set.
//!
//! Knows nothing of folds. Also holds what is no message of the bus but stands under its subjects.

use std::rc::Rc;

use jiff::Timestamp;
use ledger::{Entry, Key};
use protocol::{Invalid, Kind, Message, QueryId, Subject};

/// Simulated time, in milliseconds since the beginning of the run, by the server's clock.
pub(crate) type Ms = i64;

/// A time of the run as a date.
pub(crate) fn at(ms: Ms) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap()
}

/// A date as a time of the run.
pub(crate) fn ms(at: Timestamp) -> Ms {
    at.as_millisecond() - 1_800_000_000_000
}

/// A stored message.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) seq: u64,
    pub(crate) at: Ms,
    /// The id and the writer in its subject.
    pub(crate) slot: Key,
    /// None where the rest of the subject is no subject of the bus.
    pub(crate) entry: Option<Entry>,
}

/// What an append excludes.
#[derive(Clone, Debug)]
pub(crate) enum Expect {
    /// The last sequence of everything under this id and writer.
    Guard(Key, u64),
    /// No query under this id yet.
    NoQuery(QueryId),
}

/// Who or what may be stored: a subject with a body, or only a place.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) slot: Key,
    pub(crate) message: Option<(Subject, Result<Message, Invalid>)>,
}

impl Draft {
    pub(crate) fn new(subject: Subject, body: Result<Message, Invalid>) -> Self {
        let slot = Key { id: subject.id(), requester: subject.from().clone() };
        Self { slot, message: Some((subject, body)) }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Stream {
    stored: Vec<Rc<Stored>>,
}

impl Stream {
    /// Whether the server would store an append that expects this.
    pub(crate) fn admits(&self, expect: &Expect) -> bool {
        match expect {
            Expect::Guard(slot, last) => {
                let found = self.stored.iter().rev().find(|stored| stored.slot == *slot);
                found.map_or(0, |stored| stored.seq) == *last
            }
            Expect::NoQuery(id) => !self
                .stored
                .iter()
                .any(|stored| stored.slot.id == *id && stored.entry.as_ref().is_some_and(|entry| entry.subject.kind() == Kind::Query)),
        }
    }

    pub(crate) fn store(&mut self, draft: Draft, now: Ms) -> Rc<Stored> {
        let seq = self.stored.len() as u64 + 1;
        let entry = draft.message.map(|(subject, body)| Entry { seq, time: at(now), subject, body });
        let stored = Rc::new(Stored { seq, at: now, slot: draft.slot, entry });
        self.stored.push(Rc::clone(&stored));
        stored
    }

    pub(crate) fn get(&self, index: usize) -> Option<Rc<Stored>> {
        self.stored.get(index).cloned()
    }

    pub(crate) fn len(&self) -> usize {
        self.stored.len()
    }
}
