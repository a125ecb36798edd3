//! The `bus:` block: what makes an agent do work. The same keys can stand in `agentbus.toml`, so
//! everything here is optional, and [`Bus::over`] lays one block over another.
//!
//! Reads and checks; runs nothing. Next: `bus/limits.rs`, `bus/endpoint.rs`, `config.rs`.

mod endpoint;
mod limits;
mod units;

use std::{collections::BTreeMap, fmt, num::NonZeroU32, path::PathBuf, time::Duration};

use protocol::Name;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json};

use crate::{
    config::MayCost,
    diagnostic::Report,
    handler::Handler,
    pattern::Pattern,
    read::{Entry, Fields},
};

pub use endpoint::{KeySource, NoKeySource, Permissions, Provider};
pub use limits::{DEFAULT_OUTPUT, Limits};
use units::duration;

/// How long an agent may be silent before its attempt is taken from it, where nothing is said.
pub const DEFAULT_LEASE: Duration = Duration::from_secs(15);

/// How many queries an instance works on at once, where nothing is said.
pub const DEFAULT_CAPACITY: u32 = 8;

/// The keys of the block, in the order of the documentation.
const KEYS: [&str; 22] = [
    "handler",
    "answers",
    "aliases",
    "delegates",
    "capacity",
    "lease",
    "stall",
    "command",
    "env",
    "pass_env",
    "workdir",
    "interactive",
    "limits",
    "url",
    "headers",
    "provider",
    "model",
    "key",
    "max_tokens",
    "turns",
    "permissions",
    "probes",
];

/// The `bus:` block of a definition, or the same keys from a configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    /// What does the work. Default `context`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler: Option<Handler>,
    /// The request types that the agent answers. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Vec<Pattern>>,
    /// Other names for the agent. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "aliases")]
    pub aliases: Option<Vec<Name>>,
    /// Whether the handler `context` asks other agents what no fact tells it. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegates: Option<bool>,
    /// How many queries an instance works on at once. Default [`DEFAULT_CAPACITY`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<NonZeroU32>,
    /// How long the agent may be silent before its attempt is taken from it. Default [`DEFAULT_LEASE`].
    #[serde(default, skip_serializing_if = "Option::is_none", with = "duration")]
    pub lease: Option<Duration>,
    /// How long the command may print no line before it is ended and its work tried again. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "duration")]
    pub stall: Option<Duration>,
    /// The command that `exec` runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// Variables for the command and the probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// Variables of the bus's own environment that the command and the probes may see, beside the few harmless ones.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "variables")]
    pub pass_env: Option<Vec<String>>,
    /// Where the command runs, from the bus's working directory on. Default: there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workdir: Option<PathBuf>,
    /// Whether the command's standard input stays open, for replies. Default false: it ends after the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interactive: Option<bool>,
    /// What the command may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Where `http` posts, or the endpoint of a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Headers of what `http` and `llm` send. `${NAME}` in a value stands for a variable of the bus's environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// Which API the endpoint of a model speaks. Default: by the model's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// The model that `llm` and `claude-code` ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Where the key for the model's endpoint is. Default: the variable that its provider names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeySource>,
    /// The most tokens that a model may write in one turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<NonZeroU32>,
    /// How many turns a model has for one query: each use of tools is one more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<NonZeroU32>,
    /// What becomes of Claude Code's requests for permission. Default `ask`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// Commands whose output becomes a fact, by the fact's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<BTreeMap<protocol::FactKey, Probe>>,
    /// Whom it may ask though that may cost money. No key of the block: only [`crate::Config`] says it.
    #[serde(skip)]
    pub may_cost: MayCost,
}

impl Bus {
    /// This block over another: where both say something, this one counts.
    #[must_use]
    pub fn over(self, under: Self) -> Self {
        Self {
            handler: self.handler.or(under.handler),
            answers: self.answers.or(under.answers),
            aliases: self.aliases.or(under.aliases),
            delegates: self.delegates.or(under.delegates),
            capacity: self.capacity.or(under.capacity),
            lease: self.lease.or(under.lease),
            stall: self.stall.or(under.stall),
            command: self.command.or(under.command),
            env: self.env.or(under.env),
            pass_env: self.pass_env.or(under.pass_env),
            workdir: self.workdir.or(under.workdir),
            interactive: self.interactive.or(under.interactive),
            limits: match (self.limits, under.limits) {
                (Some(limits), Some(under)) => Some(limits.over(under)),
                (one, other) => one.or(other),
            },
            url: self.url.or(under.url),
            headers: self.headers.or(under.headers),
            provider: self.provider.or(under.provider),
            model: self.model.or(under.model),
            key: self.key.or(under.key),
            max_tokens: self.max_tokens.or(under.max_tokens),
            turns: self.turns.or(under.turns),
            permissions: self.permissions.or(under.permissions),
            probes: self.probes.or(under.probes),
            may_cost: self.may_cost,
        }
    }

