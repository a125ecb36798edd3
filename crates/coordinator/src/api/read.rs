//! Calls that change nothing: status, list, agents, route.

use ledger::{Key, Tombstone};
use nats::{Archive, Call, Connection};
use protocol::{Decision, Excerpt, Kind, Message, Name, Presence, Problem, QueryId, Record, State, Summary, schema};
use serde::Deserialize;

use super::reply;
use crate::service::Service;

/// Lines of a list, unless the caller wants fewer or more.
const LINES: usize = 100;

/// The most lines of a list.
const MOST_LINES: usize = 1000;

#[derive(Deserialize)]
pub(super) struct Which {
    pub(super) id: QueryId,
    #[serde(default)]
    messages: bool,
    /// The bytes of the record that the caller has already: it is wanted in parts.
    offset: Option<usize>,
}

#[derive(Default, Deserialize)]
struct Filter {
    state: Option<State>,
    agent: Option<Name>,
    limit: Option<usize>,
}

#[derive(Default, Deserialize)]
struct Who {
    names: Option<Vec<Name>>,
    /// Without what only routing reads of a card: of hundreds of agents, that is more than one answer can hold.
    #[serde(default)]
    brief: bool,
}

/// `status`: the record of one query. The payload is its id, bare or as `{"id", "messages"}`.
pub(super) fn status(service: &Service, call: Call, caller: &Name) {
    let which = match which(call.payload()) {
        Ok(which) => which,
        Err(problem) => return reply::<()>(service, call, Err(problem)),
    };
    match service.desk.find(which.id, caller) {
        Some(fold) => record(service, call, &fold.key().clone(), which.messages, which.offset),
        // It may have been stored a moment ago, or long ago: ledger and archive know.
        None => record(service, call, &Key { id: which.id, requester: caller.clone() }, which.messages, which.offset),
    }
}

/// Reads a record and answers with it, or with what stands in it from an offset on.
pub(super) fn record(service: &Service, call: Call, key: &Key, messages: bool, offset: Option<usize>) {
    let fold = service.desk.book().get(key);
    let look = Look {
        key: key.clone(),
        from: fold.map_or(1, |fold| fold.posted().seq),
        ended: fold.is_some_and(|fold| fold.ended().is_some()),
        archived: fold.is_none_or(|fold| service.desk.may_be_archived(fold)),
    };
    let waiting_for = service.desk.waiting_for(key, service.now(), &service.agents);
    let connection = service.effects.connection.clone();
    service.effects.tasks.spawn(async move {
        let answer = look.look(&connection).await.map(|mut record| {
            record.waiting_for = waiting_for.filter(|_| !record.state.is_terminal());
            if !messages {
                record.messages.clear();
            }
            record
        });
        match offset {
            None => call.answer(answer.as_ref()).await,
            Some(offset) => {
                // In a JSON text, a character takes at most twice its room.
                let most = (call.limit() / 2).saturating_sub(512);
                call.answer(answer.map(|record| Excerpt::of(&record, offset, most)).as_ref()).await;
            }
        }
    });
}

/// What to read.
struct Look {
    key: Key,
    /// Where in the ledger the query stands, or some place before it.
    from: u64,
    /// Whether it is known to have ended.
    ended: bool,
    /// Whether the archive may have something of it while the ledger has it.
    archived: bool,
}

impl Look {
    async fn look(&self, connection: &Connection) -> Result<Record, Problem> {
        let Self { key: Key { id, requester }, .. } = self;
        if !self.archived {
            let entries = connection.entries(*id, self.from).await?;
            // It may be leaving the ledger at this moment.
            let whole = |record: &Record| record.state.is_terminal() || !self.ended;
            if let Some(record) = ledger::record(*id, requester, &entries).filter(whole) {
                return Ok(record);
            }
        }
        look_up(connection, *id, requester, self.from).await
    }
}

