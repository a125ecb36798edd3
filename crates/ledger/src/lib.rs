//! The fold and the decisions: what the ledger's messages mean, and what to do next.
//!
//! Pure: no I/O, no clock, no randomness. Time comes in as an argument, effects go out as
//! values, so that a simulator can try every rule in a hundred thousand schedules.
//!
//! Reading order: [`Entry`] is one stored message, [`Fold`] is the state of one query and the
//! rules by which messages change it, [`Book`] holds the folds of a whole ledger and the trees they form, [`decide`]
//! says what a coordinator should do about one query, [`Hands`] and [`Queue`] say which query
//! goes to which instance, [`Pack`] is what the archive keeps of what is over, and [`Desk`] puts them
//! together: the pure half of a coordinator.

mod archive;
mod attempt;
mod book;
mod content;
mod decide;
mod desk;
mod entry;
mod fold;
mod hands;
mod questions;
mod queue;
mod shelf;
#[cfg(test)]
mod testing;
mod tree;
mod view;
mod whole;

pub use archive::{Archived, BadPack, Looked, Pack, Page, Tombstone, fitting, ranges};
pub use attempt::Attempt;
pub use book::{Applied, Book};
pub use content::Content;
pub use decide::{MOST_CRASHES, Next, Now, Policy, decide};
pub use desk::{Action, Appended, Desk, Router, Situation};
pub use entry::{Entry, Key};
pub use fold::{Ended, Fold, Posted};
pub use hands::{Hand, Hands, Offer};
pub use queue::{Queue, Ticket};
pub use shelf::Retention;
pub use tree::{Kin, Refusal};
pub use view::{record, summary, summary_of};
