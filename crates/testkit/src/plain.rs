//! The bus as any NATS client sees it: plain subjects and plain JSON, as the design documents them.
//!
//! It shares no code with the product, so that it cannot share its faults. What it says of a publish is
//! one of three things: acknowledged, refused, or unknown; it never guesses.

use std::time::Duration;

use async_nats::{
    Client, ConnectOptions, Event, HeaderMap,
    jetstream::{self, Context, context::PublishErrorKind},
};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

/// How long the server may take to acknowledge, or a coordinator to answer.
pub const ANSWER: Duration = Duration::from_secs(5);

/// Between two looks at a query that has not ended.
const LOOK: Duration = Duration::from_millis(100);

/// The server's words for "something else stands there": 10071 and 10164.
const LOST: [u64; 2] = [10071, 10164];

/// A client under one name.
#[derive(Clone, Debug)]
pub struct Plain {
    client: Client,
    js: Context,
    me: String,
    space: String,
    answer: Duration,
}

/// What became of a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The ledger holds it, at this sequence.
    Stored(u64),
    /// The compare-and-set refused it.
    Taken,
    /// The server refused it, with this code.
    Refused(u64, String),
    /// Nobody knows.
    Unknown(String),
}

/// A query as a client makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Its id.
    pub id: String,
    /// Whom it is for; `any` for whoever can, several with commas for one answer of all of them.
    pub to: String,
    /// Its text.
    pub text: String,
    /// Milliseconds after which it expires.
    pub timeout_ms: u64,
    /// How many attempts it has.
    pub attempts: u32,
    /// Whether it goes before all others.
    pub urgent: bool,
    /// How many bytes it carries beside its text.
    pub pad: usize,
}

impl Ask {
    /// A query to one agent under a new id, with two minutes and three attempts.
    #[must_use]
    pub fn new(to: &str, text: &str) -> Self {
        Self { id: mint(), to: to.to_owned(), text: text.to_owned(), timeout_ms: 120_000, attempts: 3, urgent: false, pad: 0 }
    }

    /// One that only finds out whether the bus works: it waits behind nobody.
    #[must_use]
    pub fn probe() -> Self {
        Self { urgent: true, ..Self::new("worker", "echo probe") }
    }

    /// Whom it asks, if several at once.
    #[must_use]
    pub fn several(&self) -> Option<Vec<&str>> {
        self.to.contains(',').then(|| self.to.split(',').collect())
    }

    /// Its body, as `from` sends it.
    #[must_use]
    pub fn body(&self, from: &str) -> Value {
        let mut body = json!({
            "id": self.id, "requesting_agent": from, "request_type": "request", "payload": { "query": self.text },
            "timeout_ms": self.timeout_ms, "attempts": self.attempts,
        });
        match self.several() {
            Some(names) => body["gather"] = json!({ "to": names }),
            None if self.to == "any" => {}
            None => body["target"] = json!(self.to),
        }
        if self.pad > 0 {
            body["pad"] = json!("x".repeat(self.pad));
        }
        if self.urgent {
            body["priority"] = json!("critical");
        }
        body
    }
}

/// A new id.
#[must_use]
pub fn mint() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// A name as a token of a subject.
#[must_use]
pub fn token(name: &str) -> String {
    name.replace('.', "=")
}

impl Plain {
    /// Connects under a name, to the default space.
    ///
    /// # Errors
    /// Why it could not.
    pub async fn connect(url: &str, me: &str) -> Result<Self, String> {
        let options = ConnectOptions::new()
            .name(format!("lab {me}"))
            .custom_inbox_prefix(format!("_INBOX.{}", token(me)))
            .request_timeout(Some(ANSWER))
            .connection_timeout(Duration::from_secs(3))
            .ping_interval(Duration::from_secs(2))
            .reconnect_delay_callback(|_| Duration::from_millis(100))
            .event_callback(|event| async move {
                if let Event::SlowConsumer(_) = event {
                    // Only end signals can be dropped, and those are asked for again.
                }
            });
        let servers: Vec<String> = url.split(',').map(|server| server.trim().to_owned()).collect();
        let client = options.connect(servers).await.map_err(|error| error.to_string())?;
        let js = jetstream::context::ContextBuilder::new().timeout(ANSWER).ack_timeout(ANSWER).build(client.clone());
        Ok(Self { client, js, me: me.to_owned(), space: "bus".to_owned(), answer: ANSWER })
    }

