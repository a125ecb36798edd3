//! `context get` and `context list`: facts with their provenance.

use std::process::ExitCode;

use agentbus::{Fact, FactKey};
use clap::Args;
use jiff::Timestamp;

use crate::{
    bus,
    failure::{Exit, Failure},
    options::{From, Global},
    printer, show,
};

/// Options of `context get`.
#[derive(Debug, Args)]
pub(super) struct Get {
    #[command(flatten)]
    from: From,
    /// What it is about
    key: FactKey,
    /// Print the facts as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Get {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let all = all(global, self.from).await?;
        let (found, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|fact| fact.key == self.key);
        if found.is_empty() {
            return Err(unknown(&self.key, &others));
        }
        if self.json {
            printer::json(&found);
        } else {
            printer::data(show::facts(&found));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn unknown(key: &FactKey, others: &[Fact]) -> Failure {
    let hint = match show::nearest(key.as_str(), others.iter().map(|fact| fact.key.as_str())) {
        nearest if nearest.is_empty() => "See what is known: agentbus context list".to_owned(),
        nearest => format!("The nearest keys are {nearest}"),
    };
    Failure::new(Exit::Ended, "not_found", format!("nobody has stated anything about {key}")).hint(hint)
}

/// Options of `context list`.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    from: From,
    /// Print the facts as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl List {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let facts = all(global, self.from).await?;
        if self.json {
            printer::json(&facts);
        } else if facts.is_empty() {
            printer::say("no facts yet; state one: agentbus context set team.size 12 --source \"the org chart\"");
        } else {
            let rows = show::fact_rows(&facts, Timestamp::now());
            printer::data(show::table(["key", "value", "kind", "observed by", "age", "source"], 1, rows));
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn all(global: &Global, from: From) -> Result<Vec<Fact>, Failure> {
    let bus = bus::connect(global, from.from).await?;
    let facts = bus.facts().await?.all().await?;
    bus.close().await;
    Ok(facts)
}
