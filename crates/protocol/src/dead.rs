//! Dead letters: what ended because nobody could do it, and what nobody could read.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Extra, Record};

/// A page of dead letters, newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "dead")]
pub struct DeadLetters {
    /// Queries that ended as dead, and queries that were rejected because they cannot be read. They stand
    /// without their messages; each of their attempts says what it met.
    pub letters: Vec<Record>,
    /// Stored messages that are none of the bus: nothing was ever done about them.
    #[serde(default)]
    pub unreadable: Vec<Unreadable>,
    /// There are more letters, which ended before this sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A stored message that is none of the bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unreadable {
    /// Its sequence in the ledger.
    pub seq: u64,
    /// When it was stored.
    pub time: Timestamp,
    /// Its subject.
    pub subject: String,
    /// A stable word for a program: `bad_subject`, `malformed_json` or `schema_violation`.
    pub code: String,
    /// What is wrong with it, for a person.
    pub message: String,
}
