//! The store of attachments: one message for each piece, under its record's id and its checksum.
//!
//! Only coordinators come here: whoever may read a stream directly may also forge (docs/operations.md), so clients put
//! and get pieces through the API. A stream of our own and no object bucket: there a piece is several messages under a
//! name that is drawn anew each time, so that a broken upload leaves what nobody finds, two puts of the same piece
//! are two, and all pieces of one record can be told only by reading what there is. Here a put is one message that is
//! stored or not, its repetition is refused by the server, and a record's pieces are one subject filter.
//!
//! It must never hand out what it has not been asked for by checksum; whether the bytes are the right ones the reader checks.

use std::time::Duration;

use async_nats::{
    HeaderMap, HeaderValue,
    jetstream::{
        ErrorCode,
        consumer::{DeliverPolicy, push},
        context::CreateStreamErrorKind as Create,
        stream::{Config, ConsumerErrorKind, DiscardPolicy, LastRawMessageErrorKind, RetentionPolicy, StorageType, Stream},
    },
};
use bytes::Bytes;
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use protocol::{Checksum, MAX_TIMEOUT_MS, QueryId, message::MAX_PIECE};

use crate::{
    Connection, Error, Kind, Limits, Stored, append::EXPECTED_LAST, archive::overwrite, connect::ANSWER, convert, ledger::no_room,
};

/// How long before its message a piece may have been stored: so much longer than its record it is kept.
pub(crate) const SLACK: Duration = Duration::from_secs(24 * 60 * 60);

/// The store of attachments of a bus. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Blobs {
    connection: Connection,
    limits: Limits,
    keep: Duration,
}

/// A piece as it is stored.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Whose record it belongs to.
    pub id: QueryId,
    /// The checksum that it is stored under.
    pub checksum: Checksum,
    /// Whether that is the checksum of its bytes; true where they were not read.
    pub is_intact: bool,
    /// Its sequence in the store.
    pub seq: u64,
    /// When it was stored.
    pub time: Timestamp,
}

impl Blobs {
    /// The store of the bus that the connection belongs to. It is made when first used, for half of `limits.max_bytes`
    /// and with as many copies; a piece is dropped when its record must be gone: after the longest deadline, `keep`, and a day.
    #[must_use]
    pub fn new(connection: Connection, limits: Limits, keep: Duration) -> Self {
        Self { connection, limits, keep }
    }

    /// The same for reading what there is.
    #[must_use]
    pub fn of(connection: Connection) -> Self {
        Self::new(connection, Limits::default(), Duration::ZERO)
    }

    /// How large a piece may be, in bytes: half of what the server takes in one message, 512 KiB at most.
    #[must_use]
    pub fn largest(connection: &Connection) -> usize {
        MAX_PIECE.min(connection.max_payload() / 2)
    }

