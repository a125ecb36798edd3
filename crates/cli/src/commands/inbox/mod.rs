//! `agentbus inbox`: a person at a terminal as an agent. Lists what waits, takes it, and answers it.
//!
//! Nothing runs between two of these commands. What was taken stays in hand for as long as its lease, and what a later
//! command needs to know stands in the record.

mod list;
mod send;
mod take;

use std::process::ExitCode;

use agentbus::{Bus, Name, Record};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{bus, failure::Failure, options::Global};

/// Options of `inbox`.
#[derive(Debug, Args)]
pub(crate) struct Inbox {
    /// Whose inbox it is
    #[arg(long = "as", value_name = "NAME", env = "AGENTBUS_NAME", hide_env_values = true, global = true)]
    me: Option<Name>,
    /// Print what there is as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    what: Option<What>,
}

/// What to do in an inbox.
#[derive(Debug, Subcommand)]
enum What {
    /// Take a query in hand, and print it
    Take(take::Take),
    /// Report progress on a query in hand; that renews its lease
    Progress(send::Progress),
    /// Answer a query in hand
    Answer(send::Answer),
    /// Give a query in hand back: it waits again, and no attempt is spent
    Release(send::Release),
    /// Ask the requester of a query in hand, and wait for the reply
    Ask(send::Ask),
}

/// As whom a command speaks, and how its outcome is printed.
struct Desk {
    bus: Bus,
    json: bool,
}

impl Inbox {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let me = self.me.ok_or_else(|| {
            Failure::usage("no_name", "nobody is named whose inbox it is").hint("Say who you are: --as NAME, or set AGENTBUS_NAME.")
        })?;
        let what = self.what.map(What::prepared).transpose()?;
        let desk = Desk { bus: bus::connect(global, me).await?, json: self.json };
        let outcome = match what {
            None => list::run(&desk).await,
            Some(What::Take(take)) => take.run(&desk).await,
            Some(What::Progress(progress)) => progress.run(&desk).await,
            Some(What::Answer(answer)) => answer.run(&desk).await,
            Some(What::Release(release)) => release.run(&desk).await,
            Some(What::Ask(ask)) => ask.run(&desk).await,
        };
        desk.bus.close().await;
        outcome
    }
}

impl What {
    /// The same, if what was typed makes sense: that is said before anything is sent.
    fn prepared(self) -> Result<Self, Failure> {
        match &self {
            Self::Answer(answer) => answer.check()?,
            Self::Ask(ask) => ask.check()?,
            Self::Take(_) | Self::Progress(_) | Self::Release(_) => {}
        }
        Ok(self)
    }
}

/// A query as a program reads it: what is asked, by whom, and until when.
fn as_json(record: &Record, lease_until: Option<Timestamp>) -> Value {
    let field = |pointer: &str| record.query.pointer(pointer).cloned().unwrap_or_default();
    let mut query = json!({
        "id": record.id,
        "state": record.state,
        "requester": record.requester,
        "request_type": field("/request_type"),
        "text": field("/payload/query"),
        "posted_at": record.posted_at,
        "deadline": record.deadline,
        "query": record.query,
    });
    if let (Some(query), Some(attempt)) = (query.as_object_mut(), record.attempts.last().filter(|_| lease_until.is_some())) {
        query.insert("attempt".to_owned(), attempt.attempt.into());
        query.insert("lease_until".to_owned(), json!(lease_until));
    }
    query
}
