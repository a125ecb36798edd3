//! `agentbus cancel`: stops a query, and waits until its record has ended.

use std::{process::ExitCode, time::Duration};

use agentbus::{Name, QueryId, State};
use clap::Args;
use serde_json::json;

use crate::{
    bus,
    failure::{Exit, Failure},
    options::Global,
    printer,
};

/// How long to wait for the end of the record.
const PATIENCE: Duration = Duration::from_secs(10);

/// Options of `cancel`.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The query
    id: QueryId,
    /// As whom to cancel. Default: the query's requester, who alone may
    #[arg(long, value_name = "NAME", env = "AGENTBUS_NAME", hide_env_values = true)]
    from: Option<Name>,
    /// Why, in words
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Print id and state as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Cancel {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let bus = match &self.from {
            Some(name) => bus::connect(global, name.clone()).await?,
            None => bus::as_requester(global, self.id).await?,
        };
        // Followed before it is cancelled, so that the signal of the end is not missed.
        let asking = bus.follow(self.id).await?;
        bus.cancel(self.id, self.reason.as_deref()).await?;
        let ended = tokio::time::timeout(PATIENCE, asking.ended()).await.map_err(|_| pending(self.id))?;
        let ended = ended.map_err(|error| Failure::from(error).hint(format!("Where it stands: agentbus status {}", self.id)))?;
        bus.close().await;
        if self.json {
            printer::json(&json!({ "id": ended.id, "state": ended.state }));
        } else {
            printer::data(ended.state.as_str());
        }
        if ended.state != State::Cancelled {
            printer::say("it had ended before the cancel counted");
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn pending(id: QueryId) -> Failure {
    let message = format!("the ledger has the cancel, but the query has not ended within {} s", PATIENCE.as_secs());
    Failure::new(Exit::Ended, "pending", message).hint(format!("Where it stands: agentbus status {id}"))
}
