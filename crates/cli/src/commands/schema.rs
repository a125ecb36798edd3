//! `agentbus schema`: the contract of a message. Needs no bus.

use std::process::ExitCode;

use agentbus::protocol::schema;
use clap::Args;
use serde_json::{Value, json};

use crate::{failure::Failure, printer, show};

/// Options of `schema`.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// The schema to print. Default: the list of them
    name: Option<String>,
    /// Print the list as JSON; a schema is JSON in any case
    #[arg(long)]
    pub(crate) json: bool,
}

impl Schema {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self.name {
            None if self.json => printer::json(&list()),
            None => printer::data(show::table(["name", "what it is"], 1, schema::ALL.iter().map(row))),
            Some(name) => printer::data(schema::text(&name).ok_or_else(|| unknown(&name))?),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn unknown(name: &str) -> Failure {
    let hint = match show::nearest(name, schema::ALL.iter().map(|(name, _)| *name)) {
        nearest if nearest.is_empty() => "See what there is: agentbus schema".to_owned(),
        nearest => format!("The nearest names are {nearest}; for all of them: agentbus schema"),
    };
    Failure::usage("unknown_schema", format!("no schema is called '{}'", show::plain(name))).hint(hint)
}

fn list() -> Value {
    schema::ALL.iter().map(row).map(|[name, description]| json!({ "name": name, "description": description })).collect()
}

/// A schema's name, and the first sentence of its description.
fn row((name, text): &(&str, &str)) -> [String; 2] {
    let schema: Value = serde_json::from_str(text).unwrap_or_default();
    let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = show::plain(description);
    let sentence = description.split_once(". ").map_or_else(|| description.clone(), |(first, _)| format!("{first}."));
    [(*name).to_owned(), sentence]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_says_what_it_is() {
        for [name, sentence] in schema::ALL.iter().map(row) {
            assert!(sentence.ends_with('.') && !sentence.contains('\n'), "{name}: {sentence}");
        }
    }
}