/// A record from ledger and archive themselves, which know of a query before this coordinator has read it and after
/// it has forgotten it. `from`: a place in the ledger at the query's or before it.
pub(super) async fn look_up(connection: &Connection, id: QueryId, asker: &Name, from: u64) -> Result<Record, Problem> {
    // In this order: what leaves the one meanwhile is in the other by then.
    let pages = connection.pages(id, from, u64::MAX).await?;
    let mut whole = Archive::of(connection.clone()).read(id).await?;
    if let Some(tombstone) = whole.erased() {
        return Err(erased(id, tombstone));
    }
    let hot = !pages.is_empty();
    pages.into_iter().for_each(|page| whole.add_page(page));
    let entries: Vec<_> = whole.pages().filter_map(|page| connection.entry(page)).collect();
    // Messages that came after a record may outlive it in the archive, and are none.
    let is_whole = |record: &Record| hot || record.state.is_terminal();
    ledger::record(id, asker, &entries).filter(is_whole).ok_or_else(|| not_found(id))
}

pub(super) fn erased(id: QueryId, tombstone: &Tombstone) -> Problem {
    let problem = Problem::new("erased", format!("the record of the query {id} was erased by {} at {}", tombstone.by, tombstone.at));
    problem.hint("Nothing of it is left; the id cannot be used again.")
}

pub(super) fn which(payload: &[u8]) -> Result<Which, Problem> {
    let bare = std::str::from_utf8(payload).ok().and_then(|text| text.trim().parse().ok());
    if let Some(id) = bare {
        return Ok(Which { id, messages: false, offset: None });
    }
    parse(payload, "send a query's id, or {\"id\": \"…\", \"messages\": true}")
}

/// `list`: the queries that this coordinator has read, newest first.
pub(super) fn list(service: &Service, payload: &[u8]) -> Result<Vec<Summary>, Problem> {
    let filter = if payload.is_empty() { Filter::default() } else { parse(payload, "send nothing, or {\"state\", \"agent\", \"limit\"}")? };
    let now = service.now();
    let mut folds: Vec<_> = service.desk.book().folds().filter(|fold| filter.state.is_none_or(|state| fold.state() == state)).collect();
    folds.sort_unstable_by_key(|fold| std::cmp::Reverse(fold.posted().seq));
    let lines = folds.into_iter().map(|fold| ledger::summary(fold, service.desk.waiting_for(fold.key(), now, &service.agents)));
    let limit = filter.limit.unwrap_or(LINES).min(MOST_LINES);
    // Who has or had it in hand, and whom it waits for.
    let waits = |line: &Summary, agent: &Name| service.desk.waits_for(&Key { id: line.id, requester: line.requester.clone() }, agent);
    let of = |line: &Summary| filter.agent.as_ref().is_none_or(|agent| line.agent.as_ref() == Some(agent) || waits(line, agent));
    Ok(lines.filter(of).take(limit).collect())
}

/// `agents`: every agent, or those that are named, with who of it is live.
pub(super) fn agents(service: &Service, payload: &[u8]) -> Result<Vec<Presence>, Problem> {
    let who = if payload.is_empty() { Who::default() } else { parse(payload, "send nothing, or {\"names\", \"brief\"}")? };
    let wanted = |name: &Name| who.names.as_ref().is_none_or(|names| names.contains(name));
    let mut present = service.agents.presence(&service.desk, wanted);
    if who.brief {
        present.iter_mut().for_each(|one| one.card.extra.clear());
    }
    Ok(present)
}

/// `route`: who would answer a query, and why.
pub(super) fn route(service: &Service, caller: &Name, payload: &[u8]) -> Result<Decision, Problem> {
    let Message::Query(query) = Message::parse(Kind::Query, caller, payload)? else {
        return Err(Problem::new("schema_violation", "send a query"));
    };
    Ok(service.agents.decide_for(&query, &service.desk))
}

pub(super) fn parse<T: for<'a> Deserialize<'a>>(payload: &[u8], hint: &str) -> Result<T, Problem> {
    let value = schema::json(payload)?;
    if !value.is_object() {
        return Err(Problem::new("schema_violation", "this is no JSON object").hint(hint));
    }
    serde_json::from_value(value).map_err(|error| Problem::new("schema_violation", error.to_string()).hint(hint))
}

pub(super) fn not_found(id: QueryId) -> Problem {
    Problem::new("not_found", format!("no query {id} is in ledger or archive")).hint("See what there is: agentbus list")
}
