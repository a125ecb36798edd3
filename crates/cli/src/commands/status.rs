//! `agentbus status`: where a query stands. A reading command: how the query ended is no failure of it.

use std::process::ExitCode;

use agentbus::QueryId;
use clap::Args;

use crate::{
    bus,
    failure::Failure,
    options::{From, Global},
    printer, show,
};

/// Options of `status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    from: From,
    /// The query
    id: QueryId,
    /// Print the record as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Status {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let bus = bus::connect(global, self.from.from).await?;
        let record = bus.status(self.id).await?;
        if self.json {
            printer::json(&record);
        } else {
            show::record(&record, super::history::kin(&bus, &record).await.as_ref());
        }
        bus.close().await;
        Ok(ExitCode::SUCCESS)
    }
}
