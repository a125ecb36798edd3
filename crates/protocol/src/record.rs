//! The record: everything about one query in one shape. `ask --json`, `status`, `history` and
//! the coordinator's API all give it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Decision, Extra, InstanceId, Invalid, Kind, Name, QueryId, State,
    message::{Answer, Close, Failure, Outcome, Priority, Question},
};

/// A query and all that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "record")]
pub struct Record {
    /// The query's id.
    pub id: QueryId,
    /// Who asked.
    pub requester: Name,
    /// Where it stands.
    pub state: State,
    /// Why it waits, where it does: no live instance, all busy, a pause between attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
    /// The query's body as it was stored; for bytes that are no JSON, null.
    pub query: Value,
    /// Sequence of the query in the ledger.
    pub seq: u64,
    /// When it was stored.
    pub posted_at: Timestamp,
    /// When it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// Its attempts, oldest first.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// The questions whose replies its agent waits for, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<Question>,
    /// Why the agent was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// The answer that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Box<Answer>>,
    /// The close that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close: Option<Close>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Sequence of the message that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_seq: Option<u64>,
    /// Every message in ledger order, with what the fold made of it.
    #[serde(default)]
    pub messages: Vec<Logged>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Record {
    /// Whether it is the record of what this requester posts with this body under its id: the same content, whether or not
    /// the one or the other names the id.
    #[must_use]
    pub fn is_of(&self, requester: &Name, body: &Value) -> bool {
        let id = Value::from(self.id.to_string());
        let fields = |body: &Value| {
            let mut fields = body.as_object().cloned()?;
            if fields.get("id") == Some(&id) {
                fields.remove("id");
            }
            Some(fields)
        };
        self.requester == *requester && fields(&self.query).is_some_and(|own| fields(body) == Some(own))
    }
}

/// One attempt at a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// Its number; numbers rise.
    pub attempt: u32,
    /// The agent.
    pub agent: Name,
    /// The instance.
    pub instance: InstanceId,
    /// How far it came.
    pub state: AttemptState,
    /// When it was assigned.
    pub assigned_at: Timestamp,
    /// When it was accepted; an attempt that nobody accepted is not spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// How it ended, where an answer ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// How far an attempt came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// Given to the instance.
    Assigned,
    /// Taken by it.
    Accepted,
    /// It has reported progress or asked.
    Working,
    /// An answer ended it.
    Answered,
    /// Taken away: it was not accepted in time, or its lease ran out.
    Lost,
    /// The query ended without it.
    Stopped,
}

/// One message of a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Logged {
    /// Its sequence in the ledger.
    pub seq: u64,
    /// When the server stored it.
    pub time: Timestamp,
    /// Its kind.
    pub kind: Kind,
    /// Who wrote it.
    pub from: Name,
    /// Where it went.
    pub to: String,
    /// What the fold made of it.
    pub verdict: Verdict,
    /// The body; null where the bytes are no JSON.
    pub body: Value,
}

/// What the fold made of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It counts.
    Counted,
    /// The same again; it changes nothing.
    Duplicate,
    /// Another query under an id that is taken.
    Conflict,
    /// It came after the end; it changes nothing.
    Late,
    /// It is not of the current assignment; it changes nothing.
    Stale,
    /// A close as expired or an answer for several agents that came before its time, or a close as cancelled without a cancel.
    Premature,
    /// Its query is not in the ledger.
    Orphan,
    /// Its body is no valid message.
    Invalid,
}

/// A line of a list of queries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "summary")]
pub struct Summary {
    /// The query's id.
    pub id: QueryId,
    /// Who asked.
    pub requester: Name,
    /// Where it stands.
    pub state: State,
    /// What was asked for; none for a query that could not be read.
    pub request_type: Option<String>,
    /// Its priority.
    pub priority: Priority,
    /// Who works on it or answered it.
    pub agent: Option<Name>,
    /// When it was stored.
    pub posted_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it waits, where it does.
    pub waiting_for: Option<String>,
}

/// Why a call was refused. The API answers with it, and `--json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{message}")]
#[schemars(title = "problem")]
pub struct Problem {
    /// A stable word for a program, as in `not_found`.
    pub code: String,
    /// What happened, for a person.
    pub message: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// JSON pointer to the part of the request that is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), hint: None, pointer: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        let code = if invalid.keyword == "json" { "malformed_json" } else { "schema_violation" };
        let mut problem = Self::new(code, format!("{invalid} ({})", invalid.keyword));
        problem.pointer = Some(invalid.pointer);
        problem
    }
}
