//! What a desk wants done, and what it is told of it.

use protocol::{End, InstanceId, Message, Name, Order, QueryId, Subject};

use crate::Key;

/// Something to do. None of it may be assumed to have succeeded.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Append to the ledger; answer with [`crate::Desk::appended`].
    Append {
        /// The query that it is about.
        key: Key,
        /// The subject.
        subject: Subject,
        /// The body.
        message: Box<Message>,
        /// Under compare-and-set: the last sequence that the query's guard filter must still have, 0 where nothing
        /// may have been stored. None: whatever has been stored.
        expect: Option<u64>,
    },
    /// Tell an instance, by a core message.
    Hand {
        /// The agent.
        agent: Name,
        /// The instance.
        instance: InstanceId,
        /// What to tell it.
        order: Order,
    },
    /// Tell the requester that its query has ended, by a core message.
    End {
        /// Whom.
        requester: Name,
        /// What.
        end: End,
    },
    /// Move what is stored under an id to the archive: write it there, and only then remove it from the
    /// ledger; answer with [`crate::Desk::archived`]. Wanted only by a desk that was told to
    /// ([`crate::Desk::retain`]).
    Archive {
        /// The id.
        id: QueryId,
        /// The last sequence that may be moved. What comes after it has not been judged.
        upto: u64,
    },
    /// Look what the archive knows of a query's id; answer with [`crate::Desk::looked_up`]. Until then
    /// nothing is done about the query. Wanted as [`Action::Archive`] is.
    LookUp {
        /// The query.
        key: Key,
    },
}

/// How an append went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is in the ledger, at this sequence.
    Stored(u64),
    /// The compare-and-set refused it.
    Refused,
    /// The compare-and-set refused it, as what it expected is no longer stored: somebody else has moved the
    /// record to the archive.
    Gone,
    /// Nobody knows: no answer came in time.
    Unknown,
}