    /// Connects, however long that takes within 30 s: faults may be under way.
    ///
    /// # Panics
    /// When it cannot.
    pub async fn patiently(url: &str, me: &str) -> Self {
        crate::eventually_async(&format!("a connection of {me}"), || Self::connect(url, me)).await
    }

    /// The same, which waits no longer than this for an answer before it tries again.
    #[must_use]
    pub const fn impatient(mut self, answer: Duration) -> Self {
        self.answer = answer;
        self
    }

    /// As whom it speaks.
    #[must_use]
    pub fn me(&self) -> &str {
        &self.me
    }

    /// The client library's own handle.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The client library's handle on JetStream.
    #[must_use]
    pub const fn js(&self) -> &Context {
        &self.js
    }

    /// The space.
    #[must_use]
    pub fn space(&self) -> &str {
        &self.space
    }

    /// Spells a subject of the ledger.
    #[must_use]
    pub fn subject(&self, kind: &str, id: &str, from: &str, to: &str) -> String {
        format!("{}.{kind}.{id}.{}.{}", self.space, token(from), token(to))
    }

    /// Publishes bytes into the ledger; with `guard`, only if nothing stands under that filter yet.
    pub async fn publish(&self, subject: String, body: impl Into<Bytes>, guard: Option<&str>) -> Sent {
        let mut headers = HeaderMap::new();
        if let Some(filter) = guard {
            headers.insert("Nats-Expected-Last-Subject-Sequence", "0");
            headers.insert("Nats-Expected-Last-Subject-Sequence-Subject", filter);
        }
        let published = timeout(self.answer, self.js.publish_with_headers(subject, headers, body.into())).await;
        let acknowledged = match published {
            Ok(Ok(waiting)) => timeout(self.answer, waiting.into_future()).await,
            Ok(Err(error)) => Ok(Err(error)),
            Err(late) => return Sent::Unknown(late.to_string()),
        };
        match acknowledged {
            Ok(Ok(ack)) => Sent::Stored(ack.sequence),
            Ok(Err(error)) => refusal(&error),
            Err(late) => Sent::Unknown(late.to_string()),
        }
    }

    /// Posts a query once, under compare-and-set: one id is one query.
    pub async fn post(&self, ask: &Ask) -> Sent {
        let to = if ask.several().is_some() { "any" } else { &ask.to };
        let subject = self.subject("query", &ask.id, &self.me, to);
        let guard = format!("{}.query.{}.*.*", self.space, ask.id);
        self.publish(subject, ask.body(&self.me).to_string(), Some(&guard)).await
    }

    /// Cancels a query of its own, in the ledger.
    pub async fn cancel(&self, id: &str) -> Sent {
        let body = json!({ "requesting_agent": self.me, "reason": "the laboratory" });
        self.publish(self.subject("cancel", id, &self.me, "coordinator"), body.to_string(), None).await
    }

    /// Calls the coordinator's API.
    ///
    /// # Errors
    /// When nobody answers in time, or no JSON comes.
    pub async fn call(&self, endpoint: &str, body: Value) -> Result<Value, String> {
        let subject = format!("agentbus.{endpoint}.{}", token(&self.me));
        let request = self.client.request(subject, body.to_string().into());
        let answer = timeout(self.answer, request).await.map_err(|late| late.to_string())?.map_err(|error| error.to_string())?;
        serde_json::from_slice(&answer.payload).map_err(|error| error.to_string())
    }

