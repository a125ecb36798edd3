//! The answer: it ends an attempt, and unless it asks for another try, the query.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Attachment, Part};
use crate::{Extra, Fact, InstanceId, Name};

/// The end of an attempt, with the delivery notification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "answer")]
pub struct Answer {
    /// Who answers.
    pub agent: Name,
    /// The attempt, as assigned.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// The instance, as assigned.
    pub instance: InstanceId,
    /// How the attempt ended.
    pub outcome: Outcome,
    /// The delivery notification: what was delivered, in words.
    #[schemars(length(min = 1))]
    pub delivery: String,
    /// The answer proper. Its shape is the agent's, or that of the query's `reply_schema`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Where `result` is, as JSON, if its text is longer than 256 KiB: then it is not in the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_at: Option<Attachment>,
    /// What goes with the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub attachments: Vec<Attachment>,
    /// The facts that the answer rests on, each with its provenance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    /// What was asked and nobody knows. An answer of which all is unknown is still completed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// What each agent made of a question that was asked of several at once, in the order in which they were chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// What it cost, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Why the attempt failed, unless it completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered; the query ends.
    Completed,
    /// Failed for good; the query ends.
    Failed,
    /// Failed, and worth another try.
    Retry,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// A stable word for a program.
    #[schemars(length(min = 1, max = 64), pattern(r"^[a-z][a-z0-9_]*$"))]
    pub code: String,
    /// What happened, for a person.
    #[schemars(length(min = 1))]
    pub message: String,
    /// Whether the work took down what ran it, as by a signal. Crashes are counted apart from errors:
    /// a query ends after three of them. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub crash: bool,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Failure {
    /// The code with which an instance that stops gives its work back. Such an attempt is not spent:
    /// nothing went wrong with it.
    pub const GIVEN_BACK: &str = "instance_stopped";

    /// An error with a stable code.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), crash: false, extra: Extra::new() }
    }
}

/// What an answer cost, where the handler knows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// The model that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Tokens read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Tokens written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Usage {
    /// Without counts that JSON does not carry exactly (RFC 8259, section 6): a number that makes no sense is unknown.
    #[must_use]
    pub fn exact(mut self) -> Self {
        let exact = |count: &u64| *count < 1 << 53;
        self.input_tokens = self.input_tokens.filter(exact);
        self.output_tokens = self.output_tokens.filter(exact);
        self
    }
}
