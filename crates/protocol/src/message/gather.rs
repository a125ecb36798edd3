//! Fan-out: one question to several agents, and what each of them made of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Failure, Outcome, Usage};
use crate::{Extra, Fact, Name, QueryId, State};

/// Whom to ask at once, and how many answers to wait for. Exactly one of `to`, `top` and `all` says whom.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gather {
    /// These agents, by name or declared alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub to: Option<Vec<Name>>,
    /// So many of the agents that routing finds, best first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub top: Option<u32>,
    /// Every agent that has a live instance, but fallbacks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// How many answers to wait for. Default `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// Milliseconds after which what there is is answered. Default: the query's deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 604_800_000))]
    pub timeout_ms: Option<u64>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Gather {
    /// How many answers to wait for.
    #[must_use]
    pub fn until(&self) -> Until {
        self.until.unwrap_or_default()
    }

    /// Whether it says in exactly one way whom to ask.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        [self.to.is_some(), self.top.is_some(), self.all].into_iter().filter(|said| *said).count() == 1
    }
}

/// How many answers to wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Until every part has ended.
    #[default]
    All,
    /// Until one part has completed.
    First,
    /// Until so many parts have completed.
    Quorum(#[schemars(range(min = 1, max = 256))] u32),
}

impl Until {
    /// How many parts must complete for the whole to be completed.
    #[must_use]
    pub const fn needed(self) -> usize {
        match self {
            Self::All | Self::First => 1,
            Self::Quorum(parts) => parts as usize,
        }
    }
}

/// A query that is asked on behalf of another, and of whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// The id of the part: a query of its own.
    pub id: QueryId,
    /// The agent that is asked.
    pub agent: Name,
}

/// What became of one part of a gathered answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    /// The agent that was asked.
    pub agent: Name,
    /// The part's own id: `history` shows its record.
    pub id: QueryId,
    /// Where it stood when the whole was answered. One that had not ended was late.
    pub state: State,
    /// How its answer ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Its delivery notification, or why it ended without an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// Its answer proper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// The facts that it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    /// What it does not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// What it cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Why it failed, or the code with which it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Whether `result` and `facts` were left out because all parts together are too large, or it has attachments: its own
    /// record has them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub omitted: bool,
}
