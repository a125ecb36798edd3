//! Core NATS: what has no memory. A subscription here is ready only after its sentinel has come
//! back, because the server answers requests before it knows of a subscription just sent.

use bytes::Bytes;
use futures::StreamExt;
use protocol::{End, Heartbeat, InstanceId, Message, Name, Order, Subject};
use serde::Serialize;

use crate::{Connection, Error, Kind, connect::ANSWER, convert};

/// A message as core NATS delivered it. It may not be in the ledger.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its subject.
    pub subject: String,
    /// Where an answer goes, if one is wanted.
    pub reply: Option<String>,
    /// Its body.
    pub payload: Bytes,
}

impl Delivery {
    /// The message, if it is a valid one of this bus.
    #[must_use]
    pub fn message(&self, connection: &Connection) -> Option<(Subject, Message)> {
        let subject = Subject::parse(connection.space(), &self.subject).ok()?;
        let message = Message::parse(subject.kind(), subject.from(), &self.payload).ok()?;
        Some((subject, message))
    }

    /// The body as a value, if it meets the schema of this name.
    #[must_use]
    pub fn body<T: serde::de::DeserializeOwned>(&self, schema: &str) -> Option<T> {
        protocol::schema::read(schema, &self.payload).ok()
    }
}

/// A core subscription. Dropping it ends it.
pub struct Subscription(async_nats::Subscriber);

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subscription")
    }
}

impl Subscription {
    /// The next message; `None` when the connection is closed for good.
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            let message = self.0.next().await?;
            if convert::is_replayed(message.headers.as_ref()) {
                continue;
            }
            let reply = message.reply.map(|reply| reply.to_string());
            return Some(Delivery { subject: message.subject.to_string(), reply, payload: message.payload });
        }
    }
}

impl Connection {
    /// Subscribes, and returns when the server has the subscription.
    ///
    /// # Errors
    /// `unavailable` when the sentinel does not come back within 5 s; `forbidden`.
    pub async fn subscribe(&self, subject: String) -> Result<Subscription, Error> {
        let subscriber = self.client.subscribe(subject.clone()).await.map_err(|error| Error::new(Kind::Usage, error))?;
        self.sentinel().await?;
        self.refusals.of(&subject).map_or(Ok(Subscription(subscriber)), Err)
    }

    /// Returns when the server has done everything that was sent before on this connection.
    ///
    /// # Errors
    /// `unavailable` when it does not answer within 5 s; `forbidden` when this name may not use its own inbox.
    pub async fn sentinel(&self) -> Result<(), Error> {
        let inbox = self.client.new_inbox();
        let unavailable = |error: &dyn std::fmt::Display| Error::new(Kind::Unavailable, error);
        let mut back = self.client.subscribe(inbox.clone()).await.map_err(|error| unavailable(&error))?;
        self.client.publish(inbox.clone(), Bytes::new()).await.map_err(|error| unavailable(&error))?;
        let answered = async {
            tokio::select! {
                answer = back.next() => Ok(answer),
                refused = self.refusals.wait_for(&inbox) => Err(refused),
            }
        };
        let answer = tokio::time::timeout(ANSWER, answered).await.map_err(|_| unavailable(&"no answer within 5 s"))??;
        answer.map(drop).ok_or_else(|| unavailable(&"the connection is closed"))
    }

    /// Gives an order to an instance.
    ///
    /// # Errors
    /// `payload_too_large`, or `unavailable` when the connection is closed.
    pub async fn hand(&self, agent: &Name, instance: &InstanceId, order: &Order) -> Result<(), Error> {
        self.tell(self.space().hand(agent, instance), order).await
    }

    /// Signals the end of a query to its requester.
    ///
    /// # Errors
    /// As [`Connection::hand`].
    pub async fn end(&self, requester: &Name, end: &End) -> Result<(), Error> {
        self.tell(self.space().end(requester, end.id), end).await
    }

