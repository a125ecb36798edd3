//! What a session can read without calling a tool: the agents and the records of queries, as JSON.

use agentbus::{Bus, Error, Name, Problem, QueryId};

use super::seat::Seat;
use crate::mcp::{Contents, Resource, Template};

/// The address of the list of agents.
const AGENTS: &str = "agentbus://agents";

/// The beginning of a query's address.
const QUERIES: &str = "agentbus://queries/";

const JSON: &str = "application/json";

pub(super) fn fixed() -> Vec<Resource> {
    vec![Resource {
        uri: AGENTS.to_owned(),
        name: "agents".to_owned(),
        description: "Every agent of the bus: what it is for, and whether it is live".to_owned(),
        mime_type: JSON.to_owned(),
    }]
}

pub(super) fn templates() -> Vec<Template> {
    let template = |uri: String, name: &str, description: &str| Template {
        uri_template: uri,
        name: name.to_owned(),
        description: description.to_owned(),
        mime_type: JSON.to_owned(),
    };
    vec![
        template(format!("{AGENTS}/{{name}}"), "agent", "One agent with its whole card"),
        template(format!("{QUERIES}{{id}}"), "query", "The complete record of a query: every message and what became of it"),
    ]
}

/// What is at an address; none where there can be nothing.
pub(super) async fn read(seat: &Seat, uri: &str) -> Result<Option<Contents>, Problem> {
    if uri == AGENTS {
        let agents = seat.bus().await?.agents().await.map_err(|error| error.problem())?;
        return Ok(Some(Contents::json(uri, &agents)));
    }
    if let Some(id) = uri.strip_prefix(QUERIES).and_then(|id| id.parse().ok()) {
        return query(&seat.bus().await?, uri, id).await;
    }
    let name = uri.strip_prefix(AGENTS).and_then(|rest| rest.strip_prefix('/')).and_then(|name| name.parse().ok());
    match name {
        Some(name) => agent(&seat.bus().await?, uri, name).await,
        None => Ok(None),
    }
}

async fn query(bus: &Bus, uri: &str, id: QueryId) -> Result<Option<Contents>, Problem> {
    match bus.history(id).await {
        Ok(record) => Ok(Some(Contents::json(uri, &record))),
        Err(Error::Refused(problem)) if problem.code == "not_found" => Ok(None),
        Err(error) => Err(error.problem()),
    }
}

async fn agent(bus: &Bus, uri: &str, name: Name) -> Result<Option<Contents>, Problem> {
    let agents = bus.agents().await.map_err(|error| error.problem())?;
    Ok(agents.into_iter().find(|agent| agent.card.agent == name).map(|agent| Contents::json(uri, &agent)))
}
