//! The reply to an agent's question.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Extra, Name};

/// The input that an agent asked for. It counts even if its question is stored later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "reply")]
pub struct Reply {
    /// Who replies: the query's requester.
    pub requesting_agent: Name,
    /// The number of the question.
    #[schemars(range(min = 1))]
    pub question: u32,
    /// The reply: a text, or whatever the question asked for.
    pub reply: Value,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}