    /// Gives a store that is there the age that is wanted now.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn tend(&self) -> Result<(), Error> {
        let name = self.connection.space().blobs();
        let Some(described) = self.connection.stream(&name).await? else { return Ok(()) };
        let wanted = self.config();
        let is: Config = serde_json::from_value(described.config).map_err(|error| Error::new(Kind::Garbled, error))?;
        if is.max_age == wanted.max_age {
            return Ok(());
        }
        let updated = self.connection.js.update_stream(Config { max_age: wanted.max_age, ..is }).await;
        updated.map(drop).map_err(|error| unavailable(&error))
    }

    /// Stores a piece. One that is there already is left as it is, unless it is damaged, or so old that its message may come
    /// too late for it ([`crate::Unclaimed`]).
    ///
    /// # Errors
    /// `payload_too_large`, `storage_full`: it is not stored. `unavailable`: nobody knows, and it may be put again.
    pub async fn put(&self, id: QueryId, checksum: &Checksum, bytes: &Bytes) -> Result<(), Error> {
        let most = Self::largest(&self.connection);
        if bytes.len() > most {
            return Err(Error::new(Kind::PayloadTooLarge, format!("a piece of {} bytes, and at most {most} are taken", bytes.len())));
        }
        let stored = match self.store(id, checksum, bytes, 0).await {
            Err(error) if error.kind() == Kind::NoLedger => {
                self.make().await?;
                self.store(id, checksum, bytes, 0).await
            }
            stored => stored,
        };
        let stored = stored.map_err(|error| match error.kind() {
            // It was there a moment ago: its cluster is electing.
            Kind::NoLedger => unavailable(&error),
            _ => error,
        })?;
        match stored {
            Stored::At(_) => Ok(()),
            Stored::Refused => self.renew(id, checksum, bytes).await,
        }
    }

    /// Puts a piece in the place of the one that is there, if that is not as good.
    async fn renew(&self, id: QueryId, checksum: &Checksum, bytes: &Bytes) -> Result<(), Error> {
        let stream = self.stream().await?;
        let there = stream.get_last_raw_message_by_subject(&self.connection.space().blob(id, checksum)).await;
        let there = there.map_err(|error| unavailable(&error))?;
        let age = self.connection.server_time().await?.duration_since(convert::timestamp(there.time));
        if Checksum::of(&there.payload) == *checksum && age < SignedDuration::try_from(SLACK).unwrap_or_default() {
            return Ok(());
        }
        match self.store(id, checksum, bytes, there.sequence).await? {
            Stored::At(_) => overwrite(&stream, there.sequence).await,
            // Somebody else has just done so.
            Stored::Refused => Ok(()),
        }
    }

    /// The bytes of a piece; none, if there is no such piece.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn get(&self, id: QueryId, checksum: &Checksum) -> Result<Option<Bytes>, Error> {
        let (stream, subject) = (self.stream().await?, self.connection.space().blob(id, checksum));
        if let Ok(message) = stream.direct_get_last_for_subject(subject.clone()).await {
            return Ok(Some(message.payload));
        }
        // A copy may not have it yet; its leader knows.
        match stream.get_last_raw_message_by_subject(&subject).await {
            Ok(message) => Ok(Some(message.payload)),
            Err(error) => match error.kind() {
                LastRawMessageErrorKind::NoMessageFound => Ok(None),
                LastRawMessageErrorKind::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
                _ => Err(unavailable(&error)),
            },
        }
    }

    /// Overwrites all pieces of a record, and returns how many there were. It takes the server some milliseconds for each.
    ///
    /// # Errors
    /// `unavailable`: some may be left; it may be done again.
    pub async fn erase(&self, id: QueryId) -> Result<usize, Error> {
        self.erase_upto(id, u64::MAX).await
    }

    /// The same of what was stored up to a sequence.
    pub(crate) async fn erase_upto(&self, id: QueryId, upto: u64) -> Result<usize, Error> {
        let mut seqs = Vec::new();
        self.read(self.connection.space().blobs_of(id), false, |piece| seqs.push(piece.seq)).await?;
        seqs.retain(|seq| *seq <= upto);
        let stream = self.stream().await?;
        for seq in &seqs {
            overwrite(&stream, *seq).await?;
        }
        Ok(seqs.len())
    }

    /// Reads every piece, and calls `each` with it. With `bytes`, its bytes are checked, too.
    ///
    /// # Errors
    /// `unavailable`, `forbidden`.
    pub async fn verify(&self, bytes: bool, each: impl FnMut(Piece)) -> Result<(), Error> {
        self.read(self.connection.space().all_blobs(), bytes, each).await
    }

    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    async fn store(&self, id: QueryId, checksum: &Checksum, bytes: &Bytes, last: u64) -> Result<Stored, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(EXPECTED_LAST, HeaderValue::from(last));
        self.connection.store(self.connection.space().blob(id, checksum), headers, bytes.to_vec()).await
    }

    async fn make(&self) -> Result<(), Error> {
        let wanted = self.config();
        let made = self.connection.js.get_or_create_stream(wanted.clone()).await;
        made.map(drop).map_err(|error| {
            let full = match error.kind() {
                Create::JetStream(cause) => no_room("attachments", wanted.max_bytes, &cause),
                _ => None,
            };
            full.unwrap_or_else(|| unavailable(&format!("the store of attachments: {error}")))
        })
    }

    async fn stream(&self) -> Result<Stream<()>, Error> {
        self.connection.js.get_stream_no_info(self.connection.space().blobs()).await.map_err(|error| unavailable(&error))
    }

    /// Reads what stands under a filter now.
    async fn read(&self, filter: String, bytes: bool, mut each: impl FnMut(Piece)) -> Result<(), Error> {
        let space = self.connection.space();
        let name = format!("blobs-{}", uuid::Uuid::now_v7().simple());
        let config = push::OrderedConfig {
            name: Some(name.clone()),
            deliver_subject: self.connection.client.new_inbox(),
            deliver_policy: DeliverPolicy::All,
            filter_subject: filter.clone(),
            headers_only: !bytes,
            ..Default::default()
        };
        let stream = self.stream().await?;
        let subject = format!("$JS.API.CONSUMER.CREATE.{}.{name}.{filter}", space.blobs());
        let created = tokio::select! {
            created = stream.create_consumer(config) => created,
            refused = self.connection.refusals.wait_for(&subject) => return Err(refused),
        };
        let consumer = match created {
            Ok(consumer) => consumer,
            Err(error) => match error.kind() {
                ConsumerErrorKind::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_NOT_FOUND => return Ok(()),
                _ => return Err(unavailable(&error)),
            },
        };
        let mut pending = consumer.cached_info().num_pending;
        let mut messages = consumer.messages().await.map_err(|error| unavailable(&error))?;
        while pending > 0 {
            let message = tokio::time::timeout(ANSWER, messages.next()).await.map_err(|_| unavailable(&"no answer within 5 s"))?;
            let message = message.ok_or_else(|| unavailable(&"the connection is closed"))?.map_err(|error| unavailable(&error))?;
            let info = message.info().map_err(|error| unavailable(&error))?;
            pending = info.pending;
            if let Some((id, checksum)) = space.parse_blob(&message.subject) {
                let is_intact = !bytes || Checksum::of(&message.payload) == checksum;
                each(Piece { id, checksum, is_intact, seq: info.stream_sequence, time: convert::timestamp(info.published) });
            }
        }
        // Left alone it would lie on the server for a while.
        let _ = stream.delete_consumer(&name).await;
        Ok(())
    }

    fn config(&self) -> Config {
        let space = self.connection.space();
        Config {
            name: space.blobs(),
            description: Some(format!("agentbus: attachments and large answers of the bus '{space}'")),
            subjects: vec![space.all_blobs()],
            retention: RetentionPolicy::Limits,
            // What was put stays for as long as was promised.
            discard: DiscardPolicy::New,
            max_bytes: i64::try_from(self.limits.max_bytes / 2).unwrap_or(i64::MAX),
            max_age: Duration::from_millis(MAX_TIMEOUT_MS).saturating_add(self.keep).saturating_add(SLACK),
            max_message_size: i32::try_from(MAX_PIECE + 1024).unwrap_or(i32::MAX),
            storage: StorageType::File,
            num_replicas: self.limits.replicas,
            duplicate_window: Duration::from_millis(100),
            allow_direct: true,
            ..Default::default()
        }
    }
}

fn unavailable(error: &dyn std::fmt::Display) -> Error {
    Error::new(Kind::Unavailable, error)
}
