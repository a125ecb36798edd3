//! A bus's streams out of a server and into one, by the server's own snapshots.
//!
//! Owns the two sides of that protocol: chunks that are acknowledged one by one. It keeps no files; whoever
//! calls it does, and knows by its digests whether they are whole. A snapshot is of one moment of one
//! stream, and the streams are taken one after the other: see [`streams`] for the order.

use async_nats::jetstream::{ErrorCode, response::Response};
use bytes::Bytes;
use futures::StreamExt;
use protocol::Space;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{Connection, Error, Kind, connect::ANSWER};

/// Bytes of a chunk: 128 KiB, which every server takes in one message.
const CHUNK: usize = 128 << 10;

/// How long the server may take to make a stream of what was restored.
const SETTLE: std::time::Duration = std::time::Duration::from_secs(120);

/// The streams of a bus, whether they exist or not, in the order in which they are backed up. The ledger comes
/// before the archive: what moves from one to the other meanwhile is in both copies, and never in none. The
/// pieces of attachments come after them: what is referred to was stored before.
#[must_use]
pub fn streams(space: &Space) -> Vec<String> {
    vec![space.ledger(), space.archive(), space.blobs(), bucket(&space.facts()), bucket(&space.agents()), bucket(&space.watchers())]
}

/// The stream beneath a bucket.
fn bucket(name: &str) -> String {
    format!("KV_{name}")
}

/// What a server says of a stream. Settings are kept as they came, so that a newer server's are not lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Described {
    /// Its settings.
    pub config: Value,
    /// What it holds: messages, bytes, first and last sequence.
    pub state: Value,
}

impl Described {
    /// A number of the state, as in `messages`; 0 where it is not said.
    #[must_use]
    pub fn count(&self, field: &str) -> u64 {
        self.state.get(field).and_then(Value::as_u64).unwrap_or_default()
    }
}

/// A snapshot that is under way.
pub struct Snapshot {
    /// What it is of.
    pub described: Described,
    connection: Connection,
    chunks: async_nats::Subscriber,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("described", &self.described).finish_non_exhaustive()
    }
}

impl Snapshot {
    /// The next piece of it; none at its end.
    ///
    /// # Errors
    /// `unavailable` when the server stops sending, or says that it cannot go on.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let unavailable = |why: &str| Error::new(Kind::Unavailable, why);
        let waited = tokio::time::timeout(ANSWER, self.chunks.next()).await;
        let message = waited.map_err(|_| unavailable("the snapshot stopped: no more came within 5 s"))?;
        let message = message.ok_or_else(|| unavailable("the connection is closed"))?;
        if let Some(status) = message.status.filter(|status| status.as_u16() >= 300) {
            let why = message.description.as_deref().unwrap_or("no reason");
            return Err(unavailable(&format!("the server broke the snapshot off: {} {why}", status.as_u16())));
        }
        if message.payload.is_empty() {
            return Ok(None);
        }
        if let Some(reply) = message.reply {
            self.connection.client.publish(reply, Bytes::new()).await.map_err(|error| unavailable(&error.to_string()))?;
        }
        Ok(Some(message.payload))
    }
}

/// A stream that is being restored. Dropped before its end, it comes to nothing: the server gives it up.
#[derive(Debug)]
pub struct Restoring {
    connection: Connection,
    subject: String,
}

impl Restoring {
    /// The size of the chunks that are sent.
    pub const CHUNK: usize = CHUNK;

    /// Sends the next piece, of at most [`Restoring::CHUNK`] bytes.
    ///
    /// # Errors
    /// What the server has against it, or `unavailable`.
    pub async fn chunk(&self, bytes: Vec<u8>) -> Result<(), Error> {
        let answer = self.connection.request(self.subject.clone(), bytes).await?;
        if answer.payload.is_empty() {
            return Ok(());
        }
        read::<Value>(&answer.payload).map(drop)
    }

    /// That was all: the server makes the stream of it. Returns what it then holds.
    ///
    /// # Errors
    /// As [`Restoring::chunk`].
    pub async fn finish(self) -> Result<Described, Error> {
        let answer = self.connection.request_within(self.subject, Vec::new(), SETTLE).await?;
        read(&answer.payload)
    }
}

impl Connection {
    /// Describes a stream; none if there is none of that name.
    ///
    /// # Errors
    /// `unavailable`; `forbidden` where these credentials may not ask.
    pub async fn stream(&self, name: &str) -> Result<Option<Described>, Error> {
        match self.stream_api(format!("STREAM.INFO.{name}"), &json!({})).await? {
            Response::Ok(described) => Ok(Some(described)),
            Response::Err { error } if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            Response::Err { error } => Err(Error::new(Kind::Unavailable, error)),
        }
    }

    /// Starts a snapshot of a stream.
    ///
    /// # Errors
    /// `unavailable`; `forbidden` where these credentials may not ask.
    pub async fn snapshot(&self, name: &str) -> Result<Snapshot, Error> {
        let inbox = self.client.new_inbox();
        let chunks = self.client.subscribe(inbox.clone()).await.map_err(|error| Error::new(Kind::Unavailable, error))?;
        self.sentinel().await?;
        // The bus keeps nothing in consumers; and those of readers that come and go would break the snapshot off.
        let wanted = json!({ "deliver_subject": inbox, "chunk_size": CHUNK, "no_consumers": true });
        let described = answered(self.stream_api(format!("STREAM.SNAPSHOT.{name}"), &wanted).await?)?;
        Ok(Snapshot { described, connection: self.clone(), chunks })
    }

    /// Starts to restore a stream that is not there.
    ///
    /// # Errors
    /// What the server has against it: the name is taken, there is no room, too few servers for its replicas.
    pub async fn restore(&self, name: &str, described: &Described) -> Result<Restoring, Error> {
        #[derive(Deserialize)]
        struct Deliver {
            deliver_subject: String,
        }
        let deliver: Deliver = answered(self.stream_api(format!("STREAM.RESTORE.{name}"), described).await?)?;
        Ok(Restoring { connection: self.clone(), subject: deliver.deliver_subject })
    }

    /// A call of the server's API. What these credentials may not ask is known at once, and is no time-out.
    async fn stream_api<T: DeserializeOwned>(&self, call: String, body: &impl Serialize) -> Result<Response<T>, Error> {
        let subject = format!("$JS.API.{call}");
        tokio::select! {
            answer = self.js.request(call, body) => answer.map_err(|error| Error::new(Kind::Unavailable, error)),
            refused = self.refusals.wait_for(&subject) => Err(refused),
        }
    }
}

fn answered<T>(response: Response<T>) -> Result<T, Error> {
    match response {
        Response::Ok(value) => Ok(value),
        Response::Err { error } => Err(refused(&error)),
    }
}

/// An answer to what is no call of the API, and yet is answered as one.
fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Error> {
    answered(serde_json::from_slice(payload).map_err(|error| Error::new(Kind::Garbled, error))?)
}

fn refused(error: &async_nats::jetstream::Error) -> Error {
    let full = crate::append::FULL.contains(&error.error_code());
    Error::new(if full { Kind::StorageFull } else { Kind::Usage }, error)
}
