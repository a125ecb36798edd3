//! What the loop is told by the tasks that work for it.

use ledger::{Appended, Key};
use nats::Call;

use crate::{agents::Shown, api::Repeat};

/// What the loop is told.
#[derive(Debug)]
pub(crate) enum Event {
    /// An append was answered.
    Appended(Key, Appended),
    /// The ledger was found to be full, or to have room again.
    Full(bool),
    /// An instance was asked for its card.
    Shown(Box<Shown>),
    /// A call of `ask` waits for the end of a query.
    Waits(Key, Box<Call>),
    /// A call posts under an id that is taken: by the same query, or by another.
    Repeats(Box<Repeat>),
}
