//! What goes over the wire: names, ids, subjects, messages, and the schema check.
//!
//! This crate owns the contract and nothing else: it does no I/O, reads no clock and makes no
//! decision. Everything that enters the bus is parsed here, once ([`Message::parse`]), and
//! every subject is spelled here, once ([`Subject`], [`Space`]).
//!
//! Reading order: [`Name`] and [`QueryId`], then [`Subject`], then [`message`], one file a kind.

mod checksum;
mod dead;
mod digest;
mod excerpt;
mod fact;
mod hand;
mod heartbeat;
mod id;
mod json;
pub mod message;
mod name;
mod record;
mod routing;
pub mod schema;
pub mod score;
mod space;
mod state;
mod subject;
mod tree;

pub use checksum::{Checksum, NotChecksum, Summing};
pub use dead::{DeadLetters, Unreadable};
pub use excerpt::Excerpt;
pub use fact::{Fact, FactKey, FactKind};
pub use hand::{End, Order, Stop, Work};
pub use heartbeat::{Card, Heartbeat, Instance, Lease, Presence, Trouble};
pub use id::{IdError, InstanceId, QueryId};
pub use message::{Invalid, Kind, Message};
pub use name::{Name, NameError};
pub use record::{Attempt, AttemptState, Logged, Problem, Record, Summary, Verdict};
pub use routing::{Candidate, Decision, Step, StepTaken};
pub use space::Space;
pub use state::State;
pub use subject::{Subject, SubjectError, To};
pub use tree::{Branch, Tree};

/// The protocol version, sent with every message in the header [`VERSION_HEADER`].
pub const VERSION: &str = "1";

/// The header that carries [`VERSION`].
pub const VERSION_HEADER: &str = "Agentbus-Protocol";

/// The header that says to which record a piece of an attachment belongs, where one is put.
pub const RECORD_HEADER: &str = "Agentbus-Record";

/// The header that says the [`Checksum`] of such a piece.
pub const DIGEST_HEADER: &str = "Agentbus-Digest";

/// Fields that this version does not know. They are kept and passed on.
pub type Extra = serde_json::Map<String, serde_json::Value>;

/// The longest deadline that a query may ask for: 7 days, in milliseconds.
pub const MAX_TIMEOUT_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// The deadline of a query that names none: 10 minutes, in milliseconds.
pub const DEFAULT_TIMEOUT_MS: u64 = 10 * 60 * 1000;

/// How many attempts a query has that names no number.
pub const DEFAULT_ATTEMPTS: u32 = 3;
