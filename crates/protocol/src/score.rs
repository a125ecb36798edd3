//! A score as it travels with a decision: each point of it, what earned it, and where that stands in
//! the text. How points are earned stands in the roster.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the score step chose whom to score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pass {
    /// The query's tags or its type name what a profile requires. Only such profiles were scored.
    Asserted,
    /// The text was looked at, since nothing was asserted that a profile requires.
    Text,
}

/// The most points that travel, either way: what every JSON reader takes for the same number.
pub const MOST_POINTS: i64 = 9_007_199_254_740_991;

/// The score of one candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Score {
    /// Where it comes from.
    pub kind: ScoreKind,
    /// The points by the profile's own rules.
    #[schemars(range(min = -9_007_199_254_740_991_i64, max = 9_007_199_254_740_991_i64))]
    pub total: i64,
    /// The points that the query has earned: all but those that everybody is given at the start.
    #[schemars(range(min = -9_007_199_254_740_991_i64, max = 9_007_199_254_740_991_i64))]
    pub evidence: i64,
    /// The points that decide the order: what many agents have in common counts less. Without it, `total` decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -9_007_199_254_740_991_i64, max = 9_007_199_254_740_991_i64))]
    pub adjusted: Option<i64>,
    /// What let it compete.
    pub gate: Gate,
    /// What earned the points, most first, as much as is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// How many more parts there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u32,
}

/// Where a score comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoreKind {
    /// The weights in the agent's definition.
    Weighted,
    /// The words with which the definition describes the agent.
    Derived,
}

/// What let a candidate compete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gate {
    /// The condition that it met.
    pub by: GateKind,
    /// The required tags that were found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// The condition that let a candidate compete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateKind {
    /// The query asserts tags that the profile requires.
    Tags,
    /// The text has a keyword of the profile.
    Keyword,
    /// Everything that the profile requires was found.
    Required,
    /// The text has enough words of its description.
    Words,
}

/// What earned some of the points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    /// The kind of it.
    pub part: PartKind,
    /// The keyword, value, tag or word.
    pub name: String,
    /// Its points by the profile's own rules.
    #[schemars(range(min = -9_007_199_254_740_991_i64, max = 9_007_199_254_740_991_i64))]
    pub points: i64,
    /// Its points in the order, where they are others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -9_007_199_254_740_991_i64, max = 9_007_199_254_740_991_i64))]
    pub adjusted: Option<i64>,
    /// Where it stands in the text: first character and the one after the last, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<[u32; 2]>,
}

/// What can earn points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// What the profile gives everybody.
    Default,
    /// A keyword of the profile, in the text.
    Keyword,
    /// A tag of the query.
    Tag,
    /// The query's priority.
    Priority,
    /// The query's complexity.
    Complexity,
    /// The query's domain, or the middle of `get_…_context`.
    Domain,
    /// A word of the agent's description, in the text.
    Word,
}

// The signature is serde's.
#[allow(clippy::trivially_copy_pass_by_ref)]
pub(crate) fn is_zero(number: &u32) -> bool {
    *number == 0
}
