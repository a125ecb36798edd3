//! What of a definition does not run, and why: for the user who wonders. It decides nothing.

use std::{fmt, path::PathBuf};

use agentbus::Name;
use roster::{Definition, Handler};

use crate::{http::Http, llm::Llm, trust::Untrusted};

/// What of a definition does not run, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The agent.
    pub agent: Name,
    /// The file that defines it.
    pub definition: PathBuf,
    /// Why.
    pub why: Why,
    /// Whether the agent goes on as it was defined before.
    pub goes_on: bool,
}

/// Why something does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// This version does not have the handler.
    NoHandler(Handler),
    /// The handler is `exec`, and there is no command.
    NoCommand,
    /// The definition does not say what its handler must know; what is missing.
    Incomplete(Handler, String),
    /// Its command may not run, and so the agent does not.
    Untrusted(Untrusted),
    /// The agent runs, but its probes may not.
    UntrustedProbes(Untrusted),
}

impl Why {
    /// Why a definition does not run, whoever trusts it: it lacks what its handler must know. None if it lacks nothing.
    #[must_use]
    pub fn of(definition: &Definition) -> Option<Self> {
        match definition.bus.handler() {
            Handler::Context | Handler::ClaudeCode | Handler::Mailbox => None,
            Handler::Exec => definition.bus.command.is_none().then_some(Self::NoCommand),
            Handler::Llm => Llm::lacks(definition).map(|what| Self::Incomplete(Handler::Llm, what)),
            Handler::Http => Http::url(definition).err().map(|what| Self::Incomplete(Handler::Http, what)),
            other => Some(Self::NoHandler(other)),
        }
    }
}

impl LeftOut {
    pub(super) fn new(definition: &Definition, why: Why, goes_on: bool) -> Self {
        Self { agent: definition.name.clone(), definition: definition.path.clone(), why, goes_on }
    }
}

/// As in `qa-expert does not run: its commands have never been trusted`.
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (&self.why, self.goes_on) {
            (Why::UntrustedProbes(_), _) => "runs without its probes",
            (_, true) => "goes on as it was defined before",
            (_, false) => "does not run",
        };
        write!(f, "{} {state}: {}", self.agent, self.why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHandler(handler) => write!(f, "this version has no handler '{handler}'"),
            Self::Incomplete(handler, what) => write!(f, "its handler is {handler}, and {what}"),
            Self::NoCommand => f.write_str("its handler is exec, and it names no command"),
            Self::Untrusted(why) | Self::UntrustedProbes(why) => why.fmt(f),
        }
    }
}
