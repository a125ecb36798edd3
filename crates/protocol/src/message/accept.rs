//! The acceptance: an instance has taken a query.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Extra, InstanceId, Name};

/// An instance has taken the query. From here on the attempt is spent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "accept")]
pub struct Accept {
    /// The agent.
    pub agent: Name,
    /// The attempt, as assigned.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// The instance, as assigned.
    pub instance: InstanceId,
    /// For how long the instance may be silent about the query before it is taken from it, in
    /// milliseconds. Heartbeats that name the query renew it. Default 15,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 86_400_000))]
    pub lease_ms: Option<u64>,
    /// For how long the attempt may show no progress before it is taken from the instance, in milliseconds,
    /// however lively its heartbeats are. While it waits for input, this clock stands still. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 604_800_000))]
    pub stall_ms: Option<u64>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}
