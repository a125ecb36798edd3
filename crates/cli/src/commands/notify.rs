//! `agentbus notify`: an agent sends a delivery notification for work outside a query.

use std::process::ExitCode;

use agentbus::Name;
use clap::Args;
use serde_json::json;

use crate::{bus, failure::Failure, options::Global, printer};

/// Options of `notify`.
#[derive(Debug, Args)]
pub(crate) struct Notify {
    /// Who delivered
    #[arg(long, value_name = "NAME")]
    agent: Name,
    /// What was delivered, in words, or - for standard input
    text: String,
    /// Print its id as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Notify {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let text = super::text(self.text).await?;
        if text.trim().is_empty() {
            return Err(Failure::usage("empty_text", "a delivery notification needs words").hint("Say what was delivered."));
        }
        let bus = bus::connect(global, self.agent).await?;
        let id = bus.notify(text).await?;
        bus.close().await;
        if self.json {
            printer::json(&json!({ "id": id }));
        } else {
            printer::data(id.to_string());
        }
        Ok(ExitCode::SUCCESS)
    }
}
