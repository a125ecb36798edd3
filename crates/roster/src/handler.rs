//! The handlers by name. What each does stands in the crate `handlers`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What does an agent's work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Handler {
    /// The fact store: needs no key and no network.
    #[default]
    Context,
    /// A command.
    Exec,
    /// A command, preset for Claude Code.
    ClaudeCode,
    /// A model's endpoint.
    Llm,
    /// A URL.
    Http,
    /// A person, or an interactive session.
    Mailbox,
    /// An agent that speaks the Synadia Agent Protocol for NATS.
    Synadia,
}

/// No handler has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no handler is called '{0}': use one of {known}", known = Handler::ALL.map(Handler::as_str).join(", "))]
pub struct UnknownHandler(String);

impl UnknownHandler {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "unknown_handler"
    }
}

impl Handler {
    /// Every handler.
    pub const ALL: [Self; 7] = [Self::Context, Self::Exec, Self::ClaudeCode, Self::Llm, Self::Http, Self::Mailbox, Self::Synadia];

    /// The word that stands for it everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Context => "context",
            Self::Exec => "exec",
            Self::ClaudeCode => "claude-code",
            Self::Llm => "llm",
            Self::Http => "http",
            Self::Mailbox => "mailbox",
            Self::Synadia => "synadia",
        }
    }
}

impl fmt::Display for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Handler {
    type Err = UnknownHandler;

    fn from_str(text: &str) -> Result<Self, UnknownHandler> {
        let same = |handler: &Self| handler.as_str() == text;
        Self::ALL.into_iter().find(same).ok_or_else(|| UnknownHandler(text.to_owned()))
    }
}

impl TryFrom<String> for Handler {
    type Error = UnknownHandler;

    fn try_from(text: String) -> Result<Self, UnknownHandler> {
        text.parse()
    }
}

impl From<Handler> for String {
    fn from(handler: Handler) -> Self {
        handler.as_str().to_owned()
    }
}
