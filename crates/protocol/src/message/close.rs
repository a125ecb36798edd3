//! The close: how a query ends that no answer ends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Extra, InstanceId, State};

/// The end of a query that no answer ends. Only coordinators write it, under compare-and-set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "close")]
pub struct Close {
    /// Which end.
    pub reason: Reason,
    /// A stable word for a program, as in `schema_violation`.
    #[schemars(length(min = 1, max = 64), pattern(r"^[a-z][a-z0-9_]*$"))]
    pub code: String,
    /// The delivery notification: what happened and why, for a person.
    #[schemars(length(min = 1))]
    pub message: String,
    /// JSON pointer to the part of the query that is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// What the requester can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The coordinator that wrote it.
    pub coordinator: InstanceId,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The query was not a valid one.
    Rejected,
    /// No agent may answer it.
    Unroutable,
    /// Its deadline passed.
    Expired,
    /// Its requester cancelled it.
    Cancelled,
    /// Its attempts are spent.
    Dead,
}

impl Reason {
    /// The state in which it leaves the query.
    #[must_use]
    pub const fn state(self) -> State {
        match self {
            Self::Rejected => State::Rejected,
            Self::Unroutable => State::Unroutable,
            Self::Expired => State::Expired,
            Self::Cancelled => State::Cancelled,
            Self::Dead => State::Dead,
        }
    }
}
