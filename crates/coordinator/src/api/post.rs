//! Calls that append a query in the caller's name: ask, post.

use ledger::{Content, Key};
use nats::{Call, Connection, Error, Expect, Stored};
use protocol::{Kind, Message, Name, Problem, QueryId, Subject, To};
use serde_json::{Value, json};

use super::{read, reply};
use crate::{event::Event, service::Service};

/// What the caller of a post wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// To know that the ledger has it.
    Return,
    /// To wait until it has ended, and have its record.
    AwaitEnd,
}

/// `ask` and `post`: appends the query as it came. One that is no valid query gets its record and
/// its ending too: rejected, with the reason.
pub(super) fn post(service: &Service, call: Call, caller: Name, then: Then) {
    let (effects, payload) = (service.effects.clone(), call.payload().clone());
    service.effects.tasks.spawn(async move {
        let (id, to) = address(&payload);
        let key = Key { id, requester: caller.clone() };
        let verdict = Message::parse(Kind::Query, &caller, &payload);
        let expect = Expect { filter: effects.connection.space().queries(id), last: 0 };
        let appended = match Subject::new(Kind::Query, id, caller, to.clone()) {
            Ok(subject) => append(&effects.connection, &subject, &payload, &expect).await.map_err(Problem::from),
            Err(error) => Err(Problem::new(error.code(), error.to_string())),
        };
        match (appended, then) {
            (Err(problem), _) => call.answer::<()>(Err(&problem)).await,
            (Ok(Stored::Refused), then) => {
                let repeat = Repeat { key, to, query: verdict.ok(), then, call };
                let _ = effects.events.send(Event::Repeats(Box::new(repeat))).await;
            }
            (Ok(Stored::At(seq)), Then::AwaitEnd) => {
                let _ = effects.events.send(Event::Waits(key, seq, Box::new(call))).await;
            }
            (Ok(Stored::At(seq)), Then::Return) => match verdict {
                Ok(_) => call.answer(Ok(&json!({ "id": id, "seq": seq }))).await,
                Err(invalid) => {
                    let mut problem = Problem::from(invalid);
                    problem.message = format!("{}; it is recorded as {id}", problem.message);
                    call.answer::<()>(Err(&problem)).await;
                }
            },
        }
    });
}

/// Appends under compare-and-set. A cluster now and then refuses what is right, so a first refusal says nothing.
async fn append(connection: &Connection, subject: &Subject, payload: &[u8], expect: &Expect) -> Result<Stored, Error> {
    match connection.append_bytes(subject, payload.to_vec(), Some(expect)).await? {
        Stored::Refused => connection.append_bytes(subject, payload.to_vec(), Some(expect)).await,
        stored => Ok(stored),
    }
}

/// A post under an id that is taken.
#[derive(Debug)]
pub(crate) struct Repeat {
    key: Key,
    to: To,
    query: Option<Message>,
    then: Then,
    call: Call,
}

/// The same id with the same content is the same query; with other content it is a conflict.
pub(crate) fn repeated(service: &mut Service, Repeat { key, to, query, then, call }: Repeat) {
    let Some(fold) = service.desk.find(key.id, &key.requester) else {
        return repeated_of_old(service, Repeat { key, to, query, then, call });
    };
    let posted = fold.posted();
    let same = query.is_some_and(|query| Content::of(key.id, &to, &Ok(query)) == posted.content) && *fold.key() == key;
    let (seq, owner) = (posted.seq, fold.key().requester.clone());
    match then {
        _ if !same => reply::<()>(service, call, Err(conflict(key.id, &owner))),
        Then::AwaitEnd => super::waits(service, key, seq, call),
        Then::Return => reply(service, call, Ok(json!({ "id": key.id, "seq": seq, "repeated": true }))),
    }
}

/// The id is taken by a query that has not been read yet, or that ended so long ago that the desk has forgotten it.
fn repeated_of_old(service: &Service, Repeat { key, query, then, call, .. }: Repeat) {
    let connection = service.effects.connection.clone();
    service.effects.tasks.spawn(async move {
        let found = read::look_up(&connection, key.id, &key.requester, 1).await.and_then(|mut record| {
            record.messages.clear();
            let same = query.is_some_and(|query| record.is_of(&key.requester, &query.to_value()));
            if same { Ok(record) } else { Err(conflict(key.id, &record.requester)) }
        });
        match (found, then) {
            (Err(problem), _) => call.answer::<()>(Err(&problem)).await,
            (Ok(record), Then::Return) => call.answer(Ok(&json!({ "id": key.id, "seq": record.seq, "repeated": true }))).await,
            (Ok(record), Then::AwaitEnd) if record.state.is_terminal() => call.answer(Ok(&record)).await,
            (Ok(_), Then::AwaitEnd) => {
                let problem = Problem::new("unavailable", format!("the id {} is taken by a query that is not read yet", key.id));
                call.answer::<()>(Err(&problem.hint("Try again."))).await;
            }
        }
    });
}

fn conflict(id: QueryId, owner: &Name) -> Problem {
    let problem = Problem::new("conflict", format!("the id {id} belongs to another query of {owner}"));
    problem.hint("Post it under an id of its own, or under none.")
}

/// Where a query goes: its id and target, where it has usable ones.
fn address(payload: &[u8]) -> (QueryId, To) {
    let body: Value = serde_json::from_slice(payload).unwrap_or_default();
    let text = |field: &str| body.get(field).and_then(Value::as_str);
    let id = text("id").and_then(|id| id.parse().ok()).unwrap_or_else(QueryId::mint);
    let to = text("target").and_then(|name| name.parse().ok()).map_or(To::Any, To::One);
    (id, to)
}
