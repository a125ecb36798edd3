//! What there is: queries, agents, and who would answer what. Changes nothing.

use agentbus::{
    Message, Name, Presence, Query, QueryId, State,
    protocol::{Extra, schema},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Told, data, problem, read};
use crate::{
    bus::{seat::Seat, text},
    mcp::{Output, Tool},
};

/// The most queries that are listed at once.
const MOST: usize = 200;

/// Arguments of `status` and `history`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// The query's id.
    id: QueryId,
}

/// Arguments of `list_queries`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Queries {
    /// Only those in this state.
    state: Option<State>,
    /// Only those of this agent.
    agent: Option<Name>,
    /// How many. Default 20, at most 200.
    limit: Option<usize>,
}

/// Arguments of `list_agents`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Agents {
    /// Only those whose name or description contains this.
    contains: Option<String>,
    /// Only those that are live.
    #[serde(default)]
    live: bool,
}

/// Arguments of `explain_route`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Route {
    /// The question or the task, in words.
    text: String,
    /// The agent that is to answer.
    to: Option<Name>,
    /// The request type. Default: `request`.
    request_type: Option<String>,
    /// Tags that help to route it.
    #[serde(default)]
    tags: Vec<String>,
}

pub(super) fn tools() -> Vec<Tool> {
    let tools = vec![
        Tool::of::<Which>("status", "Where a query stands, and its answer once it has one."),
        Tool::of::<Which>("history", "Everything that happened to a query, message by message."),
        Tool::of::<Queries>("list_queries", "The queries of the bus, newest first."),
        Tool::of::<Agents>("list_agents", "The agents of the bus: what each is for, and whether it is live."),
        Tool::of::<Route>("explain_route", "Who would answer a question, and why. Sends nothing."),
    ];
    tools.into_iter().map(Tool::reads_only).collect()
}

pub(super) async fn status(seat: &Seat, arguments: Extra) -> Told {
    let Which { id } = read(arguments)?;
    let record = seat.bus().await?.status(id).await.map_err(problem)?;
    Ok(Output::text(text::record(&record)).data(data(record)))
}

pub(super) async fn history(seat: &Seat, arguments: Extra) -> Told {
    let Which { id } = read(arguments)?;
    let record = seat.bus().await?.history(id).await.map_err(problem)?;
    Ok(Output::text(text::history(&record)).data(data(record)))
}

pub(super) async fn queries(seat: &Seat, arguments: Extra) -> Told {
    let Queries { state, agent, limit } = read(arguments)?;
    let limit = limit.unwrap_or(20).min(MOST);
    let queries = seat.bus().await?.list(state, agent.as_ref(), limit).await.map_err(problem)?;
    let line = |query: &agentbus::protocol::Summary| {
        let request_type = query.request_type.as_deref().unwrap_or("unreadable");
        format!("{} {}: {request_type}, asked by {}", query.id, query.state.as_str(), query.requester)
    };
    let lines: Vec<_> = queries.iter().map(line).collect();
    Ok(Output::text(listed(lines, "no queries")).data(json!({ "queries": queries })))
}

pub(super) async fn agents(seat: &Seat, arguments: Extra) -> Told {
    let Agents { contains, live } = read(arguments)?;
    let contains = contains.unwrap_or_default().to_lowercase();
    let wanted = |agent: &Presence| {
        let card = &agent.card;
        let named = card.agent.as_str().to_lowercase().contains(&contains) || card.description.to_lowercase().contains(&contains);
        named && (!live || !agent.instances.is_empty())
    };
    let agents: Vec<_> = seat.bus().await?.agents().await.map_err(problem)?.into_iter().filter(wanted).collect();
    let lines = agents.iter().map(text::agent).collect();
    let agents: Vec<_> = agents.iter().map(brief).collect();
    Ok(Output::text(listed(lines, "no agents")).data(json!({ "agents": agents })))
}

/// What one chooses an agent by; the resource `agentbus://agents/{name}` has the whole card.
fn brief(agent: &Presence) -> Value {
    let card = &agent.card;
    let (capacity, load) = agent.instances.iter().fold((0, 0), |(capacity, load), one| (capacity + one.capacity, load + one.load));
    json!({
        "name": card.agent, "description": card.description, "handler": card.handler, "answers": card.answers,
        "aliases": card.aliases, "fallback": card.fallback, "live": !agent.instances.is_empty(),
        "instances": agent.instances.len(), "capacity": capacity, "load": load, "waiting": agent.waiting,
    })
}

pub(super) async fn route(seat: &Seat, arguments: Extra) -> Told {
    let route: Route = read(arguments)?;
    let request_type = route.request_type.unwrap_or_else(|| "request".to_owned());
    let mut query = Query::new(seat.station.name.clone(), request_type, route.text);
    query.target = route.to;
    query.context_tags = (!route.tags.is_empty()).then_some(route.tags);
    schema::check("query", &Message::Query(query.clone()).to_value())?;
    let decision = seat.bus().await?.route(&query).await.map_err(problem)?;
    Ok(Output::text(text::decision(&decision)).data(data(decision)))
}

fn listed(lines: Vec<String>, none: &str) -> String {
    if lines.is_empty() { none.to_owned() } else { text::cut(lines.join("\n")) }
}
