//! The ledger stream: made once, checked at every start.

use std::{collections::BTreeSet, time::Duration};

use async_nats::jetstream::{
    ErrorCode,
    context::{CreateStreamError, CreateStreamErrorKind as Create},
    stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType},
};
use protocol::{Kind as Message, MAX_TIMEOUT_MS};

use crate::{Connection, Error, Kind, election::elected};

/// How large the ledger may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that the ledger may take. Default 4 GiB.
    pub max_bytes: u64,
    /// Copies in a cluster: of the ledger, and of what is made for the bus after it. Default 1.
    pub replicas: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 4 << 30, replicas: 1 }
    }
}

/// The ledger, as a coordinator sees it.
#[derive(Clone, Debug)]
pub struct Ledger {
    connection: Connection,
    /// What it was made with: the bytes that it may take, the reserve included.
    limits: Limits,
}

/// How long to wait for the reason why nobody took a message, or answered.
const GLANCE: Duration = Duration::from_secs(1);

/// Where the stream keeps how many bytes it may take, the reserve included.
pub(crate) const ALLOWED: &str = "agentbus.max_bytes";

impl Ledger {
    /// Opens the ledger; makes it if there is none, and refuses one whose settings break its promises. A cluster
    /// that is electing is waited for, 20 s at most.
    ///
    /// # Errors
    /// `ledger_settings` names every setting that is wrong, fewer copies than wanted among them; `storage_full`
    /// where the disk has no room for it; `unavailable` where the cluster has no quorum.
    pub async fn open(connection: Connection, limits: Limits) -> Result<Self, Error> {
        let wanted = config(&connection, limits);
        let made =
            elected(|| async { connection.js.get_or_create_stream(wanted.clone()).await.map_err(|error| unopened(&error, &wanted)) });
        let stream = made.await?;
        let config = &stream.cached_info().config;
        let wrong = faults(&connection, config, &wanted);
        if !wrong.is_empty() {
            return Err(Error::new(Kind::LedgerSettings, format!("stream {}: {}", wanted.name, wrong.join("; "))));
        }
        // A ledger that was made before keeps the size that it was made with.
        let max_bytes = config.metadata.get(ALLOWED).and_then(|bytes| bytes.parse().ok()).unwrap_or(limits.max_bytes);
        Ok(Self { connection, limits: Limits { max_bytes, ..limits } })
    }

    /// How large it may grow; one that was there before may be larger or smaller than what it was opened with.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Sees whether the ledger has no room left for another large message (a tenth of the limit counts as none
    /// where the limit itself is small), and returns that. Where it is full its reserve is opened, and for as
    /// long as that is open the server stores no queries at all: the reserve is for what ends those that are
    /// there. It is closed only where nothing stored would be lost by it.
    ///
    /// # Errors
    /// `unavailable`, or `no_ledger` if it has been removed.
    pub async fn tend(&self) -> Result<bool, Error> {
        let info = info(&self.connection).await?;
        let largest = u64::try_from(info.config.max_message_size).unwrap_or_default();
        let limit = usual(self.limits.max_bytes);
        let full = info.state.bytes + largest.min(limit / 10) > limit;
        let (subjects, max_bytes) =
            if full { (ending_only(&self.connection), self.limits.max_bytes) } else { (self.connection.space().captured(), limit) };
        let max_bytes = i64::try_from(max_bytes).unwrap_or(i64::MAX);
        if info.config.max_bytes == max_bytes && same(&info.config.subjects, &subjects) {
            return Ok(full);
        }
        let config = Config { max_bytes, subjects, ..info.config };
        let updated = self.connection.js.update_stream(config).await;
        updated.map(|_| full).map_err(|error| Error::new(Kind::Unavailable, error))
    }
}

/// What the ledger captures while its reserve is open: no new queries, and no notices, which end nothing.
fn ending_only(connection: &Connection) -> Vec<String> {
    let ends = |kind: &&Message| !matches!(kind, Message::Query | Message::Notice);
    Message::ALL.iter().filter(ends).map(|kind| connection.space().kind(*kind)).collect()
}