    /// The handler, or the default.
    #[must_use]
    pub fn handler(&self) -> Handler {
        self.handler.unwrap_or_default()
    }

    /// Whether it asks other agents what no fact tells it.
    #[must_use]
    pub fn delegates(&self) -> bool {
        self.delegates.unwrap_or_default()
    }

    /// How many queries an instance works on at once.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity.map_or(DEFAULT_CAPACITY, NonZeroU32::get)
    }

    /// How long the agent may be silent before its attempt is taken from it.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.lease.unwrap_or(DEFAULT_LEASE)
    }

    /// Takes the block out of the front matter. Each key is tried by itself, so that what is
    /// wrong with it is reported where it stands.
    ///
    /// `aliases` may stand at the top, too: they are names, and need no block around them.
    pub(crate) fn take(fields: &mut Fields<'_>) -> Self {
        let mut block = fields.map("bus").map(|(entries, _)| Self::of(entries, "bus", fields.report)).unwrap_or_default();
        let Some(entry) = fields.take("aliases") else { return block };
        let mut aliases = Vec::new();
        for text in fields.texts_of(&entry) {
            match text.trim().parse() {
                Ok(alias) => aliases.push(alias),
                Err(why) => fields.report.error("bad_name", entry.value.place, format!("'aliases': '{text}': {why}")),
            }
        }
        block.add_aliases(aliases);
        block
    }

    /// More names for the agent, beside those that it has.
    pub(crate) fn add_aliases(&mut self, more: impl IntoIterator<Item = Name>) {
        let aliases = self.aliases.get_or_insert_default();
        for alias in more {
            if !aliases.contains(&alias) {
                aliases.push(alias);
            }
        }
    }

    /// Reads a block, which findings call `called`.
    pub(crate) fn of(entries: Vec<Entry>, called: &str, report: &mut Report) -> Self {
        let mut block = Map::new();
        for entry in entries {
            match check(&entry) {
                Ok(value) => drop(block.insert(entry.key, value)),
                Err(Wrong::Key) => {
                    report.error("unknown_key", entry.key_place, format!("'{called}' has no key '{}'", entry.key));
                    report.hint(format!("use one of {}", KEYS.join(", ")));
                }
                Err(Wrong::Value(why)) => report.error("bad_bus", entry.value.place, format!("'{}': {why}", entry.key)),
            }
        }
        serde_json::from_value(Json::Object(block)).unwrap_or_default()
    }
}

enum Wrong {
    Key,
    Value(String),
}

/// The value of a key that is right on its own. The keys do not depend on each other.
fn check(entry: &Entry) -> Result<Json, Wrong> {
    if !KEYS.contains(&entry.key.as_str()) {
        return Err(Wrong::Key);
    }
    let value = entry.value.to_json();
    let alone = Json::Object(Map::from_iter([(entry.key.clone(), value.clone())]));
    serde_json::from_value::<Bus>(alone).map_err(|error| Wrong::Value(error.to_string()))?;
    Ok(value)
}

/// A command to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a command line, or a list of the program and its arguments")]
pub enum Command {
    /// A line for the shell (`sh -c`).
    Line(String),
    /// The program and its arguments; no shell is between.
    Words(Vec<String>),
}

/// The command as it is shown: words that a shell would divide stand in quotes.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Line(line) => return f.write_str(line),
            Self::Words(words) => words,
        };
        let plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
        for (at, word) in words.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            if !word.is_empty() && word.chars().all(plain) {
                write!(f, "{space}{word}")?;
            } else {
                write!(f, "{space}'{}'", word.replace('\'', r"'\''"))?;
            }
        }
        Ok(())
    }
}

/// A command whose output becomes a fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The command.
    pub command: Command,
    /// How long its output stays good. Default: for one answer.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "duration")]
    pub ttl: Option<Duration>,
    /// The topics that the fact bears on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
    /// Whether it is a value, or only evidence. Default `value`.
    #[serde(default)]
    pub kind: protocol::FactKind,
}

/// Aliases are names that somebody wants to go by, so reserved ones are refused.
fn aliases<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Name>>, D::Error> {
    let texts = Option::<Vec<String>>::deserialize(deserializer)?;
    let name = |text: &String| text.parse().map_err(|why| serde::de::Error::custom(format!("'{text}': {why}")));
    texts.map(|texts| texts.iter().map(name).collect()).transpose()
}

/// Names of variables, so that a mistake is said where it stands, and not by an agent that misses one.
fn variables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let names = Option::<Vec<String>>::deserialize(deserializer)?;
    if let Some(name) = names.iter().flatten().find(|name| !endpoint::is_variable(name)) {
        return Err(serde::de::Error::custom(format!("'{name}' is not the name of a variable")));
    }
    Ok(names)
}
