//! `agentbus context`: what people and files say, in the fact store. One file for each way of using it.

mod import;
mod read;
mod write;

use std::process::ExitCode;

use agentbus::{Fact, Problem, protocol::schema};
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::{failure::Failure, options::Global};

/// Options of `context`.
#[derive(Debug, Args)]
pub(crate) struct Context {
    #[command(subcommand)]
    action: Action,
}

/// What to do with facts.
#[derive(Debug, Subcommand)]
enum Action {
    /// Record a fact; it takes the place of your earlier one
    Set(write::Set),
    /// Show what every observer says about a key
    Get(read::Get),
    /// Withdraw a fact
    Unset(write::Unset),
    /// List all facts
    List(read::List),
    /// Record many facts from a JSON file: all of them, or none if one is wrong
    Import(import::Import),
}

impl Context {
    /// Whether a program reads the output.
    pub(crate) const fn wants_json(&self) -> bool {
        match &self.action {
            Action::Get(get) => get.json,
            Action::List(list) => list.json,
            Action::Set(_) | Action::Unset(_) | Action::Import(_) => false,
        }
    }

    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        match self.action {
            Action::Set(set) => set.run(global).await,
            Action::Get(get) => get.run(global).await,
            Action::Unset(unset) => unset.run(global).await,
            Action::List(list) => list.run(global).await,
            Action::Import(import) => import.run(global).await,
        }
    }
}

/// A fact, if the schema takes it: what readers would pass over is never written.
fn checked(value: Value) -> Result<Fact, Problem> {
    schema::check("fact", &value).map_err(|invalid| {
        let mut problem = Problem::new("schema_violation", invalid.to_string());
        problem.pointer = Some(invalid.pointer);
        problem
    })?;
    serde_json::from_value(value).map_err(|error| Problem::new("schema_violation", error.to_string()))
}

/// Now, as facts carry it: finer than a millisecond means nothing here.
fn now() -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
