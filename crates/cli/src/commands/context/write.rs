//! `context set` and `context unset`: one fact, by whoever observed it.

use std::process::ExitCode;

use agentbus::{FactKey, FactKind, protocol::schema};
use clap::Args;
use serde_json::{Value, json};

use super::{checked, now};
use crate::{
    bus,
    failure::{Exit, Failure},
    options::{From, Global},
    printer, show,
};

/// Options of `context set`.
#[derive(Debug, Args)]
pub(super) struct Set {
    #[command(flatten)]
    from: From,
    /// Where it comes from, in words. Default: "stated by NAME at the command line"
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// It bears on a topic without answering it
    #[arg(long)]
    evidence: bool,
    /// A topic that it bears on, as in "team size"; may be given several times
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// What it is about: dotted words, as in team.size
    key: FactKey,
    /// The value: JSON, or else a text
    #[arg(allow_negative_numbers = true)]
    value: String,
}

impl Set {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let from = self.from.from;
        let source = self.source.unwrap_or_else(|| format!("stated by {from} at the command line"));
        let kind = if self.evidence { FactKind::Evidence } else { FactKind::Value };
        let fact = json!({
            "key": self.key, "value": value(&self.value), "kind": kind, "source": source,
            "observed_by": from, "observed_at": now(), "topics": self.topics,
        });
        let fact = checked(fact).map_err(|problem| Failure::usage(&problem.code, problem.message))?;
        let bus = bus::connect(global, from).await?;
        bus.facts().await?.put(&fact).await?;
        bus.close().await;
        printer::say(show::facts(&[fact]));
        Ok(ExitCode::SUCCESS)
    }
}

/// JSON where it is JSON, as in `12`, `true` or `["SOC 2"]`; else the text itself.
fn value(text: &str) -> Value {
    schema::json(text.as_bytes()).unwrap_or_else(|_| text.into())
}

/// Options of `context unset`.
#[derive(Debug, Args)]
pub(super) struct Unset {
    #[command(flatten)]
    from: From,
    /// What it is about
    key: FactKey,
}

impl Unset {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let from = self.from.from;
        let bus = bus::connect(global, from.clone()).await?;
        let there = bus.facts().await?.remove(&from, &self.key).await?;
        bus.close().await;
        if !there {
            let failure = Failure::new(Exit::Ended, "not_found", format!("{from} has stated nothing about {}", self.key));
            return Err(failure.hint(format!("See who has: agentbus context get {}", self.key)));
        }
        printer::say(format!("{} is withdrawn", self.key));
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_json_or_text() {
        let pairs = [
            ("12", json!(12)),
            ("-0.5", json!(-0.5)),
            ("true", json!(true)),
            ("null", Value::Null),
            ("\"12\"", json!("12")),
            ("[\"SOC 2\"]", json!(["SOC 2"])),
            ("SOC 2", json!("SOC 2")),
            ("12 people", json!("12 people")),
            ("{open", json!("{open")),
            ("", json!("")),
        ];
        for (text, expected) in pairs {
            assert_eq!(value(text), expected, "{text}");
        }
    }
}
