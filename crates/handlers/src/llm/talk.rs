//! A conversation with a model, in no API's words.
//!
//! Pure.

use serde_json::{Map, Value};

/// All that is said so far.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    pub(super) system: String,
    /// Whether the model is told of tools.
    pub(super) tools: bool,
    pub(super) messages: Vec<Message>,
}

/// One message.
#[derive(Clone, Debug)]
pub(super) enum Message {
    User(String),
    Model(Said),
    Results(Vec<CallResult>),
}

/// What a model has said in one turn.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) calls: Vec<Call>,
    /// What it thought, as the API wants it back.
    pub(super) thoughts: Vec<Value>,
    /// Tokens read and written, where the endpoint says.
    pub(super) usage: Tokens,
    /// Why it stopped, once it has said so.
    pub(super) stop: Option<Stop>,
}

/// Tokens read and written, as far as anybody has said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tokens {
    pub(super) input: Option<u64>,
    pub(super) output: Option<u64>,
}

impl Tokens {
    /// With those of another turn.
    pub(super) fn and(self, other: Self) -> Self {
        let both = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
        Self { input: both(self.input, other.input), output: both(self.output, other.output) }
    }
}

/// A tool that a model calls.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    /// As they came: JSON, if all is well.
    pub(super) arguments: String,
}

/// What came of a call.
#[derive(Clone, Debug)]
pub(super) struct CallResult {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) text: String,
    pub(super) wrong: bool,
}

/// Why a model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It was done, or calls tools.
    Done,
    /// It may write no more.
    TooLong,
    /// It declines.
    Refusal,
    /// Its server broke off, or pauses.
    Broken,
}

impl Stop {
    /// By the word of any of the APIs.
    pub(super) fn of(word: &str) -> Self {
        match word {
            "max_tokens" | "length" | "model_context_window_exceeded" => Self::TooLong,
            "refusal" | "content_filter" => Self::Refusal,
            "error" | "pause_turn" | "insufficient_system_resource" => Self::Broken,
            _ => Self::Done,
        }
    }
}

impl Call {
    /// The arguments, none for none; or the error.
    pub(super) fn read(&self) -> Result<Map<String, Value>, serde_json::Error> {
        if self.arguments.trim().is_empty() { Ok(Map::new()) } else { serde_json::from_str(&self.arguments) }
    }

    /// The arguments as an API takes them back: an object, whatever the model wrote.
    pub(super) fn object(&self) -> Value {
        Value::Object(self.read().unwrap_or_default())
    }
}