fn same(some: &[String], others: &[String]) -> bool {
    some.iter().collect::<BTreeSet<_>>() == others.iter().collect::<BTreeSet<_>>()
}

/// Why nobody took a message that belongs into the ledger.
pub(crate) async fn not_taken(connection: &Connection, error: Error) -> Error {
    match glance(connection).await {
        Ok(info) if same(&info.config.subjects, &ending_only(connection)) => {
            Error::new(Kind::StorageFull, "it takes no new queries, and only ends those that it has")
        }
        found => missing(found, error),
    }
}

/// Why nobody answers for the ledger.
pub(crate) async fn unserved(connection: &Connection, detail: &str) -> Error {
    missing(glance(connection).await, Error::new(Kind::NoLedger, detail))
}

/// The stream as it stands, for a reason that is not worth a long wait.
async fn glance(connection: &Connection) -> Result<Info, Error> {
    let waited = tokio::time::timeout(GLANCE, info(connection)).await;
    waited.unwrap_or_else(|_| Err(Error::new(Kind::Unavailable, format!("nothing is known of the ledger within {GLANCE:?}"))))
}

/// That there is no ledger, where the server says so, or may not be asked. Otherwise it is only just starting or
/// stopping, or electing.
fn missing(found: Result<Info, Error>, error: Error) -> Error {
    match found {
        Err(found) if matches!(found.kind(), Kind::NoLedger | Kind::Forbidden) => error,
        Ok(_) | Err(_) => Error::new(Kind::Unavailable, error.detail()),
    }
}

/// What a cluster answers while too few of it are there: 10005, 10008, 10009 and 10118.
const LEADERLESS: [ErrorCode; 4] =
    [ErrorCode::CLUSTER_NO_PEERS, ErrorCode::CLUSTER_NOT_AVAILABLE, ErrorCode::CLUSTER_NOT_LEADER, ErrorCode::STREAM_OFFLINE];

/// Whether there is too little room for a new stream. A cluster gives that the same code (10005) as too few nodes, and
/// only its words differ.
fn has_no_room(cause: &async_nats::jetstream::Error) -> bool {
    let full = cause.error_code() == ErrorCode::CLUSTER_NO_PEERS && cause.to_string().contains("insufficient storage");
    full || cause.error_code() == ErrorCode::STORAGE_RESOURCES_EXCEEDED
}

/// The error of a stream that could not be made because the server has too little to set aside for it. None for any other reason.
pub(crate) fn no_room(what: &str, bytes: i64, cause: &async_nats::jetstream::Error) -> Option<Error> {
    let detail = || format!("the server cannot set {} MiB aside for {what}: {cause}", bytes >> 20);
    has_no_room(cause).then(|| Error::new(Kind::StorageFull, detail()))
}

/// Why the stream could not be opened.
fn unopened(error: &CreateStreamError, wanted: &Config) -> Error {
    match error.kind() {
        Create::TimedOut | Create::JetStreamUnavailable | Create::Response => Error::new(Kind::Unavailable, error),
        Create::JetStream(cause) => no_room("the ledger", wanted.max_bytes, &cause).unwrap_or_else(|| {
            let kind = if LEADERLESS.contains(&cause.error_code()) { Kind::Unavailable } else { Kind::LedgerSettings };
            Error::new(kind, cause)
        }),
        _ => Error::new(Kind::LedgerSettings, error),
    }
}

/// The limit in ordinary times: a tenth is kept in reserve, so that a full ledger can still end
/// what it holds.
const fn usual(allowed: u64) -> u64 {
    allowed / 10 * 9
}

/// The stream as it stands on the server.
pub(crate) async fn info(connection: &Connection) -> Result<Info, Error> {
    use async_nats::jetstream::context::GetStreamErrorKind as Get;
    let name = connection.space().ledger();
    let subject = format!("$JS.API.STREAM.INFO.{name}");
    let found = tokio::select! {
        found = connection.js.get_stream(&name) => found,
        refused = connection.refusals.wait_for(&subject) => return Err(refused),
    };
    let stream = found.map_err(|error| match error.kind() {
        Get::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_NOT_FOUND => Error::new(Kind::NoLedger, cause),
        _ => Error::new(Kind::Unavailable, error),
    })?;
    Ok(stream.cached_info().clone())
}

