//! From stored bytes to ledger entries. Every reader of the ledger goes through here.

use async_nats::HeaderMap;
use jiff::Timestamp;
use ledger::{Entry, Key};
use protocol::{Invalid, Message, Name, Space, Subject};

use crate::Step;

/// Headers that the server adds when it hands out a stored message. A message that carries one
/// when it is stored is a stored message sent again by somebody else: a forgery.
const REPLAYED: &str = "Nats-Stream";

/// Whether a message is a stored one that somebody made reappear.
pub(crate) fn is_replayed(headers: Option<&HeaderMap>) -> bool {
    headers.is_some_and(|headers| headers.get(REPLAYED).is_some())
}

/// What a stored message is to a reader.
pub(crate) fn step(space: &Space, seq: u64, time: Timestamp, subject: &str, replayed: bool, payload: &[u8]) -> Step {
    let subject = match Subject::parse(space, subject) {
        Ok(subject) => subject,
        Err(error) => {
            tracing::debug!(seq, subject, %error, "a stored message has no subject of this bus; passed over");
            return Step::PassedOver { key: guarded(subject), seq, time, subject: subject.to_owned(), reason: error.to_string() };
        }
    };
    let body = if replayed {
        Err(Invalid { pointer: String::new(), keyword: "writer".to_owned(), reason: "a stored message, sent again".to_owned() })
    } else {
        Message::parse(subject.kind(), subject.from(), payload)
    };
    Step::Entry(Box::new(Entry { seq, time, subject, body }))
}

/// Whose guard a subject stands under that is none of the bus: its id and writer may be good.
fn guarded(subject: &str) -> Option<Key> {
    let mut tokens = subject.split('.').skip(2);
    let id = tokens.next()?.parse().ok()?;
    let requester = Name::from_token(tokens.next()?).ok()?;
    Some(Key { id, requester })
}

/// A time of the client library as one of ours.
pub(crate) fn timestamp(time: async_nats::datetime::DateTime) -> Timestamp {
    Timestamp::from_nanosecond(time.unix_timestamp_nanos()).unwrap_or(Timestamp::UNIX_EPOCH)
}
