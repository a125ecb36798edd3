//! The budget: what may be spent on a query and on all that is asked on its behalf.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Extra;

/// How deep a tree of queries grows that sets no limit.
pub const DEFAULT_DEPTH: u32 = 8;

/// How many sub-queries a tree has that sets no limit.
pub const DEFAULT_QUERIES: u32 = 256;

/// What may be spent on a query's whole tree. What is asked on its behalf inherits it; a sub-query can
/// set a smaller one for what is below it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Budget {
    /// How many sub-queries may be asked, at all depths together. Default 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 10_000))]
    pub queries: Option<u32>,
    /// How many queries may stand below each other; 0: it may not be delegated. Default 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 32))]
    pub depth: Option<u32>,
    /// How many tokens models may read and write, as far as answers tell. Once they are spent, no further
    /// sub-query is taken. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}
