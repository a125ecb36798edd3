//! From stored bytes to ledger entries. Every reader of the ledger goes through here.

use async_nats::HeaderMap;
use jiff::Timestamp;
use ledger::Entry;
use protocol::{Invalid, Message, Space, Subject};

/// Headers that the server adds when it hands out a stored message. A message that carries one
/// when it is stored is a stored message sent again by somebody else: a forgery.
const REPLAYED: &str = "Nats-Stream";

/// Whether a message is a stored one that somebody made reappear.
pub(crate) fn is_replayed(headers: Option<&HeaderMap>) -> bool {
    headers.is_some_and(|headers| headers.get(REPLAYED).is_some())
}

/// An entry of the ledger; `None` for a subject that no message of the bus has.
pub(crate) fn entry(space: &Space, seq: u64, time: Timestamp, subject: &str, replayed: bool, payload: &[u8]) -> Option<Entry> {
    let subject = Subject::parse(space, subject)
        .inspect_err(|error| tracing::warn!(seq, subject, %error, "an entry of the ledger has no subject of this bus; passed over"))
        .ok()?;
    let body = if replayed {
        Err(Invalid { pointer: String::new(), keyword: "writer".to_owned(), reason: "a stored message, sent again".to_owned() })
    } else {
        Message::parse(subject.kind(), subject.from(), payload)
    };
    Some(Entry { seq, time, subject, body })
}

/// A time of the client library as one of ours.
pub(crate) fn timestamp(time: async_nats::datetime::DateTime) -> Timestamp {
    Timestamp::from_nanosecond(time.unix_timestamp_nanos()).unwrap_or(Timestamp::UNIX_EPOCH)
}
