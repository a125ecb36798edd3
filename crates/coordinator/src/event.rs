//! What the loop is told by the tasks that work for it.

use ledger::{Appended, Key, Looked};
use nats::Call;
use protocol::QueryId;

use crate::{agents::Shown, api::Repeat};

/// What the loop is told.
#[derive(Debug)]
pub(crate) enum Event {
    /// An append was answered.
    Appended(Key, Appended),
    /// An id was moved to the archive, or could not be.
    Archived(QueryId, bool),
    /// The archive was asked about a query's id.
    LookedUp(Key, Box<Looked>),
    /// The record of an id was erased.
    Erased(QueryId),
    /// The ledger was found to be full, or to have room again.
    Full(bool),
    /// An instance was asked for its card.
    Shown(Box<Shown>),
    /// A call of `ask` waits for the end of a query, which was stored at this sequence.
    Waits(Key, u64, Box<Call>),
    /// A call posts under an id that is taken: by the same query, or by another.
    Repeats(Box<Repeat>),
}
