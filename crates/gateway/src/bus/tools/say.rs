//! What one has to say: facts with their provenance, progress and deliveries outside a query. Who says it is always the
//! seat's own name.

use agentbus::{
    Fact, FactKey, FactKind, Problem,
    protocol::{Extra, schema},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Told, data, problem, read};
use crate::{
    bus::{seat::Seat, text},
    mcp::{Output, Tool},
};

/// Arguments of `get_facts`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetFacts {
    /// A key, as in `team.size`, or the beginning of several, as in `team`. Default: all facts.
    key: Option<String>,
}

/// Arguments of `set_fact`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SetFact {
    /// What it is about: dotted words, as in `team.size`.
    key: FactKey,
    /// What was observed.
    value: Value,
    /// Where it comes from, in words: a file, a command, a person's statement.
    source: String,
    /// Whether it only bears on a topic without answering it.
    #[serde(default)]
    evidence: bool,
    /// Topics that it bears on, as in `team size`.
    #[serde(default)]
    topics: Vec<String>,
}

/// Arguments of `report_progress`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Report {
    /// What you are doing, in a word, as in `building`.
    status: String,
    /// What there is to report: names and values.
    #[serde(default)]
    progress: Extra,
}

/// Arguments of `notify_delivery`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Notify {
    /// What was delivered, in words.
    text: String,
}

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::of::<GetFacts>("get_facts", "What is known: facts, each with who observed it, when, and how.").reads_only(),
        Tool::of::<SetFact>("set_fact", "Record a fact that you observed; it takes the place of your earlier one for the same key."),
        Tool::of::<Report>("report_progress", "Report progress of work outside a query, for everybody who watches."),
        Tool::of::<Notify>("notify_delivery", "Tell everybody that something outside a query is done."),
    ]
}

pub(super) async fn get_facts(seat: &Seat, arguments: Extra) -> Told {
    let key = read::<GetFacts>(arguments)?.key.unwrap_or_default();
    let about = |fact: &Fact| {
        let rest = fact.key.as_str().strip_prefix(key.as_str());
        rest.is_some_and(|rest| key.is_empty() || rest.is_empty() || rest.starts_with('.'))
    };
    let facts = seat.bus().await?.facts().await.map_err(problem)?.all().await.map_err(|error| problem(error.into()))?;
    let facts: Vec<_> = facts.into_iter().filter(about).collect();
    let lines: Vec<_> = facts.iter().map(text::fact).collect();
    let text = if lines.is_empty() { "nobody has stated anything about it".to_owned() } else { text::cut(lines.join("\n")) };
    Ok(Output::text(text).data(json!({ "facts": facts })))
}

pub(super) async fn set_fact(seat: &Seat, arguments: Extra) -> Told {
    let SetFact { key, value, source, evidence, topics } = read(arguments)?;
    let kind = if evidence { FactKind::Evidence } else { FactKind::Value };
    let now = jiff::Timestamp::now();
    // Finer than a millisecond means nothing here.
    let now = jiff::Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
    let fact = json!({
        "key": key, "value": value, "kind": kind, "source": source,
        "observed_by": seat.station.name, "observed_at": now, "topics": topics,
    });
    schema::check("fact", &fact)?;
    let fact: Fact = serde_json::from_value(fact).map_err(|error| Problem::new("schema_violation", error.to_string()))?;
    let facts = seat.bus().await?.facts().await.map_err(problem)?;
    facts.put(&fact).await.map_err(|error| problem(error.into()))?;
    Ok(Output::text(text::fact(&fact)).data(data(fact)))
}

pub(super) async fn report(seat: &Seat, arguments: Extra) -> Told {
    let Report { status, progress } = read(arguments)?;
    let id = seat.bus().await?.report(status, progress).await.map_err(problem)?;
    Ok(Output::text(format!("reported as {id}")).data(json!({ "id": id })))
}

pub(super) async fn notify(seat: &Seat, arguments: Extra) -> Told {
    let Notify { text } = read(arguments)?;
    let id = seat.bus().await?.notify(text).await.map_err(problem)?;
    Ok(Output::text(format!("told as {id}")).data(json!({ "id": id })))
}
