//! The progress report, within a query or outside one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Extra, InstanceId, Name};

/// A progress report. Within a query it counts only with the `attempt` and `instance` of the
/// current assignment; outside one it is a record of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "progress")]
pub struct Progress {
    /// Who reports.
    pub agent: Name,
    /// What it is doing, in a word, as in `building`.
    #[schemars(length(min = 1, max = 256))]
    pub status: String,
    /// What there is to report: names and values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Extra>,
    /// The attempt, within a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub attempt: Option<u32>,
    /// The instance, within a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// The question that nobody replied to in time: it goes on with what it said it would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub defaulted: Option<u32>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}
