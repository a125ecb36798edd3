//! `agentbus route`: explains who would answer a query. Sends nothing to any agent.

use std::process::ExitCode;

use clap::Args;

use crate::{
    bus,
    failure::{Exit, Failure},
    options::{Global, Question},
    printer, show,
};

/// Options of `route`.
#[derive(Debug, Args)]
pub(crate) struct Route {
    #[command(flatten)]
    question: Question,
    /// Print the decision as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// The question, or - for standard input
    text: String,
}

impl Route {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let query = self.question.query(super::text(self.text).await?)?;
        let bus = bus::connect(global, query.requesting_agent.clone()).await?;
        let decision = bus.route(&query).await?;
        bus.close().await;
        if self.json {
            printer::json(&decision);
        } else {
            show::decision(&decision);
        }
        Ok(if decision.agent.is_some() { ExitCode::SUCCESS } else { ExitCode::from(Exit::Ended as u8) })
    }
}
