//! Where the judge reads: the log files, and the two streams as the server holds them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use async_nats::jetstream::{
    consumer::{DeliverPolicy, pull::OrderedConfig},
    context::GetStreamErrorKind,
    stream::RawMessageErrorKind,
};
use futures::StreamExt;
use serde_json::Value;
use tokio::time::timeout;

use super::{Entry, Stored};
use crate::{plain::Plain, time};

/// How long the next message of a stream may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The lines of a log that are JSON. The last one may be torn, where its writer was killed.
#[must_use]
pub fn lines(log: &Path) -> Vec<Value> {
    let text = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// A message of a stream: sequence, time, subject, payload.
struct Raw {
    seq: u64,
    time_ms: u64,
    subject: String,
    payload: Vec<u8>,
}

/// Everything that ledger and archive hold.
///
/// # Errors
/// Where a stream cannot be read to its end.
pub async fn entries(plain: &Plain) -> Result<Stored, String> {
    let (ledger, last) = stream(plain, &format!("{}-ledger", plain.space())).await?;
    let mut held: BTreeMap<u64, Entry> = BTreeMap::new();
    for raw in ledger {
        if let Some(entry) = entry(raw.seq, raw.time_ms, &raw.subject, serde_json::from_slice(&raw.payload).ok()) {
            held.insert(raw.seq, entry);
        }
    }
    let mut erased = BTreeSet::new();
    for raw in archive(plain, &format!("{}-archive", plain.space())).await? {
        let (index, mut bodies) = raw.payload.split_at(raw.payload.iter().position(|byte| *byte == b'\n').unwrap_or(raw.payload.len()));
        let index: Value = serde_json::from_slice(index).map_err(|error| format!("{}: {error}", raw.subject))?;
        bodies = bodies.get(1..).unwrap_or_default();
        erased.extend(tombstone(&index["erased"]["sequences"]));
        for kept in index["entries"].as_array().into_iter().flatten() {
            let size = kept["size"].as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or_default();
            let (body, rest) = bodies.split_at_checked(size).ok_or_else(|| format!("{}: a body is cut short", raw.subject))?;
            bodies = rest;
            if let Some(entry) = packed(kept, body) {
                held.entry(entry.seq).or_insert(entry);
            }
        }
    }
    Ok(Stored { entries: held.into_values().collect(), last, erased })
}

/// Every message of the archive, one after the other: nobody may have a consumer there.
async fn archive(plain: &Plain, name: &str) -> Result<Vec<Raw>, String> {
    let Ok(stream) = plain.js().get_stream(name).await else { return Ok(Vec::new()) };
    let subject = format!("{}.archive.*", plain.space());
    let (mut read, mut next) = (Vec::new(), 1);
    loop {
        let message = match stream.get_first_raw_message_by_subject(&subject, next).await {
            Ok(message) => message,
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(read),
            Err(error) => return Err(format!("{name}: {error}")),
        };
        next = message.sequence + 1;
        read.push(Raw { seq: message.sequence, time_ms: 0, subject: message.subject.to_string(), payload: message.payload.to_vec() });
    }
}

/// A stream from its first message to the last one that it had when we began. One that is not there is empty.
async fn stream(plain: &Plain, name: &str) -> Result<(Vec<Raw>, u64), String> {
    let stream = match plain.js().get_stream(name).await {
        Ok(stream) => stream,
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(cause) if cause.code() == 404 => return Ok((Vec::new(), 0)),
            _ => return Err(format!("{name}: {error}")),
        },
    };
    let state = stream.cached_info().state.clone();
    let mut read = Vec::new();
    if state.messages == 0 {
        return Ok((read, state.last_sequence));
    }
    let config = OrderedConfig { deliver_policy: DeliverPolicy::All, ..OrderedConfig::default() };
    let consumer = stream.create_consumer(config).await.map_err(|error| format!("{name}: {error}"))?;
    let mut messages = consumer.messages().await.map_err(|error| format!("{name}: {error}"))?;
    loop {
        let next = timeout(PATIENCE, messages.next()).await.map_err(|late| format!("{name}: {late}"))?;
        let message = next.ok_or_else(|| format!("{name} ended"))?.map_err(|error| format!("{name}: {error}"))?;
        let info = message.info().map_err(|error| error.to_string())?;
        let (seq, at, pending) = (info.stream_sequence, info.published.unix_timestamp_nanos() / 1_000_000, info.pending);
        let time_ms = u64::try_from(at).unwrap_or_default();
        read.push(Raw { seq, time_ms, subject: message.subject.to_string(), payload: message.payload.to_vec() });
        if pending == 0 || seq >= state.last_sequence {
            return Ok((read, state.last_sequence));
        }
    }
}

fn entry(seq: u64, time_ms: u64, subject: &str, body: Option<Value>) -> Option<Entry> {
    let mut tokens = subject.split('.').skip(1).map(str::to_owned);
    let (kind, id, from, to) = (tokens.next()?, tokens.next()?, tokens.next()?, tokens.next()?);
    tokens.next().is_none().then_some(Entry { seq, time_ms, kind, id, from, to, body })
}

/// An entry as a pack of the archive has it: a line of its index, and its bytes.
fn packed(kept: &Value, body: &[u8]) -> Option<Entry> {
    let time_ms = kept["time"].as_str().and_then(time::parse_ms)?;
    entry(kept["seq"].as_u64()?, time_ms, kept["subject"].as_str()?, serde_json::from_slice(body).ok())
}

/// The sequences that a tombstone names, as ranges with both ends.
fn tombstone(sequences: &Value) -> BTreeSet<u64> {
    let ranges = sequences.as_array().into_iter().flatten();
    ranges.filter_map(|range| Some(range[0].as_u64()?..=range[1].as_u64()?)).flatten().collect()
}