    /// Where a query stands; an error of the API is an error here.
    ///
    /// # Errors
    /// As [`Plain::call`], and the code where the API refused.
    pub async fn status(&self, id: &str) -> Result<Value, String> {
        let record = self.call("status", json!({ "id": id })).await?;
        match record["error"]["code"].as_str() {
            Some(code) => Err(code.to_owned()),
            None => Ok(record),
        }
    }

    /// Its whole history.
    ///
    /// # Errors
    /// As [`Plain::status`].
    pub async fn history(&self, id: &str) -> Result<Value, String> {
        self.call("status", json!({ "id": id, "messages": true })).await
    }

    /// Waits until a query has ended, and gives its record.
    ///
    /// # Errors
    /// What the last look gave, where it has not ended within `within`.
    pub async fn ended(&self, id: &str, within: Duration) -> Result<Value, String> {
        let until = Instant::now() + within;
        loop {
            let looked = self.status(id).await;
            if let Ok(record) = &looked
                && is_terminal(record["state"].as_str().unwrap_or_default())
            {
                return looked;
            }
            if Instant::now() > until {
                return Err(format!("{id} has not ended within {within:?}: {looked:?}"));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Posts a query until the ledger has it, and waits for its end.
    ///
    /// # Errors
    /// Where either does not come about within `within`.
    pub async fn ask(&self, ask: &Ask, within: Duration) -> Result<Value, String> {
        let until = Instant::now() + within;
        loop {
            match self.post(ask).await {
                Sent::Stored(_) | Sent::Taken => break,
                sent if Instant::now() > until => return Err(format!("{} was not stored within {within:?}: {sent:?}", ask.id)),
                _ => tokio::time::sleep(LOOK).await,
            }
        }
        self.ended(&ask.id, until.saturating_duration_since(Instant::now())).await
    }

    /// Waits until a query is in this state, or has ended.
    ///
    /// # Errors
    /// When neither comes about within `within`.
    pub async fn until(&self, id: &str, state: &str, within: Duration) -> Result<Value, String> {
        let until = Instant::now() + within;
        loop {
            let looked = self.status(id).await;
            if let Ok(record) = &looked
                && (record["state"] == state || is_terminal(record["state"].as_str().unwrap_or_default()))
            {
                return looked;
            }
            if Instant::now() > until {
                return Err(format!("{id} is not {state} within {within:?}: {looked:?}"));
            }
            tokio::time::sleep(LOOK / 4).await;
        }
    }

    /// Everything that is heard on a subject from now on.
    ///
    /// # Panics
    /// When the connection is closed.
    pub async fn hear(&self, subject: String) -> impl futures::Stream<Item = async_nats::Message> + Unpin + use<> {
        let heard = self.client.subscribe(subject).await.expect("an open connection");
        // A subscription stands for certain only when something sent after it has come back.
        let _ = self.client.flush().await;
        heard.boxed()
    }
}

/// Whether a state is an ending.
#[must_use]
pub fn is_terminal(state: &str) -> bool {
    ["completed", "failed", "rejected", "unroutable", "expired", "cancelled", "dead"].contains(&state)
}

fn refusal(error: &jetstream::context::PublishError) -> Sent {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<jetstream::Error>());
    let code = source.map(|source| source.error_code().0);
    match code {
        _ if error.kind() == PublishErrorKind::WrongLastSequence => Sent::Taken,
        Some(code) if LOST.contains(&code) => Sent::Taken,
        // 10008 and 503: no leader, or no stream at this moment; it may pass.
        Some(code) if code != 0 && code != 10_008 => Sent::Refused(code, error.to_string()),
        _ if error.kind() == PublishErrorKind::MaxPayloadExceeded => Sent::Refused(0, error.to_string()),
        _ => Sent::Unknown(error.to_string()),
    }
}
