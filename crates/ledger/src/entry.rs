//! One stored message, as every reader of the ledger sees it.

use jiff::Timestamp;
use protocol::{Invalid, Message, Name, QueryId, Subject};

/// Which query: its id, and whose it is. Two requesters with one id have two records; the
/// second is refused as a conflict.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The query's id.
    pub id: QueryId,
    /// Its requester.
    pub requester: Name,
}

/// A message that the ledger holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its sequence.
    pub seq: u64,
    /// When the server stored it.
    pub time: Timestamp,
    /// Its subject.
    pub subject: Subject,
    /// Its body, or why it is no valid message.
    pub body: Result<Message, Invalid>,
}

impl Entry {
    /// The query that the message belongs to; `None` for a message outside a query.
    #[must_use]
    pub fn key(&self) -> Option<Key> {
        let requester = self.subject.requester()?.clone();
        Some(Key { id: self.subject.id(), requester })
    }
}
