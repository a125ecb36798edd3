//! The context query: what a requester wants to know.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Attachment, Budget, Gather};
use crate::{Extra, Name, QueryId};

/// A context query. Stored in the ledger = accepted for delivery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "query")]
pub struct Query {
    /// Who asks.
    pub requesting_agent: Name,
    /// What kind of request it is, as in `get_mlops_context`. Agents can register for it.
    #[schemars(length(min = 1, max = 128), pattern(r"^[^\x00-\x1f\x7f]+$"))]
    pub request_type: String,
    /// The question itself.
    pub payload: Payload,
    /// The query's id; the same as in the subject. Minted where the client brings none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<QueryId>,
    /// The agent that is to answer, by name or declared alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Name>,
    /// Tags that help to route it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128)))]
    pub context_tags: Option<Vec<String>>,
    /// The field it belongs to, as in `mlops`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub domain: Option<String>,
    /// How hard it is, as in `medium`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub complexity: Option<String>,
    /// Which goes first where not all can go at once. Default `normal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// What it is for, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub intent: Option<String>,
    /// Milliseconds after which it expires, from the moment it is stored. Default 10 minutes, at most 7 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 604_800_000))]
    pub timeout_ms: Option<u64>,
    /// When it expires, instead of `timeout_ms`; cut to 7 days after it is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// How many attempts may be spent on it. Default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub attempts: Option<u32>,
    /// Whether it moves to the next candidate when its attempts are spent. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<bool>,
    /// Whom to ask at once, and how many answers to wait for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gather: Option<Gather>,
    /// The query on whose behalf this one is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<QueryId>,
    /// The agents that stand between the first requester and this query; the coordinator's own finding counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub path: Option<Vec<Name>>,
    /// What may be spent on it and on all that is asked on its behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// The query, ended without an answer, that this one asks again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replays: Option<QueryId>,
    /// A JSON schema that the answer's `result` must meet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_schema: Option<Value>,
    /// What goes with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub attachments: Vec<Attachment>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Payload {
    /// The question as text.
    #[schemars(length(min = 1))]
    pub query: String,
    /// Whatever else belongs to the question.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Which query goes first where not all can go at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// After all others.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Before normal ones.
    High,
    /// Before all others.
    Critical,
}

impl Query {
    /// A query with nothing but what the protocol requires.
    #[must_use]
    pub fn new(from: Name, request_type: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            requesting_agent: from,
            request_type: request_type.into(),
            payload: Payload { query: text.into(), extra: Extra::new() },
            id: None,
            target: None,
            context_tags: None,
            domain: None,
            complexity: None,
            priority: None,
            intent: None,
            timeout_ms: None,
            deadline: None,
            attempts: None,
            failover: None,
            gather: None,
            parent: None,
            path: None,
            budget: None,
            replays: None,
            reply_schema: None,
            attachments: Vec::new(),
            extra: Extra::new(),
        }
    }

    /// The same with an attachment. Posting moves out of the message what is too large to travel in it.
    #[must_use]
    pub fn attach(mut self, attachment: Attachment) -> Self {
        self.attachments.push(attachment);
        self
    }

    /// The priority, or the default.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.priority.unwrap_or_default()
    }

    /// How many attempts may be spent.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts.unwrap_or(crate::DEFAULT_ATTEMPTS)
    }

    /// When the query expires, given when it was stored. Never later than 7 days after that.
    #[must_use]
    pub fn deadline(&self, stored: Timestamp) -> Timestamp {
        let after = |ms: u64| {
            let ms = i64::try_from(ms.min(crate::MAX_TIMEOUT_MS)).unwrap_or(i64::MAX);
            stored.checked_add(jiff::SignedDuration::from_millis(ms)).unwrap_or(Timestamp::MAX)
        };
        let latest = after(crate::MAX_TIMEOUT_MS);
        match (self.deadline, self.timeout_ms) {
            (Some(at), None) => at.min(latest),
            (Some(at), Some(ms)) => at.min(after(ms)),
            (None, ms) => after(ms.unwrap_or(crate::DEFAULT_TIMEOUT_MS)),
        }
    }
}
