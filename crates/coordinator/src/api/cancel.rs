//! `cancel`: the wish that a query stop, appended in the caller's name.
//!
//! It must never refuse what the ledger holds because this coordinator has not read it yet.

use nats::{Call, Connection, Stored};
use protocol::{Kind, Message, Name, Problem, QueryId, State, Subject, To, message::Cancel};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{read, reply};
use crate::service::Service;

#[derive(Deserialize)]
struct Which {
    id: QueryId,
    reason: Option<String>,
}

/// Appends it, if the query is the caller's and has not ended.
pub(super) fn cancel(service: &Service, call: Call, caller: Name) {
    let which: Which = match read::parse(call.payload(), "send {\"id\": \"…\", \"reason\": \"…\"}") {
        Ok(which) => which,
        Err(problem) => return reply::<()>(service, call, Err(problem)),
    };
    let standing = service.desk.find(which.id, &caller).map(|fold| (fold.key().requester.clone(), fold.state()));
    let connection = service.effects.connection.clone();
    service.effects.tasks.spawn(async move {
        let answer = append_cancel(&connection, which, caller, standing).await;
        call.answer(answer.as_ref()).await;
    });
}

/// `standing`: whose the query is, and where it stands, if it has been read.
async fn append_cancel(connection: &Connection, which: Which, caller: Name, standing: Option<(Name, State)>) -> Result<Value, Problem> {
    let (owner, state) = match standing {
        Some(standing) => standing,
        // It may have been stored a moment ago: the ledger itself knows.
        None => read::look_up(connection, which.id, &caller, 1).await.map(|record| (record.requester, record.state))?,
    };
    may_cancel(which.id, &caller, &owner, state)?;
    let subject = Subject::new(Kind::Cancel, which.id, caller.clone(), To::One(Name::coordinator()))
        .map_err(|error| Problem::new(error.code(), error.to_string()))?;
    let cancel = Cancel { requesting_agent: caller, reason: which.reason, extra: protocol::Extra::new() };
    Ok(match connection.append(&subject, &Message::Cancel(cancel), None).await? {
        Stored::At(seq) => json!({ "id": which.id, "seq": seq }),
        Stored::Refused => json!({ "id": which.id }),
    })
}

fn may_cancel(id: QueryId, caller: &Name, owner: &Name, state: State) -> Result<(), Problem> {
    if caller != owner {
        let problem = Problem::new("not_yours", format!("the query {id} belongs to {owner}"));
        return Err(problem.hint("Only its requester can cancel it: --from NAME"));
    }
    if state.is_terminal() {
        return Err(Problem::new("ended", format!("the query {id} has ended: {state}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use nats::{Ledger, Limits, Options};
    use protocol::message::Query;
    use testkit::NatsServer;

    async fn cancel(connection: &Connection, id: QueryId, caller: &str) -> Result<Value, Problem> {
        append_cancel(connection, Which { id, reason: None }, caller.parse().unwrap(), None).await
    }

    #[tokio::test]
    async fn what_no_coordinator_has_read_is_looked_up_in_the_ledger() {
        let server = NatsServer::start().await;
        let connection = Connection::open(Options::new(server.url(), Name::coordinator())).await.unwrap();
        Ledger::open(connection.clone(), Limits { max_bytes: 64 << 20, replicas: 1 }).await.unwrap();
        let (alice, id): (Name, _) = ("alice".parse().unwrap(), QueryId::mint());
        assert_eq!(cancel(&connection, id, "alice").await.unwrap_err().code, "not_found");

        let subject = Subject::new(Kind::Query, id, alice.clone(), To::Any).unwrap();
        connection.append(&subject, &Message::Query(Query::new(alice, "wait", "hello")), None).await.unwrap();
        assert_eq!(cancel(&connection, id, "bob").await.unwrap_err().code, "not_yours");
        assert!(cancel(&connection, id, "alice").await.unwrap()["seq"].is_u64());
        let kinds: Vec<_> = connection.entries(id, 1).await.unwrap().iter().map(|entry| entry.subject.kind()).collect();
        assert_eq!(kinds, [Kind::Query, Kind::Cancel]);
    }

    #[test]
    fn what_has_ended_is_not_cancelled() {
        let alice = "alice".parse().unwrap();
        assert_eq!(may_cancel(QueryId::mint(), &alice, &alice, State::Dead).unwrap_err().code, "ended");
        assert_eq!(may_cancel(QueryId::mint(), &alice, &alice, State::Working), Ok(()));
    }
}
