//! `agentbus bench`: how fast the bus is on this machine, beside what plain NATS does in the same run.
//!
//! Everything runs as it would in earnest: a nats-server, a coordinator and the agents are processes
//! of their own, started from this very binary on a store of their own. Reading order: `ground` (the
//! processes), `load` (the closed loop), then one file for each thing that is measured.

mod crowd;
mod ground;
mod load;
mod process;
mod queries;
mod restart;
mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::{failure::Failure, options::Global};

/// Options of `bench`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    queries: queries::Queries,
}

/// What is measured.
#[derive(Debug, Subcommand)]
enum What {
    /// Routed, durable queries (the default)
    Queries(queries::Queries),
    /// How soon an agent host is ready, and what memory it takes
    Agents(crowd::Crowd),
    /// How soon a coordinator is ready that finds a large ledger
    Restart(restart::Restart),
    /// The agent that the queries are for
    #[command(hide = true)]
    Echo(ground::Echo),
}

impl Bench {
    pub(crate) const fn wants_json(&self) -> bool {
        match &self.what {
            None => self.queries.json,
            Some(What::Queries(queries)) => queries.json,
            Some(What::Agents(crowd)) => crowd.json,
            Some(What::Restart(restart)) => restart.json,
            Some(What::Echo(_)) => false,
        }
    }

    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        if let Some(What::Echo(echo)) = self.what {
            return echo.run(global).await;
        }
        if global.nats.is_some() {
            let message = "bench starts a server of its own, so that it disturbs no bus and no bus disturbs it";
            return Err(Failure::usage("usage", message).hint("Leave --nats out."));
        }
        match self.what {
            None => self.queries.run().await,
            Some(What::Queries(queries)) => queries.run().await,
            Some(What::Agents(crowd)) => crowd.run().await,
            Some(What::Restart(restart)) => restart.run().await,
            Some(What::Echo(_)) => Ok(ExitCode::SUCCESS),
        }
    }
}
