//! The tree of a query: what was asked on its behalf, and on behalf of that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Extra, Name, QueryId, Summary};

/// A query with everything that was asked on its behalf, as far as the coordinator remembers it. The API's
/// `tree` gives it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "tree")]
pub struct Tree {
    /// The query first; after each query what was asked on its behalf, oldest first.
    pub branches: Vec<Branch>,
    /// How many there are that are not shown, as there are too many.
    #[serde(default)]
    pub omitted: u64,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One query of a tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Branch {
    /// How many queries of this tree stand above it; 0 for the one that was asked for.
    pub depth: u32,
    /// The query on whose behalf it was asked, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<QueryId>,
    /// The agents that stand between the first requester and this query, that requester first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<Name>,
    /// Its line.
    pub query: Summary,
}