    /// Sends a heartbeat.
    ///
    /// # Errors
    /// As [`Connection::hand`].
    pub async fn beat(&self, beat: &Heartbeat) -> Result<(), Error> {
        self.tell(self.space().heartbeat(&beat.agent, &beat.instance_id), beat).await
    }

    /// Answers a message that wants an answer.
    ///
    /// # Errors
    /// As [`Connection::hand`].
    pub async fn answer<T: Serialize + Sync>(&self, reply: String, body: &T) -> Result<(), Error> {
        if !is_inbox(&reply) {
            return Ok(());
        }
        self.tell(reply, body).await
    }

    /// Asks with a core request, and waits 5 s for the answer.
    ///
    /// # Errors
    /// `no_coordinator` when nobody listens, `unavailable` when nobody answers in time.
    pub async fn request(&self, subject: String, payload: Vec<u8>) -> Result<Delivery, Error> {
        self.request_within(subject, payload, ANSWER).await
    }

    /// The same with a time limit of its own.
    ///
    /// # Errors
    /// As [`Connection::request`].
    pub async fn request_within(&self, subject: String, payload: Vec<u8>, limit: std::time::Duration) -> Result<Delivery, Error> {
        use async_nats::RequestErrorKind as Request;
        self.fits(payload.len())?;
        let request = async_nats::Request::new().payload(payload.into()).timeout(Some(limit));
        let message = self.client.send_request(subject, request).await.map_err(|error| match error.kind() {
            Request::NoResponders => Error::new(Kind::NoCoordinator, "nobody listens"),
            Request::MaxPayloadExceeded => Error::new(Kind::PayloadTooLarge, error),
            _ => Error::new(Kind::Unavailable, error),
        })?;
        Ok(Delivery { subject: message.subject.to_string(), reply: None, payload: message.payload })
    }

    /// A request whose answer may be any bytes, with headers. What these credentials may not ask is known at once.
    ///
    /// # Errors
    /// As [`Connection::request`]; `forbidden`.
    pub async fn request_bytes(
        &self,
        subject: String,
        headers: &[(&str, String)],
        payload: Bytes,
        limit: std::time::Duration,
    ) -> Result<Bytes, Error> {
        use async_nats::RequestErrorKind as Request;
        self.fits(payload.len())?;
        let mut map = async_nats::HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.as_str());
        }
        let request = async_nats::Request::new().headers(map).payload(payload).timeout(Some(limit));
        let answered = tokio::select! {
            answered = self.client.send_request(subject.clone(), request) => answered,
            refused = self.refusals.wait_for(&subject) => return Err(refused),
        };
        answered.map(|message| message.payload).map_err(|error| match error.kind() {
            Request::NoResponders => Error::new(Kind::NoCoordinator, "nobody listens"),
            Request::MaxPayloadExceeded => Error::new(Kind::PayloadTooLarge, error),
            _ => Error::new(Kind::Unavailable, error),
        })
    }

    /// Sends a core message that wants its answer at `reply`.
    ///
    /// # Errors
    /// As [`Connection::hand`].
    pub async fn publish_with_reply(&self, subject: String, reply: String, payload: Vec<u8>) -> Result<(), Error> {
        self.fits(payload.len())?;
        self.client.publish_with_reply(subject, reply, payload.into()).await.map_err(|error| Error::new(Kind::Unavailable, error))
    }

    async fn tell<T: Serialize + Sync>(&self, subject: String, body: &T) -> Result<(), Error> {
        let payload = serde_json::to_vec(body).map_err(|error| Error::new(Kind::Garbled, error))?;
        self.fits(payload.len())?;
        self.client.publish(subject, payload.into()).await.map_err(|error| Error::new(Kind::Unavailable, error))
    }
}

/// Whether a reply subject is an inbox. We may publish where a caller may not, so a reply
/// subject that is a subject of the bus would let a caller write with our rights.
pub(crate) fn is_inbox(reply: &str) -> bool {
    reply.starts_with("_INBOX.")
}
