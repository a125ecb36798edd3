//! Facts from progress reports and answers: what agents say of their work becomes theirs to be quoted for.
//!
//! Owns which facts a message gives, and how far into the ledger they have been taken. It must never record a
//! fact under another name than its writer's, nor put an older fact in the place of a newer one.

use std::time::Duration;

use agentbus::{Answer, Bus, Entry, Error, Fact, FactKey, FactKind, Facts, Kind, Message, Name, Progress, Start};
use futures::future::try_join_all;
use jiff::Timestamp;
use nats::{Reader, Step};
use protocol::{Extra, message::Outcome};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::probe;

/// The messages that give facts.
const KINDS: [Kind; 2] = [Kind::Progress, Kind::Answer];

/// Where a harvested fact keeps the sequence of its message.
const SEQ: &str = "ledger_seq";

/// How long a query waits for messages that are stored but not yet harvested.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest value that is taken for a fact, in bytes of JSON. What is larger is a document.
const LARGEST: usize = 4096;

/// The pause after a fact that could not be recorded.
const AGAIN: Duration = Duration::from_secs(1);

/// The harvest, going on in a task of its own.
#[derive(Debug)]
pub(super) struct Harvest {
    /// The sequence up to which the ledger has been harvested.
    done: watch::Receiver<u64>,
}

impl Harvest {
    /// Goes on at the last message whose facts are in the fact store. `inspector` is whose facts the inspectors keep:
    /// its answers give none.
    pub(super) async fn start(
        bus: &Bus,
        facts: Facts,
        inspector: Name,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        // That message once more: of its facts, some may have been recorded and others not.
        let first = facts.all().await?.iter().filter_map(seq).max().unwrap_or(1);
        let filters = KINDS.map(|kind| bus.space().kind(kind)).to_vec();
        let reader = Reader::open(bus.connection().clone(), Start::Seq(first), filters).await?;
        let (report, done) = watch::channel(first.saturating_sub(1));
        tasks.spawn(async move { stop.run_until_cancelled(harvest(reader, facts, inspector, report)).await });
        Ok(Self { done })
    }

    /// Returns when every message that is stored now has been harvested.
    pub(super) async fn catch_up(&self, bus: &Bus) -> Result<(), Error> {
        let lasts = KINDS.map(|kind| bus.connection().last_under(bus.space().kind(kind)));
        let last = try_join_all(lasts).await?.into_iter().max().unwrap_or(0);
        let mut done = self.done.clone();
        let caught_up = done.wait_for(|done| *done >= last);
        if tokio::time::timeout(PATIENCE, caught_up).await.is_err() {
            let problem = agentbus::Problem::new("unavailable", "the facts from progress reports and answers are not up to date yet");
            return Err(problem.into());
        }
        Ok(())
    }
}

/// Records the facts of each message, and reports how far it has come. It passes over junk, too: nobody waits for that.
async fn harvest(mut reader: Reader, facts: Facts, inspector: Name, report: watch::Sender<u64>) {
    loop {
        if let Step::Entry(entry) = reader.advance().await {
            for fact in found(&entry, &inspector) {
                record(&facts, &fact).await;
            }
        }
        report.send_replace(reader.position().saturating_sub(1));
    }
}

