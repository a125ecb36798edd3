//! The states of a query. They are the fold's output; nobody sets them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a query stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// In the ledger, and not (or no longer) in anybody's hands.
    Posted,
    /// Given to an instance that has not yet taken it.
    Assigned,
    /// Taken by an instance.
    Accepted,
    /// The instance has reported progress.
    Working,
    /// The agent has asked its requester a question that is not yet answered.
    Waiting,
    /// Ended: answered. An answer in which every topic is unknown is an answer.
    Completed,
    /// Ended: the agent failed for good.
    Failed,
    /// Ended: the query was not a valid one.
    Rejected,
    /// Ended: no agent may answer it.
    Unroutable,
    /// Ended: its deadline passed.
    Expired,
    /// Ended: its requester cancelled it.
    Cancelled,
    /// Ended: its attempts are spent.
    Dead,
}

impl State {
    /// Every state, in the order in which a query can pass through them.
    pub const ALL: [Self; 12] = [
        Self::Posted,
        Self::Assigned,
        Self::Accepted,
        Self::Working,
        Self::Waiting,
        Self::Completed,
        Self::Failed,
        Self::Rejected,
        Self::Unroutable,
        Self::Expired,
        Self::Cancelled,
        Self::Dead,
    ];

    /// Whether the query has ended.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Posted | Self::Assigned | Self::Accepted | Self::Working | Self::Waiting)
    }

    /// The word that stands for the state everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Posted => "posted",
            Self::Assigned => "assigned",
            Self::Accepted => "accepted",
            Self::Working => "working",
            Self::Waiting => "waiting",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Unroutable => "unroutable",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Dead => "dead",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|state| state.as_str()).collect();
            format!("no state is called '{text}': use one of {}", known.join(", "))
        })
    }
}