pub(crate) fn config(connection: &Connection, limits: Limits) -> Config {
    let space = connection.space();
    Config {
        name: space.ledger(),
        description: Some(format!("agentbus: everything that happens on the bus '{space}'")),
        subjects: space.captured(),
        retention: RetentionPolicy::Limits,
        // Never drop what was acknowledged: refuse what is new.
        discard: DiscardPolicy::New,
        max_bytes: i64::try_from(usual(limits.max_bytes)).unwrap_or(i64::MAX),
        metadata: [(ALLOWED.to_owned(), limits.max_bytes.to_string())].into(),
        max_age: Duration::ZERO,
        // Headers count here; 2 KiB is more than ours take.
        max_message_size: i32::try_from(connection.max_body() + 2048).unwrap_or(i32::MAX),
        storage: StorageType::File,
        num_replicas: limits.replicas,
        // No message ids are used; the window is the least that the server takes.
        duplicate_window: Duration::from_millis(100),
        allow_direct: true,
        ..Default::default()
    }
}

/// What an existing ledger has otherwise than the promises need. That it takes no queries while its reserve is
/// open is no fault: whoever tends it ends that.
pub(crate) fn faults(connection: &Connection, is: &Config, wanted: &Config) -> Vec<String> {
    if same(&is.subjects, &ending_only(connection)) {
        return differences(&Config { subjects: wanted.subjects.clone(), ..is.clone() }, wanted);
    }
    differences(is, wanted)
}

fn differences(is: &Config, wanted: &Config) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |ok: bool, what: String| {
        if !ok {
            wrong.push(what);
        }
    };
    check(same(&is.subjects, &wanted.subjects), format!("subjects are {}, not {}", is.subjects.join(" "), wanted.subjects.join(" ")));
    check(is.retention == RetentionPolicy::Limits, "retention is not 'limits'".to_owned());
    check(is.discard == DiscardPolicy::New, "discard is not 'new': stored messages could vanish".to_owned());
    check(is.storage == StorageType::File, "storage is not 'file'".to_owned());
    check(is.allow_direct, "allow_direct is off".to_owned());
    let copies = |config: &Config| config.num_replicas.max(1);
    check(copies(is) >= copies(wanted), format!("num_replicas is {}, not {}", copies(is), copies(wanted)));
    check(is.max_message_size > 0, "max_msg_size is not set: a query could be too large to be handed over".to_owned());
    check(is.max_messages <= 0, "max_msgs is set: open queries could block new ones".to_owned());
    check(is.max_messages_per_subject <= 0, "max_msgs_per_subject is set: history would have holes".to_owned());
    let longest = Duration::from_millis(MAX_TIMEOUT_MS);
    check(is.max_age.is_zero() || is.max_age > longest, "max_age is shorter than the longest deadline (7 days)".to_owned());
    check(
        is.subject_transform.is_none() && is.sources.is_none() && is.mirror.is_none(),
        "it has sources, a mirror or a transform".to_owned(),
    );
    check(!is.sealed && !is.no_ack, "it is sealed or does not acknowledge".to_owned());
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_allowed_size_is_kept_in_reserve() {
        assert_eq!(usual(1000), 900);
    }

    #[test]
    fn a_stream_that_would_lose_messages_is_refused() {
        let wanted = Config {
            discard: DiscardPolicy::New,
            storage: StorageType::File,
            allow_direct: true,
            max_message_size: 1,
            ..Default::default()
        };
        assert!(differences(&wanted, &wanted).is_empty());
        let old = Config { discard: DiscardPolicy::Old, max_age: Duration::from_secs(3600), ..wanted.clone() };
        let wrong = differences(&old, &wanted);
        assert!(wrong.iter().any(|text| text.contains("discard")) && wrong.iter().any(|text| text.contains("max_age")));
    }
}
