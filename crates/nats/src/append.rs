//! Appending to the ledger: stored, refused, or unknown; never guessed.

use async_nats::{
    HeaderMap, HeaderName, HeaderValue,
    jetstream::{self, ErrorCode, context::PublishErrorKind},
};
use jiff::Timestamp;
use protocol::{Message, Subject, VERSION, VERSION_HEADER};
use uuid::Uuid;

use crate::{Connection, Error, Kind, ledger};

pub(crate) const BUS_VERSION: HeaderName = HeaderName::from_static(VERSION_HEADER);
const CE_SPECVERSION: HeaderName = HeaderName::from_static("ce-specversion");
const CE_ID: HeaderName = HeaderName::from_static("ce-id");
const CE_TYPE: HeaderName = HeaderName::from_static("ce-type");
const CE_SOURCE: HeaderName = HeaderName::from_static("ce-source");
const CE_TIME: HeaderName = HeaderName::from_static("ce-time");
pub(crate) const EXPECTED_LAST: HeaderName = HeaderName::from_static("Nats-Expected-Last-Subject-Sequence");
const EXPECTED_FILTER: HeaderName = HeaderName::from_static("Nats-Expected-Last-Subject-Sequence-Subject");

/// What an append excludes: it is stored only if the last sequence under `filter` is `last`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// A subject filter of the ledger.
    pub filter: String,
    /// The last sequence under it; 0 for none.
    pub last: u64,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The ledger holds it, at this sequence.
    At(u64),
    /// The compare-and-set refused it: something else stands under the filter.
    Refused,
}

/// What a message in the ledger leaves free of the server's payload limit, in bytes: a query is
/// handed over together with its assignment, and must fit then too.
pub(crate) const RESERVE: usize = 64 * 1024;

/// The server's codes for a lost compare-and-set: 10071 and 10164.
const REFUSED: [ErrorCode; 2] = [ErrorCode::STREAM_WRONG_LAST_SEQUENCE, ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT];

/// The server's codes for a store that takes nothing more: 10023, 10047 and 10077.
pub(crate) const FULL: [ErrorCode; 3] =
    [ErrorCode::INSUFFICIENT_RESOURCES, ErrorCode::STORAGE_RESOURCES_EXCEEDED, ErrorCode::STREAM_STORE_FAILED];

impl Connection {
    /// Appends a message. With `expect`, under compare-and-set.
    ///
    /// # Errors
    /// `payload_too_large` and `storage_full`: it was not stored. `unavailable`: nobody knows.
    pub async fn append(&self, subject: &Subject, message: &Message, expect: Option<&Expect>) -> Result<Stored, Error> {
        self.append_bytes(subject, message.to_bytes(), expect).await
    }

    /// Appends bytes that may or may not be a message; whoever reads them will tell.
    ///
    /// # Errors
    /// As [`Connection::append`].
    pub async fn append_bytes(&self, subject: &Subject, body: Vec<u8>, expect: Option<&Expect>) -> Result<Stored, Error> {
        let mut headers = self.headers(subject);
        if let Some(expect) = expect {
            headers.insert(EXPECTED_LAST, HeaderValue::from(expect.last));
            headers.insert(EXPECTED_FILTER, expect.filter.as_str());
        }
        self.fits_ledger(body.len())?;
        match self.store(subject.in_space(self.space()), headers, body).await {
            Err(error) if error.kind() == Kind::NoLedger => Err(ledger::not_taken(self, error).await),
            stored => stored,
        }
    }

    /// Sends a message to the ledger and asks for no acknowledgement: nobody knows whether it is stored. Only for
    /// what a later message says as well.
    ///
    /// # Errors
    /// `payload_too_large`; `unavailable`: it was not sent.
    pub async fn append_unconfirmed(&self, subject: &Subject, message: &Message) -> Result<(), Error> {
        let body = message.to_bytes();
        self.fits_ledger(body.len())?;
        let sent = self.client.publish_with_headers(subject.in_space(self.space()), self.headers(subject), body.into());
        sent.await.map_err(|error| Error::new(Kind::Unavailable, error))
    }

    /// Stores a message in whatever stream captures its subject.
    pub(crate) async fn store(&self, subject: String, headers: HeaderMap, body: Vec<u8>) -> Result<Stored, Error> {
        let mut breaks = self.breaks.subscribe();
        let published = self.js.publish_with_headers(subject, headers, body.into()).await;
        let acknowledged = match published {
            // No acknowledgement comes over a connection that broke; to wait for it would hold up whoever knows
            // how to look again.
            Ok(acknowledgement) => tokio::select! {
                biased;
                acknowledged = acknowledgement.into_future() => acknowledged,
                _ = breaks.changed() => return Err(Error::new(Kind::Unavailable, "the connection broke before an answer came")),
            },
            Err(error) => Err(error),
        };
        match acknowledged {
            // Ids are never sent with messages, so nothing can be a duplicate of ours.
            Ok(ack) if ack.duplicate => Err(Error::new(Kind::Garbled, "the server calls the message a duplicate")),
            Ok(ack) => Ok(Stored::At(ack.sequence)),
            Err(error) => refusal(&error),
        }
    }

    /// Refuses a payload that the server would answer by closing the connection.
    pub(crate) fn fits(&self, size: usize) -> Result<(), Error> {
        // Headers count too; 1 KiB is more than ours take.
        within(size, self.max_payload().saturating_sub(1024))
    }

    /// Refuses a body that the ledger does not take.
    fn fits_ledger(&self, size: usize) -> Result<(), Error> {
        within(size, self.max_body())
    }

    /// The largest body that the ledger takes, in bytes.
    #[must_use]
    pub fn max_body(&self) -> usize {
        self.max_payload().saturating_sub(RESERVE)
    }

    /// The protocol version, and CloudEvents 1.0 in binary mode (NATS protocol binding).
    fn headers(&self, subject: &Subject) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(BUS_VERSION, VERSION);
        headers.insert(CE_SPECVERSION, "1.0");
        headers.insert(CE_ID, Uuid::now_v7().to_string());
        headers.insert(CE_TYPE, format!("agentbus.{}.v{VERSION}", subject.kind()));
        headers.insert(CE_SOURCE, format!("/{}/{}", self.space(), subject.from()));
        headers.insert(CE_TIME, Timestamp::now().to_string());
        headers
    }
}

fn within(size: usize, limit: usize) -> Result<(), Error> {
    if size <= limit {
        return Ok(());
    }
    Err(Error::new(Kind::PayloadTooLarge, format!("{size} bytes, and at most {limit} are taken")))
}

fn refusal(error: &async_nats::jetstream::context::PublishError) -> Result<Stored, Error> {
    let code =
        std::error::Error::source(error).and_then(|source| source.downcast_ref::<jetstream::Error>()).map(jetstream::Error::error_code);
    if error.kind() == PublishErrorKind::WrongLastSequence || is_one_of(code, &REFUSED) {
        return Ok(Stored::Refused);
    }
    let kind = match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => Kind::PayloadTooLarge,
        PublishErrorKind::StreamNotFound => Kind::NoLedger,
        _ if is_one_of(code, &FULL) => Kind::StorageFull,
        _ if is_one_of(code, &[ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM]) => Kind::PayloadTooLarge,
        // Whatever else the server says of an append (no leader yet, store closed), it may pass.
        _ => Kind::Unavailable,
    };
    let detail = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    Err(Error::new(kind, detail))
}

fn is_one_of(code: Option<ErrorCode>, known: &[ErrorCode]) -> bool {
    code.is_some_and(|code| known.contains(&code))
}
