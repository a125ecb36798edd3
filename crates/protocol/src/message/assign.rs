//! The assignment: a query given to one instance of one agent.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Asked, Budget, Failure};
use crate::{Decision, Extra, InstanceId, Name};

/// A query given to one instance. Only coordinators write it, under compare-and-set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "assign")]
pub struct Assign {
    /// The agent.
    pub agent: Name,
    /// The instance that is to take it.
    pub instance: InstanceId,
    /// The number of this attempt; numbers rise.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// When the query expires, by the server's clock.
    pub deadline: Timestamp,
    /// The coordinator that wrote it, and that hands it over once the ledger has it.
    pub coordinator: InstanceId,
    /// Why this agent.
    pub decision: Decision,
    /// Why the attempt before it was given up, where no answer ended that one: `not_accepted`,
    /// `lease_expired` or `stalled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gives_up: Option<Failure>,
    /// The agents that stand between the first requester and this query, that requester first; empty for a
    /// query that nobody asked on behalf of another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<Name>,
    /// What is left of the budget for what is asked on its behalf, where it was given or inherited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// The parts of a query that is asked of several agents at once. Such a query is assigned to `coordinator`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    pub parts: Vec<Asked>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}