async fn record(facts: &Facts, fact: &Fact) {
    while let Err(error) = renew(facts, fact).await {
        tracing::warn!(%error, key = %fact.key, "a fact from the ledger is not recorded");
        // Only what may pass is worth waiting for: other facts and queries wait behind it.
        if error.kind() != nats::Kind::Unavailable {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Records a fact, unless there is one as new: the ledger is read again after a start, and by every host.
async fn renew(facts: &Facts, fact: &Fact) -> Result<(), nats::Error> {
    match facts.get(&fact.observed_by, &fact.key).await? {
        Some(recorded) if is_as_new(&recorded, fact) => Ok(()),
        _ => facts.put(fact).await,
    }
}

/// Whether what is recorded is as new as what was found. Between two from the ledger, its order decides, and no clock.
fn is_as_new(recorded: &Fact, found: &Fact) -> bool {
    match (seq(recorded), seq(found)) {
        (Some(recorded), Some(found)) => recorded >= found,
        _ => recorded.observed_at >= found.observed_at,
    }
}

fn seq(fact: &Fact) -> Option<u64> {
    fact.extra.get(SEQ).and_then(Value::as_u64)
}

/// The facts of one message.
fn found(entry: &Entry, inspector: &Name) -> Vec<Fact> {
    let mut facts = match &entry.body {
        Ok(Message::Progress(report)) => reported(report, entry),
        Ok(Message::Answer(answer)) => answered(answer, inspector),
        _ => Vec::new(),
    };
    facts.retain(|fact| fact.value.to_string().len() <= LARGEST);
    for fact in &mut facts {
        fact.extra.insert(SEQ.to_owned(), entry.seq.into());
    }
    facts
}

/// The facts of a report: one for each of its fields, under `progress.{field}`. A field whose name begins with `_` is said in
/// passing, as the words of an answer that grows, and is none.
fn reported(report: &Progress, entry: &Entry) -> Vec<Fact> {
    let fact = |(field, value): (&String, &Value)| {
        Some(Fact {
            key: key(field)?,
            value: value.clone(),
            kind: FactKind::Value,
            source: format!("progress report of {} ({}), ledger sequence {}", report.agent, report.status, entry.seq),
            observed_by: report.agent.clone(),
            observed_at: at(entry),
            topics: Vec::new(),
            extra: Extra::new(),
        })
    };
    report.progress.iter().flatten().filter_map(fact).collect()
}

/// The facts of an answer that its writer has observed for it, as they are. Those of others are theirs to tell,
/// and those that come from the fact store are there already, or have been taken out since.
fn answered(answer: &Answer, inspector: &Name) -> Vec<Fact> {
    if answer.outcome != Outcome::Completed || answer.agent == *inspector {
        return Vec::new();
    }
    let is_own = |fact: &&Fact| fact.observed_by == answer.agent && !is_from_the_store(fact);
    answer.facts.iter().filter(is_own).cloned().collect()
}

/// Whether a fact in an answer shows that it was recorded before: harvested, or observed by a probe.
fn is_from_the_store(fact: &Fact) -> bool {
    fact.extra.contains_key(SEQ) || probe::is_probed(fact)
}

fn key(field: &str) -> Option<FactKey> {
    if field.starts_with('_') {
        return None;
    }
    FactKey::slug(&format!("progress.{field}")).filter(|key| key.as_str() != "progress")
}

/// Facts carry whole microseconds at most; the server counts nanoseconds.
fn at(entry: &Entry) -> Timestamp {
    Timestamp::from_microsecond(entry.time.as_microsecond()).unwrap_or(entry.time)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use protocol::{QueryId, Subject, To};
    use serde_json::json;

    const SEEN: &str = "2026-11-21T09:00:00Z";

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn fact(key: &str, by: &str) -> Value {
        json!({ "key": key, "value": 7, "kind": "evidence", "source": "a look", "observed_by": by, "observed_at": SEEN, "topics": ["tests"] })
    }

    fn entry(kind: Kind, body: &Value) -> Entry {
        let (counter, id) = (name("counter"), QueryId::mint());
        Entry {
            seq: 41,
            time: "2026-11-21T10:00:00.000000123Z".parse().unwrap(),
            body: Message::parse(kind, &counter, body.to_string().as_bytes()),
            subject: Subject::new(kind, id, counter, To::One(name("alice"))).unwrap(),
        }
    }

    fn answer(outcome: &str, facts: &Value) -> Entry {
        let mut body = json!({
            "agent": "counter", "attempt": 1, "instance": "i1", "outcome": outcome, "delivery": "Counted.", "facts": facts,
        });
        if outcome != "completed" {
            body["failure"] = json!({ "code": "x", "message": "why" });
        }
        let entry = entry(Kind::Answer, &body);
        assert!(entry.body.is_ok(), "{:?}", entry.body);
        entry
    }

    fn keys(entry: &Entry, inspector: &str) -> Vec<String> {
        found(entry, &name(inspector)).into_iter().map(|fact| fact.key.to_string()).collect()
    }

    #[test]
    fn a_fact_of_an_answer_keeps_its_provenance() {
        let told = fact("tests.count", "counter");
        let expected: Fact = serde_json::from_value(told.clone()).unwrap();
        let mut found = found(&answer("completed", &json!([told])), &name("context-manager"));
        assert_eq!(found[0].extra.remove(SEQ), Some(json!(41)));
        assert_eq!(found, [expected]);
    }

    #[test]
    fn what_an_answer_only_quotes_is_not_taken() {
        let marked = |mark: &str, value: Value| {
            let mut fact = fact("from.store", "counter");
            fact[mark] = value;
            fact
        };
        let mut large = fact("a.document", "counter");
        large["value"] = json!("x".repeat(LARGEST));
        let facts = json!([
            fact("team.size", "alice"),
            fact("own.look", "counter"),
            marked(SEQ, json!(12)),
            marked("expires_at", json!(SEEN)),
            large,
        ]);
        assert_eq!(keys(&answer("completed", &facts), "context-manager"), ["own.look"]);
        assert_eq!(keys(&answer("completed", &facts), "counter"), [""; 0], "the inspectors keep their own");
        for outcome in ["failed", "retry"] {
            assert_eq!(keys(&answer(outcome, &facts), "context-manager"), [""; 0], "{outcome}");
        }
        let forged = json!({ "agent": "alice", "attempt": 1, "instance": "i1", "outcome": "completed", "delivery": "x", "facts": facts });
        assert_eq!(keys(&entry(Kind::Answer, &forged), "context-manager"), [""; 0], "it says that somebody else wrote it");
    }

    #[test]
    fn a_report_gives_a_fact_for_each_field() {
        let report = json!({ "agent": "counter", "status": "counting", "progress": { "Files counted": 7, "…": 1, "_text": "so" } });
        let found = found(&entry(Kind::Progress, &report), &name("context-manager"));
        let fact = &found[0];
        assert_eq!((found.len(), fact.key.as_str(), &fact.value, seq(fact)), (1, "progress.files_counted", &json!(7), Some(41)));
        assert_eq!((fact.observed_by.as_str(), fact.observed_at.to_string().as_str()), ("counter", "2026-11-21T10:00:00Z"));
        assert_eq!(fact.source, "progress report of counter (counting), ledger sequence 41");
    }

    #[test]
    fn a_newer_fact_stays() {
        let at = |seq: Option<u64>, observed_at: &str| {
            let mut fact: Fact = serde_json::from_value(fact("a.b", "counter")).unwrap();
            fact.observed_at = observed_at.parse().unwrap();
            fact.extra.extend(seq.map(|seq| (SEQ.to_owned(), seq.into())));
            fact
        };
        let (early, late) = ("2026-11-21T08:00:00Z", "2026-11-21T10:00:00Z");
        assert!(!is_as_new(&at(Some(40), late), &at(Some(41), early)), "whatever the clocks say");
        assert!(is_as_new(&at(Some(41), early), &at(Some(41), late)));
        assert!(is_as_new(&at(Some(42), early), &at(Some(41), late)));
        assert!(is_as_new(&at(None, late), &at(Some(41), early)), "stated or probed since");
        assert!(!is_as_new(&at(None, early), &at(Some(41), late)));
    }
}
