//! The routing decision as it travels: which step decided, who was considered, and why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Extra, Name,
    score::{Pass, Score},
};

/// Who is to answer a query, and why. It travels in every assignment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "decision")]
pub struct Decision {
    /// The agent that was chosen; none if the query is unroutable.
    pub agent: Option<Name>,
    /// The step that decided.
    pub step: Step,
    /// The decision in one sentence.
    pub reason: String,
    /// Every step that was tried, in order of precedence, and what it found.
    pub steps: Vec<StepTaken>,
    /// How the score step chose whom to score; none if no score was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<Pass>,
    /// Who was considered in the deciding step, best first, as many as are shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// How many more were considered, and are not shown.
    #[serde(default, skip_serializing_if = "crate::score::is_zero")]
    pub others: u32,
    /// What the requester can do where nobody was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A step of routing, in order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The query names its agent.
    Target,
    /// An agent has registered for the request type.
    Registration,
    /// The text fits an agent's profile best.
    Score,
    /// A profile that answers when nobody else does.
    Fallback,
    /// No step found anybody.
    None,
}

/// What one step found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepTaken {
    /// The step.
    pub step: Step,
    /// What it found, in words.
    pub found: String,
}

/// An agent that was considered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The agent.
    pub agent: Name,
    /// Why it was considered, and what stands for and against it.
    pub why: String,
    /// Its score, where the step scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Decision {
    /// A decision with nothing but its outcome.
    #[must_use]
    pub fn new(agent: Option<Name>, step: Step, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { agent, step, reason, steps: Vec::new(), pass: None, candidates: Vec::new(), others: 0, hint: None, extra: Extra::new() }
    }
}

impl Candidate {
    /// A candidate, with why it is one.
    #[must_use]
    pub fn new(agent: Name, why: impl Into<String>) -> Self {
        Self { agent, why: why.into(), score: None, extra: Extra::new() }
    }
}
