//! How an endpoint or a program is addressed that does the work elsewhere: which kind of model's API, where its key comes
//! from, and what Claude Code may do.
//!
//! Never holds a secret: a key is named by where it is, and is read by whoever uses it.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};

/// Which API a model's endpoint speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Anthropic's Messages API.
    Anthropic,
    /// OpenAI's chat completions, which vLLM, llama.cpp and LM Studio speak, too.
    OpenAi,
    /// Ollama's own.
    Ollama,
}

impl Provider {
    /// The word that stands for it everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::Ollama => "ollama",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where a key is: never the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum KeySource {
    /// `env:NAME`: in this variable of the bus's environment.
    Env(String),
    /// `file:PATH`: in this file, without the white space around it.
    File(PathBuf),
}

/// A key was written where the place of one belongs. It is not repeated: it may be the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key itself does not belong here: write where it is, as in env:ANTHROPIC_API_KEY or file:/run/secrets/key")]
pub struct NoKeySource;

impl FromStr for KeySource {
    type Err = NoKeySource;

    fn from_str(text: &str) -> Result<Self, NoKeySource> {
        match text.split_once(':') {
            Some(("env", name)) if is_variable(name) => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(PathBuf::from(path))),
            _ => Err(NoKeySource),
        }
    }
}

impl TryFrom<String> for KeySource {
    type Error = NoKeySource;

    fn try_from(text: String) -> Result<Self, NoKeySource> {
        text.parse()
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl From<KeySource> for String {
    fn from(source: KeySource) -> Self {
        source.to_string()
    }
}

/// What becomes of a request of Claude Code to use a tool that it was not allowed before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permissions {
    /// The query's requester is asked.
    #[default]
    Ask,
    /// It is refused, and nobody is asked.
    Deny,
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ask => "ask",
            Self::Deny => "deny",
        })
    }
}

/// Whether a text can be the name of a variable of the environment.
pub(super) fn is_variable(name: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(rest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[rstest::rstest]
    #[case("env:ANTHROPIC_API_KEY")]
    #[case("file:/run/secrets/key")]
    fn a_key_is_named_by_its_place(#[case] text: &str) {
        assert_eq!(text.parse::<KeySource>().unwrap().to_string(), text);
    }

    #[rstest::rstest]
    #[case("sk-ant-0123456789")]
    #[case("env:A B")]
    #[case("env:")]
    #[case("file:")]
    #[case("")]
    fn a_key_itself_is_refused(#[case] text: &str) {
        assert_eq!(text.parse::<KeySource>(), Err(NoKeySource));
    }

    #[test]
    fn a_refused_key_is_not_repeated() {
        assert!(!"sk-ant-0123456789".parse::<KeySource>().unwrap_err().to_string().contains("sk-ant"));
    }
}
