//! The requester's wish to stop a query.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Extra, Name};

/// Stop the query, and what it delegated. Counts only from the query's own requester.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "cancel")]
pub struct Cancel {
    /// Who cancels.
    pub requesting_agent: Name,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}
