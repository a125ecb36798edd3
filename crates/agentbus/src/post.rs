//! Posting a query: it is accepted for delivery when the ledger has it, and not before.

use std::time::{Duration, Instant};

use nats::{Expect, Kind as NatsKind, Stored};
use protocol::{Kind, Message, Problem, QueryId, Record, Subject, To, message::Query, schema};

use crate::{Bus, Error};

/// For how long a query is sent again whose fate is unknown, or that was refused though nothing stands under
/// its id. The last try takes 5 s at most.
const PATIENCE: Duration = Duration::from_secs(8);

/// The pause between two tries.
const AGAIN: Duration = Duration::from_millis(50);

/// The ledger has the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The query's id.
    pub id: QueryId,
    /// Its sequence in the ledger.
    pub seq: u64,
    /// Whether it was there before: the same id with the same content is the same query.
    pub repeated: bool,
}

impl Bus {
    /// Posts a query and returns when the ledger has it. The query's own `id` is used if it has
    /// one; posting the same content under the same id again changes nothing.
    ///
    /// # Errors
    /// What is wrong with the query (`schema_violation`), `conflict` where the id belongs to
    /// another query, `erased` where it belonged to one whose record was erased, `payload_too_large`,
    /// `storage_full`; `unavailable`: nobody knows, and the same id may be posted again.
    pub async fn post(&self, query: Query) -> Result<Receipt, Error> {
        let id = query.id.unwrap_or_else(QueryId::mint);
        self.post_as(id, query).await
    }

    pub(crate) async fn post_as(&self, id: QueryId, query: Query) -> Result<Receipt, Error> {
        let message = Message::Query(self.fit_query(id, query).await?);
        let body = message.to_value();
        schema::check_body("query", &body)?;
        let Message::Query(query) = &message else { return Err(Error::not_found("the query")) };
        if query.requesting_agent != *self.name() {
            let problem = format!("the query says that {} asks, but this handle speaks for {}", query.requesting_agent, self.name());
            return Err(Problem::new("writer", problem).into());
        }
        let to = query.target.clone().map_or(To::Any, To::One);
        let subject = Subject::new(Kind::Query, id, self.name().clone(), to)?;
        if query.id.is_some()
            && let Some(receipt) = self.known(id, &body).await?
        {
            return Ok(receipt);
        }
        let expect = Expect { filter: self.space().queries(id), last: 0 };
        let (begun, mut tries, mut refused) = (Instant::now(), 0_u32, false);
        loop {
            if tries > 0 {
                tokio::time::sleep(AGAIN).await;
            }
            tries += 1;
            let appended = self.connection().append(&subject, &message, Some(&expect)).await;
            let patient = begun.elapsed() < PATIENCE;
            match appended {
                Ok(Stored::At(seq)) => return Ok(Receipt { id, seq, repeated: false }),
                // A cluster now and then refuses what is right, so a first refusal says nothing.
                Ok(Stored::Refused) if !refused => refused = true,
                Ok(Stored::Refused) => match self.repeated(id, &body).await {
                    Err(error) if error.code() == "not_found" && patient => tracing::debug!(%id, "refused without a reason"),
                    Err(error) if error.code() == "not_found" => return Err(unread(id)),
                    outcome => return outcome,
                },
                // It may or may not be stored; under the same id it is one query in any case.
                Err(error) if error.kind() == NatsKind::Unavailable && patient => tracing::debug!(%id, %error, "posting it again"),
                Err(source) if source.kind() == NatsKind::Unavailable => return Err(Error::Undecided { id, source }),
                Err(error) if error.kind() == NatsKind::NoLedger && self.has_coordinator().await => {
                    if !patient {
                        return Err(leaderless());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether a coordinator runs: then there is a ledger, too, and where nobody takes a message for it, its cluster
    /// is about to elect who leads it.
    async fn has_coordinator(&self) -> bool {
        self.agents().await.is_ok()
    }

    /// An id that was brought along may have been used long ago: the ledger has forgotten it then, and only a
    /// coordinator knows. Where none answers, it looks before it gives the query to anybody.
    async fn known(&self, id: QueryId, body: &serde_json::Value) -> Result<Option<Receipt>, Error> {
        match self.status(id).await {
            Ok(record) => self.same(&record, body).map(Some),
            Err(Error::Refused(problem)) if problem.code == "erased" => Err(problem.into()),
            Err(error) => {
                tracing::debug!(%id, %error, "the id is not known to have been used");
                Ok(None)
            }
        }
    }

    /// The id is taken: by the same query, or by another one.
    async fn repeated(&self, id: QueryId, body: &serde_json::Value) -> Result<Receipt, Error> {
        self.same(&self.record_of(id).await?, body)
    }

    fn same(&self, record: &Record, body: &serde_json::Value) -> Result<Receipt, Error> {
        let id = record.id;
        if record.is_of(self.name(), body) {
            return Ok(Receipt { id, seq: record.seq, repeated: true });
        }
        let problem = Problem::new("conflict", format!("the id {id} belongs to another query of {}", record.requester));
        Err(problem.hint("Post it under an id of its own, or under none.").into())
    }

    /// The record of a query that the ledger has, though the coordinator may not have read it yet.
    async fn record_of(&self, id: QueryId) -> Result<Record, Error> {
        const LOOKS: u32 = 20;
        for _ in 1..LOOKS {
            match self.status(id).await {
                Err(Error::Refused(problem)) if problem.code == "not_found" => tokio::time::sleep(Duration::from_millis(100)).await,
                other => return other,
            }
        }
        self.status(id).await
    }
}

/// The ledger is there, and nobody leads it.
fn leaderless() -> Error {
    let problem = Problem::new(NatsKind::Unavailable.code(), "the ledger has no leader at the moment: the query is not stored");
    problem.hint("Post it again; if this lasts, see which servers of the cluster are there.").into()
}

/// The ledger has something under the id, and no coordinator has read it yet.
fn unread(id: QueryId) -> Error {
    let problem = Problem::new(NatsKind::Unavailable.code(), format!("the id {id} is taken by a query that is not read yet"));
    problem.hint("Post it again under the same id.").into()
}

/// The sequence of an append that nothing can refuse.
pub(crate) fn stored(stored: Stored) -> Result<u64, Error> {
    match stored {
        Stored::At(seq) => Ok(seq),
        Stored::Refused => Err(Problem::new(NatsKind::Garbled.code(), "an append without a condition was refused").into()),
    }
}
