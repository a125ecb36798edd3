//! The question: an agent needs input from its requester to go on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Extra, InstanceId, Name};

/// An agent needs input to go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "question")]
pub struct Question {
    /// Who asks.
    pub agent: Name,
    /// The attempt, as assigned.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// The instance, as assigned.
    pub instance: InstanceId,
    /// The question's own number within the query; a reply names it.
    #[schemars(range(min = 1))]
    pub question: u32,
    /// The question as text.
    #[schemars(length(min = 1))]
    pub text: String,
    /// Answers to choose from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub choices: Option<Vec<String>>,
    /// What the agent goes on with when nobody replies in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// How long the agent waits, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 604_800_000))]
    pub timeout_ms: Option<u64>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}
