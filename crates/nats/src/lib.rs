//! The only room that knows NATS: connecting, the ledger stream, appending, subscribing,
//! replaying, the fact store, heartbeats, the coordinator's micro service; and in [`server`] the
//! finding and running of an embedded nats-server.
//!
//! It moves bytes and keeps NATS's promises honest: an append is stored, refused, or unknown; a
//! subscription is ready only after a sentinel has come back. It decides nothing about queries.
//!
//! Reading order: [`Connection`], [`Ledger`], [`Reader`], then what stands beside the ledger.

mod address;
mod api;
mod append;
mod archive;
mod backup;
mod blobs;
mod bucket;
mod cards;
mod connect;
mod convert;
mod core;
mod election;
mod error;
mod facts;
mod ledger;
mod packs;
mod places;
mod raw;
mod reader;
mod record;
mod refusal;
mod replay;
mod room;
mod secure;
pub mod server;
mod survey;
#[cfg(test)]
mod tests;
mod unclaimed;
mod verify;

pub use address::public;
pub use api::{Api, Call};
pub use append::{Expect, Stored};
pub use archive::{Archive, Packed};
pub use backup::{Described, Restoring, Snapshot, streams};
pub use blobs::{Blobs, Piece};
pub use cards::Cards;
pub use connect::{Connection, LOG_FILTER, Options};
pub use core::{Delivery, Subscription};
pub use error::{Error, Kind};
pub use facts::Facts;
pub use ledger::{Ledger, Limits};
pub use packs::{Packs, step};
pub use places::Places;
pub use raw::Raw;
pub use reader::{Reader, Sealed, Start, Step};
pub use replay::{Replay, Seen};
pub use room::Room;
pub use survey::Survey;
pub use unclaimed::Unclaimed;
pub use verify::{Account, Gap};
