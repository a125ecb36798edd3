//! `agentbus history`: everything that happened to a query.

use std::process::ExitCode;

use agentbus::QueryId;
use clap::Args;

use crate::{
    bus,
    failure::Failure,
    options::{From, Global},
    printer, show,
};

/// Options of `history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    #[command(flatten)]
    from: From,
    /// The query
    id: QueryId,
    /// Print the record with its messages as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl History {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let bus = bus::connect(global, self.from.from).await?;
        let record = bus.history(self.id).await?;
        bus.close().await;
        if self.json {
            printer::json(&record);
        } else {
            show::history(&record);
        }
        Ok(ExitCode::SUCCESS)
    }
}
