//! Facts with provenance: what is known, who observed it, when and how.

use std::{borrow::Cow, fmt, str::FromStr};

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Extra, Name};

/// Something that somebody observed. There is one current fact for each key and observer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "fact")]
pub struct Fact {
    /// What it is about, as in `team.size`.
    pub key: FactKey,
    /// What was observed.
    pub value: Value,
    /// Whether the value answers the key itself, or only bears on a topic. Default `value`.
    #[serde(default)]
    pub kind: FactKind,
    /// Where it comes from, in words: a person's statement, a file, a command.
    #[schemars(length(min = 1))]
    pub source: String,
    /// Who observed it.
    pub observed_by: Name,
    /// When it was observed.
    pub observed_at: Timestamp,
    /// The topics that it bears on, as its source declares them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What a fact is worth as an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// It answers its key: "team.size is 12".
    #[default]
    Value,
    /// It bears on a topic without answering it: "14 people committed in the last 90 days" is
    /// evidence about the size of a team, never the size.
    Evidence,
}

/// A fact's key: dotted words of lower-case letters, digits, `_` and `-`, at most 200 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FactKey(String);

/// A text is not a fact key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a fact key: use dotted words of a-z, 0-9, '_' and '-', as in team.size")]
pub struct FactKeyError(String);

impl FactKey {
    /// The key as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Makes a key of a free text: what may not stand in a key becomes `_`. `None` where nothing is left.
    #[must_use]
    pub fn slug(text: &str) -> Option<Self> {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c.to_ascii_lowercase() } else { '_' };
        let text: String = text.chars().map(plain).collect();
        let words: Vec<_> = text.split('.').map(|word| word.trim_matches('_')).filter(|word| !word.is_empty()).collect();
        words.join(".").parse().ok()
    }
}

impl FromStr for FactKey {
    type Err = FactKeyError;

    fn from_str(text: &str) -> Result<Self, FactKeyError> {
        let word = |word: &str| !word.is_empty() && word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
        if text.len() > 200 || !text.split('.').all(word) {
            return Err(FactKeyError(text.chars().take(80).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for FactKey {
    type Error = FactKeyError;

    fn try_from(text: String) -> Result<Self, FactKeyError> {
        text.parse()
    }
}

impl From<FactKey> for String {
    fn from(key: FactKey) -> Self {
        key.0
    }
}

impl fmt::Display for FactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl JsonSchema for FactKey {
    fn schema_name() -> Cow<'static, str> {
        "FactKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Dotted words, as in team.size.",
            "type": "string",
            "maxLength": 200,
            "pattern": r"^[a-z0-9_-]+(\.[a-z0-9_-]+)*$",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[rstest::rstest]
    #[case("")]
    #[case("team..size")]
    #[case(".team")]
    #[case("Team")]
    #[case("team size")]
    #[case("team.*")]
    #[case("team.>")]
    #[case("$KV.x")]
    fn hostile_keys_are_refused(#[case] text: &str) {
        assert!(text.parse::<FactKey>().is_err());
    }

    #[test]
    fn a_slug_is_a_key_or_nothing() {
        assert_eq!(FactKey::slug("Deployment time (min)").unwrap().as_str(), "deployment_time__min");
        assert_eq!(FactKey::slug("a..b").unwrap().as_str(), "a.b");
        assert_eq!(FactKey::slug("…"), None);
    }
}
