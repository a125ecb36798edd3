//! `context import`: many facts from a file. All are checked before the first is written.

use std::{collections::BTreeSet, path::Path, process::ExitCode};

use agentbus::{Fact, Facts, Name, protocol::schema};
use clap::Args;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{checked, now};
use crate::{
    bus,
    failure::Failure,
    options::{From, Global},
    printer,
};

/// Options of `context import`.
#[derive(Debug, Args)]
pub(super) struct Import {
    #[command(flatten)]
    from: From,
    /// Where the facts come from that do not say so themselves
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// A JSON file: a list of facts {"key", "value", "source"}, or with --source one object of
    /// keys and values; - for standard input
    file: String,
}

impl Import {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let place = if self.file == "-" { "standard input".to_owned() } else { self.file.clone() };
        let text = crate::commands::read(Path::new(&self.file)).await?;
        let text = String::from_utf8(text).map_err(|_| Failure::usage("not_utf8", format!("{place} is not UTF-8")))?;
        let defaults = Defaults { from: self.from.from, source: self.source, now: now() };
        let hint = "See what a fact looks like: agentbus schema fact";
        let body = schema::json(text.as_bytes()).map_err(|invalid| Failure::invalid(&place, invalid).hint(hint))?;
        let facts = defaults
            .read(body)
            .map_err(|why| Failure::usage("schema_violation", format!("{place}: {why}; nothing is imported")).hint(hint))?;
        let bus = bus::connect(global, defaults.from).await?;
        put(&bus.facts().await?, &facts).await?;
        bus.close().await;
        printer::data(match facts.len() {
            1 => "1 fact imported".to_owned(),
            n => format!("{n} facts imported"),
        });
        Ok(ExitCode::SUCCESS)
    }
}

async fn put(store: &Facts, facts: &[Fact]) -> Result<(), Failure> {
    for (done, fact) in facts.iter().enumerate() {
        store.put(fact).await.map_err(|error| {
            let hint = format!("{done} of {} are recorded; importing again does no harm", facts.len());
            Failure::from(error).hint(hint)
        })?;
    }
    Ok(())
}

/// What a fact gets that does not say it itself.
struct Defaults {
    from: Name,
    source: Option<String>,
    now: Timestamp,
}

impl Defaults {
    /// The facts of a file, or why one of them is none.
    fn read(&self, body: Value) -> Result<Vec<Fact>, String> {
        let facts = match body {
            Value::Array(items) => items.into_iter().enumerate().map(|(at, item)| self.item(at, item)).collect::<Result<Vec<_>, _>>()?,
            Value::Object(values) if self.source.is_none() && !values.is_empty() => {
                return Err("keys and values alone do not say where they come from: add --source TEXT".to_owned());
            }
            Value::Object(values) => values.into_iter().map(|(key, value)| self.pair(&key, value)).collect::<Result<Vec<_>, _>>()?,
            _ => return Err("neither a list of facts nor an object of keys and values".to_owned()),
        };
        let mut seen = BTreeSet::new();
        match facts.iter().find(|fact| !seen.insert((&fact.key, &fact.observed_by))) {
            Some(twice) => Err(format!("{} by {} stands twice", twice.key, twice.observed_by)),
            None => Ok(facts),
        }
    }

    fn item(&self, at: usize, item: Value) -> Result<Fact, String> {
        let Value::Object(mut fields) = item else { return Err(format!("/{at}: not an object")) };
        self.fill(&mut fields);
        checked(Value::Object(fields)).map_err(|problem| match problem.pointer {
            Some(_) => format!("/{at}{}", problem.message),
            None => format!("/{at}: {}", problem.message),
        })
    }

    fn pair(&self, key: &str, value: Value) -> Result<Fact, String> {
        let mut fields = Map::new();
        fields.insert("key".to_owned(), key.into());
        fields.insert("value".to_owned(), value);
        self.fill(&mut fields);
        checked(Value::Object(fields)).map_err(|problem| format!("{key:?}: {}", problem.message))
    }

    fn fill(&self, fields: &mut Map<String, Value>) {
        let mut default = |field: &str, value: Value| {
            fields.entry(field).or_insert(value);
        };
        default("observed_by", json!(self.from));
        default("observed_at", json!(self.now));
        if let Some(source) = &self.source {
            default("source", json!(source));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rstest::rstest;

    fn read(text: &str, source: Option<&str>) -> Result<Vec<Fact>, String> {
        let now = "2026-11-21T09:00:00Z".parse().unwrap();
        let body = schema::json(text.as_bytes()).map_err(|invalid| invalid.reason)?;
        Defaults { from: "alice".parse().unwrap(), source: source.map(str::to_owned), now }.read(body)
    }

    #[test]
    fn a_fact_gets_what_it_does_not_say() {
        let text = r#"[{"key": "team.size", "value": 12, "source": "org chart"},
            {"key": "team.size", "value": 11, "observed_by": "bob", "observed_at": "2026-01-05T09:00:00Z", "kind": "evidence"}]"#;
        let facts: Vec<_> = read(text, Some("a file")).unwrap().iter().map(|fact| json!(fact)).collect();
        let expected = [
            json!({ "key": "team.size", "value": 12, "kind": "value", "source": "org chart", "observed_by": "alice",
                "observed_at": "2026-11-21T09:00:00Z" }),
            json!({ "key": "team.size", "value": 11, "kind": "evidence", "source": "a file", "observed_by": "bob",
                "observed_at": "2026-01-05T09:00:00Z" }),
        ];
        assert_eq!(facts, expected);
    }

    #[test]
    fn keys_and_values_share_a_source() {
        let facts = read(r#"{"team.size": 12, "compliance": ["SOC 2"]}"#, Some("the handbook")).unwrap();
        let shown: Vec<_> = facts.iter().map(|fact| (fact.key.as_str(), fact.source.as_str())).collect();
        assert_eq!(shown, [("compliance", "the handbook"), ("team.size", "the handbook")]);
        assert_eq!(read("{}", None).unwrap(), []);
    }

    #[rstest]
    #[case(r#"[{"key": "a", "value": 1}]"#, None, "/0/source: required")]
    #[case(r#"[{"key": "a", "value": 1}, {"key": "Team Size", "value": 1}]"#, Some("s"), "/1/key")]
    #[case(r#"[1]"#, Some("s"), "/0: not an object")]
    #[case(r#"{"a": 1}"#, None, "--source")]
    #[case(r#"{"A b": 1}"#, Some("s"), "\"A b\": /key")]
    #[case(r#"{"a": 1, "a": 2}"#, Some("s"), "stands twice")]
    #[case(r#"[{"key": "a", "value": 1}, {"key": "a", "value": 2}]"#, Some("s"), "a by alice stands twice")]
    #[case("12", Some("s"), "neither a list")]
    fn one_wrong_fact_refuses_the_file(#[case] text: &str, #[case] source: Option<&str>, #[case] expected: &str) {
        let why = read(text, source).unwrap_err();
        assert!(why.contains(expected), "{why}");
    }
}
