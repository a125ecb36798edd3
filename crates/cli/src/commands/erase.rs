//! `agentbus erase`: removes one record for good.

use std::{io::IsTerminal, process::ExitCode};

use agentbus::{Name, QueryId};
use clap::Args;
use serde::Deserialize;

use crate::{
    bus,
    failure::{Exit, Failure},
    options::Global,
    printer, show,
};

/// Options of `erase`.
#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// The query, which must have ended; or, with --from, a progress report or notice
    id: QueryId,
    /// As whom to erase. Default: the record's requester, who alone may
    #[arg(long, value_name = "NAME", env = "AGENTBUS_NAME", hide_env_values = true)]
    from: Option<Name>,
    /// Do not ask whether it is meant
    #[arg(long)]
    yes: bool,
    /// Print what was removed as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What was removed, as a coordinator says it.
#[derive(Default, Deserialize)]
struct Erased {
    messages: usize,
    #[serde(default)]
    pieces: usize,
    sequences: Vec<(u64, u64)>,
}

impl Erase {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        if !self.yes {
            confirm(self.id)?;
        }
        let bus = match &self.from {
            Some(name) => bus::connect(global, name.clone()).await?,
            None => bus::as_requester(global, self.id).await?,
        };
        let erased = bus.erase(self.id).await?;
        bus.close().await;
        if self.json {
            printer::json(&erased);
            return Ok(ExitCode::SUCCESS);
        }
        let Erased { messages, pieces, sequences } = serde_json::from_value(erased).unwrap_or_default();
        let ranges = sequences.iter().map(|(from, to)| if from == to { from.to_string() } else { format!("{from} to {to}") });
        let ranges = ranges.collect::<Vec<_>>().join(", ");
        let attached = if pieces > 0 { format!("; {} of attachments", show::count(pieces, "piece")) } else { String::new() };
        printer::data(format!("{}  erased: {}, sequences {ranges}{attached}", self.id, show::count(messages, "message")));
        Ok(ExitCode::SUCCESS)
    }
}

/// Asks on a terminal; elsewhere nobody can answer.
fn confirm(id: QueryId) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() || !printer::is_watched() {
        return Err(Failure::usage("not_confirmed", "nothing was erased")
            .hint(format!("To erase it without being asked: agentbus erase --yes {id}")));
    }
    printer::ask(format!("Remove the record {id} for good? [y/N] "));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::new(Exit::Ended, "not_confirmed", "nothing was erased")),
    }
}
