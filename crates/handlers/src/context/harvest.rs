//! Facts from progress reports: what agents say of their work becomes theirs to be quoted for.

use std::time::Duration;

use agentbus::{Bus, Entry, Error, Fact, FactKey, FactKind, Facts, Kind, Message, Start, Watch};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Where a harvested fact keeps the sequence of its report.
const SEQ: &str = "ledger_seq";

/// How long a query waits for reports that are stored but not yet harvested.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest value that is taken for a fact, in bytes of JSON. What is larger is a document.
const LARGEST: usize = 4096;

/// The pause after a fact that could not be recorded.
const AGAIN: Duration = Duration::from_secs(1);

/// The harvest of progress reports, going on in a task of its own.
#[derive(Debug)]
pub(super) struct Harvest {
    /// The sequence up to which reports have been harvested.
    done: watch::Receiver<u64>,
}

impl Harvest {
    /// Goes on after the last report that is in the fact store.
    pub(super) async fn start(bus: &Bus, facts: Facts, tasks: &TaskTracker, stop: CancellationToken) -> Result<Self, Error> {
        let last = facts.all().await?.iter().filter_map(seq).max().unwrap_or(0);
        let watching = Watch { kind: Some(Kind::Progress), start: Start::Seq(last + 1), ..Watch::default() };
        let mut watcher = bus.watch(watching).await?;
        let (progress, done) = watch::channel(last);
        tasks.spawn(async move {
            loop {
                let entry = tokio::select! {
                    () = stop.cancelled() => return,
                    entry = watcher.next() => entry,
                };
                for fact in reported(&entry) {
                    while let Err(error) = facts.put(&fact).await {
                        tracing::warn!(%error, key = %fact.key, "a reported fact is not recorded");
                        // Only what may pass is worth waiting for: other reports and queries wait behind it.
                        if error.kind() != nats::Kind::Unavailable {
                            break;
                        }
                        if stop.run_until_cancelled(tokio::time::sleep(AGAIN)).await.is_none() {
                            return;
                        }
                    }
                }
                progress.send_replace(entry.seq);
            }
        });
        Ok(Self { done })
    }

    /// Returns when every report that is stored now has been harvested.
    pub(super) async fn catch_up(&self, bus: &Bus) -> Result<(), Error> {
        let last = bus.connection().last_under(bus.space().kind(Kind::Progress)).await?;
        let mut done = self.done.clone();
        let caught_up = done.wait_for(|done| *done >= last);
        if tokio::time::timeout(PATIENCE, caught_up).await.is_err() {
            let problem = agentbus::Problem::new("unavailable", "the facts from progress reports are not up to date yet");
            return Err(problem.into());
        }
        Ok(())
    }
}

fn seq(fact: &Fact) -> Option<u64> {
    fact.extra.get(SEQ).and_then(Value::as_u64)
}

/// The facts of one report: one for each of its fields, under `progress.{field}`.
fn reported(entry: &Entry) -> Vec<Fact> {
    let Ok(Message::Progress(report)) = &entry.body else { return Vec::new() };
    let fact = |(field, value): (&String, &Value)| {
        let mut extra = agentbus::protocol::Extra::new();
        extra.insert(SEQ.to_owned(), entry.seq.into());
        Some(Fact {
            key: key(field)?,
            value: value.clone(),
            kind: FactKind::Value,
            source: format!("progress report of {} ({}), ledger sequence {}", report.agent, report.status, entry.seq),
            observed_by: report.agent.clone(),
            observed_at: at(entry),
            topics: Vec::new(),
            extra,
        })
    };
    let fields = report.progress.iter().flatten();
    fields.filter(|(_, value)| value.to_string().len() <= LARGEST).filter_map(fact).collect()
}

fn key(field: &str) -> Option<FactKey> {
    FactKey::slug(&format!("progress.{field}")).filter(|key| key.as_str() != "progress")
}

/// Facts carry whole microseconds at most; the server counts nanoseconds.
fn at(entry: &Entry) -> Timestamp {
    Timestamp::from_microsecond(entry.time.as_microsecond()).unwrap_or(entry.time)
}
