//! The coordinator: reads the ledger, lets the desk decide, performs what it decides, keeps
//! time, and answers the API.
//!
//! It holds no state that the ledger does not: killed at any point and started again, it goes on
//! where the ledger stands. Every decision is made by [`ledger::Desk`] and [`roster::Roster`],
//! which are pure; this crate only moves data.
//!
//! Reading order: `service` is the loop, `feed` and `agents` bring events in, `effects`
//! carries actions out, `archivist` moves what is over to the archive, `api` answers calls, `clock` says what time it is.

mod agents;
mod api;
mod archivist;
mod clock;
mod crash;
mod effects;
mod event;
mod feed;
mod options;
mod service;

pub use ledger::Retention;
pub use options::Options;
pub use service::Coordinator;
