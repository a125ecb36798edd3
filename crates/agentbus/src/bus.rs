//! The handle: a connection to one bus under one name, and the calls that need nothing more.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use nats::{Connection, Facts, Options};
use protocol::{
    Card, Decision, Extra, Kind, Message, Name, Presence, Problem, QueryId, Record, Space, State, Subject, Summary, To, Tree,
    message::{Notice, Progress, Query},
    schema,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{sync::OnceCell, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Error,
    mailroom::{Letters, Mailroom},
    post::stored,
};

/// How long a coordinator may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// How long one coordinator may be silent before the next one is asked, too.
const PATIENCE: Duration = Duration::from_millis(750);

/// How long it may take to erase a record: of one with some thousand messages.
const ERASING: Duration = Duration::from_secs(60);

/// A handle on a bus. Cloning is cheap; all clones share one connection.
#[derive(Clone, Debug)]
pub struct Bus {
    pub(crate) inner: Arc<Inner>,
    /// As whom it speaks, where that is not whom the connection is for.
    voice: Option<Name>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) connection: Connection,
    /// One for each name in which something is asked, opened then: who only serves has no use for what arrives there.
    pub(crate) mailrooms: Mutex<HashMap<Name, Arc<OnceCell<Mailroom>>>>,
    pub(crate) tasks: TaskTracker,
    pub(crate) closing: CancellationToken,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

impl Bus {
    /// Connects.
    ///
    /// # Errors
    /// `unavailable`, `forbidden`, `server_unfit`, `usage`.
    pub async fn connect(options: Options) -> Result<Self, Error> {
        let connection = Connection::open(options).await?;
        let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
        Ok(Self { inner: Arc::new(Inner { connection, mailrooms: Mutex::default(), tasks, closing }), voice: None })
    }

    /// A handle on the same connection that speaks as one of the agents that are served over it. The server must permit
    /// the connection to ask in that name.
    pub(crate) fn speaking_as(&self, name: &Name) -> Self {
        let voice = (name != self.connection().name()).then(|| name.clone());
        Self { inner: self.inner.clone(), voice }
    }

    /// A box for what arrives for a query of this name. When this returns, answers will be received.
    pub(crate) async fn open_box(&self, id: QueryId) -> Result<Letters, Error> {
        let Inner { connection, mailrooms, tasks, closing } = &*self.inner;
        let mailroom = mailrooms.lock().unwrap_or_else(PoisonError::into_inner).entry(self.name().clone()).or_default().clone();
        let mailroom = mailroom.get_or_try_init(|| Mailroom::open(connection, self.name(), tasks, closing.clone())).await?;
        Ok(mailroom.open_box(id))
    }

    /// Ends every task of this handle and closes the connection. Waits 5 s at most for each.
    pub async fn close(&self) {
        self.inner.closing.cancel();
        self.inner.tasks.close();
        let _ = tokio::time::timeout(std::time::Duration::from_secs(5), self.inner.tasks.wait()).await;
        self.inner.connection.close().await;
    }

    /// The connection beneath.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    /// As whom this handle speaks.
    #[must_use]
    pub fn name(&self) -> &Name {
        self.voice.as_ref().unwrap_or_else(|| self.connection().name())
    }

    /// The bus.
    #[must_use]
    pub fn space(&self) -> &Space {
        self.connection().space()
    }

    /// The fact store.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn facts(&self) -> Result<Facts, Error> {
        Ok(Facts::open(self.connection()).await?)
    }

    /// Where a query stands, without its messages.
    ///
    /// # Errors
    /// `not_found`, `no_coordinator`, `unavailable`.
    pub async fn status(&self, id: QueryId) -> Result<Record, Error> {
        self.record(id, false).await
    }

    /// The complete record of a query: every message and what became of it.
    ///
    /// # Errors
    /// As [`Bus::status`].
    pub async fn history(&self, id: QueryId) -> Result<Record, Error> {
        self.record(id, true).await
    }

    /// A query with all that was asked on its behalf, as far as the coordinator remembers it.
    ///
    /// # Errors
    /// As [`Bus::status`].
    pub async fn tree(&self, id: QueryId) -> Result<Tree, Error> {
        self.call("tree", &json!({ "id": id })).await
    }

    /// The queries of the bus, newest first.
    ///
    /// # Errors
    /// `no_coordinator`, `unavailable`.
    pub async fn list(&self, state: Option<State>, agent: Option<&Name>, limit: usize) -> Result<Vec<Summary>, Error> {
        self.call("list", &json!({ "state": state, "agent": agent, "limit": limit })).await
    }

    /// The agents of the bus, and which of them are live.
    ///
    /// # Errors
    /// As [`Bus::list`].
    pub async fn agents(&self) -> Result<Vec<Presence>, Error> {
        self.call("agents", &json!({})).await
    }

    /// Those of these agents that there are, and which of them are live. Their cards are brief: they lack what only
    /// routing reads (`extra`), so that the answer stays small however many are asked about.
    ///
    /// # Errors
    /// As [`Bus::list`].
    pub async fn present(&self, names: &[Name]) -> Result<Vec<Presence>, Error> {
        self.call("agents", &json!({ "names": names, "brief": true })).await
    }

    /// The whole card of an agent, if there is one of that name.
    pub(crate) async fn card(&self, name: &Name) -> Result<Option<Card>, Error> {
        let present: Vec<Presence> = self.call("agents", &json!({ "names": [name] })).await?;
        Ok(present.into_iter().next().map(|presence| presence.card))
    }

    /// Who would answer this query, and why. Sends nothing.
    ///
    /// # Errors
    /// As [`Bus::list`], and what is wrong with the query.
    pub async fn route(&self, query: &Query) -> Result<Decision, Error> {
        self.call("route", &Message::Query(query.clone()).to_value()).await
    }

    /// Cancels a query of this name. Returns when the ledger has the wish; the query has ended
    /// only when its record says so.
    ///
    /// # Errors
    /// `not_found`, `not_yours`, `ended`, `storage_full`, `no_coordinator`, `unavailable`.
    pub async fn cancel(&self, id: QueryId, reason: Option<&str>) -> Result<(), Error> {
        self.call::<Value>("cancel", &json!({ "id": id, "reason": reason })).await.map(drop)
    }

    /// Removes the record of an ended query of this name for good, from ledger and archive; returns what was
    /// removed. A tombstone stays, and the id cannot be used again. Takes some milliseconds for each message.
    ///
    /// # Errors
    /// `not_found`, `not_yours`, `open`, `erased` where somebody else did it, `no_coordinator`, `unavailable`: then
    /// part of it may be left, and asking again removes that too.
    pub async fn erase(&self, id: QueryId) -> Result<Value, Error> {
        self.call_within("erase", &json!({ "id": id }), ERASING).await
    }

    /// Reports progress outside a query: a record of its own, for everybody who listens.
    ///
    /// # Errors
    /// What is wrong with the report, `payload_too_large`, `storage_full`, `unavailable`.
    pub async fn report(&self, status: impl Into<String>, progress: Extra) -> Result<QueryId, Error> {
        let (id, agent) = (QueryId::mint(), self.name().clone());
        let subject = Subject::new(Kind::Progress, id, agent.clone(), To::All)?;
        let progress = Progress {
            agent,
            status: status.into(),
            progress: Some(progress),
            attempt: None,
            instance: None,
            defaulted: None,
            extra: Extra::new(),
        };
        self.publish(&subject, Message::Progress(progress)).await?;
        Ok(id)
    }

    /// Sends a delivery notification for work outside a query.
    ///
    /// # Errors
    /// As [`Bus::report`].
    pub async fn notify(&self, delivery: impl Into<String>) -> Result<QueryId, Error> {
        let (id, agent) = (QueryId::mint(), self.name().clone());
        let subject = Subject::new(Kind::Notice, id, agent.clone(), To::All)?;
        self.publish(&subject, Message::Notice(Notice { agent, delivery: delivery.into(), extra: Extra::new() })).await?;
        Ok(id)
    }

    /// Checks a message of ours as every reader will, and appends it.
    pub(crate) async fn publish(&self, subject: &Subject, message: Message) -> Result<u64, Error> {
        schema::check_body(message.kind().as_str(), &message.to_value())?;
        stored(self.connection().append(subject, &message, None).await?)
    }

    /// The same without waiting until the ledger has it: nobody knows whether it is stored.
    pub(crate) async fn publish_unconfirmed(&self, subject: &Subject, message: Message) -> Result<(), Error> {
        schema::check_body(message.kind().as_str(), &message.to_value())?;
        Ok(self.connection().append_unconfirmed(subject, &message).await?)
    }

    /// Calls an endpoint of the coordinator's API that changes nothing. One of several coordinators may stand still, and is
    /// given calls all the same: another one is asked again and again meanwhile, and the first answer counts.
    pub(crate) async fn call<T: DeserializeOwned>(&self, endpoint: &str, body: &Value) -> Result<T, Error> {
        let give_up = Instant::now() + ANSWER;
        let mut asked = FuturesUnordered::from_iter([self.call_within(endpoint, body, ANSWER)]);
        loop {
            let left = give_up.saturating_duration_since(Instant::now());
            tokio::select! {
                Some(answer) = asked.next() => return answer,
                () = tokio::time::sleep(PATIENCE), if left > PATIENCE => asked.push(self.call_within(endpoint, body, left)),
            }
        }
    }

    async fn call_within<T: DeserializeOwned>(&self, endpoint: &str, body: &Value, limit: Duration) -> Result<T, Error> {
        let subject = self.space().api(endpoint, &self.name().token());
        answered(&self.connection().request_within(subject, body.to_string().into_bytes(), limit).await?.payload)
    }
}

/// What an answer of the coordinator's API says.
pub(crate) fn answered<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Error> {
    let mut value = schema::json(payload)?;
    if let Some(problem) = value.get_mut("error").map(Value::take) {
        let unreadable = |error| Problem::new("garbled", format!("the coordinator refused, and its reason cannot be read: {error}"));
        return Err(serde_json::from_value(problem).unwrap_or_else(unreadable).into());
    }
    let unreadable = |error| Problem::new("garbled", format!("the coordinator's answer cannot be read: {error}"));
    serde_json::from_value(value).map_err(|error| unreadable(error).into())
}
