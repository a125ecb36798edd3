//! A delivery notification for work outside a query.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Extra, Name};

/// A delivery notification for work outside a query: a record of one message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "notice")]
pub struct Notice {
    /// Who delivered.
    pub agent: Name,
    /// What was delivered, in words.
    #[schemars(length(min = 1))]
    pub delivery: String,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}
