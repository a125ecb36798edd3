//! What coordinators send outside the ledger: orders to instances, and the signal that a query
//! has ended. Both only follow what the ledger already holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Name, QueryId, State,
    message::{Assign, Query},
};

/// An order to one instance, on its own subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(title = "order")]
pub enum Order {
    /// Take this query.
    Work(Box<Work>),
    /// Stop working on one.
    Stop(Stop),
    /// Show your card: the message carries a reply subject.
    Describe,
}

/// A query, with the assignment that the ledger holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Work {
    /// The query's id.
    pub id: QueryId,
    /// Whose it is.
    pub requester: Name,
    /// The assignment.
    pub assign: Assign,
    /// The query.
    pub query: Query,
}

/// The query has ended or moved on; its answer would change nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stop {
    /// The query's id.
    pub id: QueryId,
    /// Whose it is.
    pub requester: Name,
    /// The attempt that is to stop.
    pub attempt: u32,
}

/// The signal that a query has ended: the ledger holds its end, at this sequence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "end")]
pub struct End {
    /// The query's id.
    pub id: QueryId,
    /// Sequence of the message that ended it.
    pub seq: u64,
    /// The state it ended in.
    pub state: State,
    /// SHA-256 of the body of that message, in hexadecimal: what was heard is what is stored only
    /// if it has this digest.
    #[schemars(pattern(r"^[0-9a-f]{64}$"))]
    pub digest: String,
}
