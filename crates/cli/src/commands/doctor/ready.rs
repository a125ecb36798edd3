//! `agentbus doctor --ready`: one line and an exit code, for whatever waits until a bus can be used.

use std::{process::ExitCode, time::Duration};

use agentbus::{Bus, Name, QueryId};
use serde_json::json;

use crate::{
    bus,
    failure::{Exit, Failure},
    options::Global,
    printer,
};

/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(5);

pub(super) async fn run(global: &Global, from: Name, json: bool) -> Result<ExitCode, Failure> {
    let place = bus::find(global)?;
    let url = format!("{} ({})", bus::shown(&place.url), place.how);
    let asked = async {
        let bus = bus::join(global, place, from).await?;
        answers(&bus).await.map_err(Failure::from)
    };
    let late = || Failure::new(Exit::Unreachable, "unavailable", format!("{url} does not answer within {} s", LIMIT.as_secs()));
    let ready = tokio::time::timeout(LIMIT, asked).await.unwrap_or_else(|_| Err(late()));
    ready.map_err(Failure::not_ready)?;
    if json {
        printer::json(&json!({ "ready": true }));
    } else {
        printer::data(format!("ready: a coordinator answers at {url}, and has read the ledger"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks for a query that nobody has posted. A coordinator answers only when it has read the ledger,
/// and to answer this it looks into the ledger once more.
pub(super) async fn answers(bus: &Bus) -> Result<(), agentbus::Error> {
    match bus.status(QueryId::mint()).await {
        Err(error) if error.code() != "not_found" => Err(error),
        _ => Ok(()),
    }
}
