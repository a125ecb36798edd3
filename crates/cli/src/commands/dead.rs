//! `agentbus dead`: what nobody could do or read, and asking it again.

use std::process::ExitCode;

use agentbus::{Bus, Name, QueryId, Record, protocol::DeadLetters};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    bus,
    failure::Failure,
    options::{From, Global},
    printer, show,
};

/// Options of `dead`.
#[derive(Debug, Args)]
pub(crate) struct Dead {
    #[command(subcommand)]
    what: What,
}

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
enum What {
    /// List queries that ended as dead, newest first, with every attempt, and what could not be read
    List(List),
    /// Ask a dead query again, under a new id that names the old one, and print the new id
    Replay(Replay),
}

/// Options of `dead list`.
#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    from: From,
    /// How many at most, up to 1000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Read the whole archive, too: it keeps what has died longer ago
    #[arg(long)]
    archived: bool,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

/// Options of `dead replay`.
#[derive(Debug, Args)]
struct Replay {
    /// The dead query
    id: QueryId,
    /// As whom to ask. Default: the query's requester, who alone may
    #[arg(long, value_name = "NAME", env = "AGENTBUS_NAME", hide_env_values = true)]
    from: Option<Name>,
    /// Print both ids and the sequence as JSON
    #[arg(long)]
    json: bool,
}

impl Dead {
    pub(crate) const fn wants_json(&self) -> bool {
        match &self.what {
            What::List(List { json, .. }) | What::Replay(Replay { json, .. }) => *json,
        }
    }

    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        match self.what {
            What::List(list) => list.run(global).await,
            What::Replay(replay) => replay.run(global).await,
        }
    }
}

impl List {
    async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let bus = bus::connect(global, self.from.from).await?;
        let mut dead = bus.dead(self.limit.into()).await?;
        if self.archived {
            let older = bus.dead_archived(self.limit.into()).await?;
            add(&mut dead, older, self.limit.into());
        }
        bus.close().await;
        if self.json {
            printer::json(&dead);
            return Ok(ExitCode::SUCCESS);
        }
        if dead.letters.is_empty() && dead.unreadable.is_empty() {
            printer::say("no dead letters");
            return Ok(ExitCode::SUCCESS);
        }
        show::dead(&dead);
        if dead.before.is_some() {
            printer::say(format!("the newest {}; there are more: --limit N", dead.letters.len()));
        }
        if !dead.letters.is_empty() {
            printer::say("ask one again: agentbus dead replay ID");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Adds what the archive has and the coordinator does not remember.
fn add(dead: &mut DeadLetters, older: Vec<Record>, limit: usize) {
    let known: Vec<QueryId> = dead.letters.iter().map(|letter| letter.id).collect();
    dead.letters.extend(older.into_iter().filter(|letter| !known.contains(&letter.id)));
    dead.letters.sort_by_key(|letter| std::cmp::Reverse(letter.end_seq));
    dead.letters.truncate(limit);
}

impl Replay {
    async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let bus: Bus = match &self.from {
            Some(name) => bus::connect(global, name.clone()).await?,
            None => bus::as_requester(global, self.id).await?,
        };
        let receipt = bus.replay(self.id).await?;
        bus.close().await;
        if self.json {
            printer::json(&json!({ "id": receipt.id, "replays": self.id, "seq": receipt.seq }));
        } else {
            printer::data(receipt.id.to_string());
        }
        Ok(ExitCode::SUCCESS)
    }
}
