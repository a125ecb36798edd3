//! `erase`: removes a record for good, and leaves a tombstone.
//!
//! Owns who may: only its requester, and only when it has ended. The parts of a query that was asked of several agents
//! are its requester's, too, and go with it: before it, as only it knows of them. The tombstone is set before anything is removed, so
//! that a crash leaves the record, or the tombstone, or both; never neither. Asked again, it removes what a
//! crash has left. The pieces of its attachments go with it. Must never remove a message that it has not judged.

use jiff::Timestamp;
use ledger::{Archived, Book, Tombstone, ranges};
use nats::{Archive, Blobs, Call, Connection};
use protocol::{Message, Name, Problem, QueryId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{read, reply};
use crate::{crash, effects::Effects, event::Event, service::Service};

#[derive(Deserialize)]
struct Which {
    id: QueryId,
}

/// Erases it, if the record is the caller's and nothing under its id is open.
pub(super) fn erase(service: &Service, call: Call, caller: Name) {
    let Which { id } = match read::parse(call.payload(), "send {\"id\": \"…\"}") {
        Ok(which) => which,
        Err(problem) => return reply::<()>(service, call, Err(problem)),
    };
    let effects = service.effects.clone();
    service.effects.tasks.spawn(async move {
        let answer = erase_record(&effects, id, &caller).await;
        call.answer(answer.as_ref()).await;
    });
}

/// Erases a record of the caller, with its parts.
async fn erase_record(effects: &Effects, id: QueryId, caller: &Name) -> Result<Value, Problem> {
    let whole = Archive::of(effects.connection.clone()).whole(id, 1).await?;
    let mut parts = Vec::new();
    if whole.erased().is_none() {
        for part in may_erase(&effects.connection, id, caller, &whole)? {
            match erase_one(effects, part, caller, &Name::coordinator()).await {
                Ok(_) => parts.push(part),
                // It was never asked, or was erased before.
                Err(problem) if ["not_found", "erased"].contains(&problem.code.as_str()) => {}
                Err(problem) => return Err(problem),
            }
        }
    }
    let mut erased = erase_one(effects, id, caller, caller).await?;
    if let Some(erased) = erased.as_object_mut().filter(|_| !parts.is_empty()) {
        erased.insert("parts".to_owned(), json!(parts));
    }
    Ok(erased)
}

/// Erases one record, which is to be this owner's.
async fn erase_one(effects: &Effects, id: QueryId, caller: &Name, owner: &Name) -> Result<Value, Problem> {
    let archive = Archive::of(effects.connection.clone());
    let whole = archive.whole(id, 1).await?;
    let tombstone = match whole.erased() {
        Some(tombstone) if tombstone.by == *caller => tombstone.clone(),
        Some(tombstone) => return Err(read::erased(id, tombstone)),
        None => {
            may_erase(&effects.connection, id, owner, &whole)?;
            let sequences = ranges(whole.pages().map(|page| page.seq));
            let tombstone = Tombstone { at: Timestamp::now(), by: caller.clone(), sequences };
            crash::point("erase.decided");
            archive.bury(id, tombstone.clone()).await?;
            tombstone
        }
    };
    let judged = |seq: &u64| tombstone.sequences.iter().any(|(from, to)| (*from..=*to).contains(seq));
    let seqs: Vec<u64> = whole.pages().map(|page| page.seq).filter(judged).collect();
    crash::point("erase.buried");
    // Before the ledger is free of the id: whatever is stored under it from now on is looked up first.
    let _ = effects.events.send(Event::Erased(id)).await;
    archive.erase(id, &seqs).await?;
    let pieces = Blobs::of(effects.connection.clone()).erase(id).await?;
    crash::point("erase.done");
    let Tombstone { at, by, sequences } = tombstone;
    Ok(json!({ "id": id, "erased_at": at, "by": by, "messages": seqs.len(), "sequences": sequences, "pieces": pieces }))
}

/// Whether a record may be erased for this owner; returns the parts that go with it.
fn may_erase(connection: &Connection, id: QueryId, caller: &Name, whole: &Archived) -> Result<Vec<QueryId>, Problem> {
    let mut book = Book::default();
    let entries: Vec<_> = whole.pages().filter_map(|page| connection.entry(page)).collect();
    for entry in &entries {
        book.apply(entry);
    }
    // A message outside a query is a record of its own, and its writer's.
    let owner = book.owner(id).map(|fold| fold.key().requester.clone()).or(entries.first().map(|entry| entry.subject.from().clone()));
    let Some(owner) = owner else {
        return Err(read::not_found(id));
    };
    if owner != *caller {
        let problem = Problem::new("not_yours", format!("the record {id} belongs to {owner}"));
        return Err(problem.hint("Only its requester can erase it: --from NAME"));
    }
    if !book.is_finished(id) {
        let problem = Problem::new("open", format!("the query {id} has not ended"));
        return Err(problem.hint("Cancel it first: agentbus cancel ID"));
    }
    let parts = entries.iter().filter(|entry| entry.subject.from() == caller).flat_map(|entry| match &entry.body {
        Ok(Message::Assign(assign)) => assign.parts.iter().map(|part| part.id).collect(),
        _ => Vec::new(),
    });
    Ok(parts.collect())
}
