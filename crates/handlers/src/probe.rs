//! Probes: commands of a definition whose output becomes a fact.
//!
//! Owns when a probe runs, and for how long what it printed is good. A probe runs when a query asks for
//! what it observes and the fact in the store is older than its time to live (none: it runs for
//! every such query). What it prints is the value: as JSON where it is JSON, else as text. A probe that
//! fails, prints nothing, or is not trusted gives no fact, and takes back the one that it gave before: a
//! value is never passed off as current when it is not.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use agentbus::{Error, Fact, FactKey, Facts, Name, protocol::Extra};
use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use roster::Definition;
use serde_json::Value;

use crate::{
    context::{Subject, Topic, topics},
    exec::{
        nests_too_deeply, now,
        process::{Groups, Input, Launch, Line, Process, TooMuch},
    },
    trust::Gate,
};

/// How long all probes of one query may take together.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The most that a probe may print, in bytes: 64 KiB.
const OUTPUT_LIMIT: u64 = 64 << 10;

/// How many probes run at once.
const AT_ONCE: usize = 8;

/// How long a probe that failed is left alone, so that it does not hold up every query.
const LEFT_ALONE: Duration = Duration::from_secs(30);

/// Where a fact says until when it is good.
const EXPIRES: &str = "expires_at";

/// The probes of the definitions that one process serves.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    probes: Vec<Arc<Probe>>,
    /// When a probe, by its place in the list, has failed last.
    failed: Mutex<HashMap<usize, Instant>>,
    /// Held while probes run: queries that come meanwhile share what they find.
    turn: tokio::sync::Mutex<()>,
}

/// One probe.
#[derive(Debug)]
struct Probe {
    agent: Name,
    key: FactKey,
    probe: roster::Probe,
    env: BTreeMap<String, String>,
    workdir: PathBuf,
    gate: Arc<Gate>,
    groups: Groups,
}

/// Why a probe gave no fact.
#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error(transparent)]
    Untrusted(#[from] crate::trust::Untrusted),
    #[error(transparent)]
    NotStarted(#[from] crate::exec::process::StartError),
    #[error("it took longer than {TIME_LIMIT:?}")]
    TooLong,
    #[error("the other probes of the query took all of the {TIME_LIMIT:?}")]
    NoTime,
    #[error("it printed more than {OUTPUT_LIMIT} bytes")]
    TooMuch,
    #[error("{status}{because}", because = if stderr.is_empty() { String::new() } else { format!(": {stderr}") })]
    Failed { status: String, stderr: String },
    #[error("it printed nothing")]
    Nothing,
    #[error("what it printed nests too deeply for a fact")]
    TooDeep,
}

/// Whether a fact is the output of a probe.
pub(crate) fn is_probed(fact: &Fact) -> bool {
    fact.extra.contains_key(EXPIRES)
}

/// Whether a fact says that it is no longer good.
pub(crate) fn is_stale(fact: &Fact, now: Timestamp) -> bool {
    is_probed(fact) && expiry(fact).is_none_or(|expiry| expiry < now)
}

fn expiry(fact: &Fact) -> Option<Timestamp> {
    fact.extra.get(EXPIRES)?.as_str()?.parse().ok()
}

impl Probes {
    /// Adds the probes of a definition.
    pub(crate) fn add(&mut self, definition: &Definition, workdir: &std::path::Path, gate: &Arc<Gate>, groups: &Groups) {
        let probe = |(key, probe): (&FactKey, &roster::Probe)| Probe {
            agent: definition.name.clone(),
            key: key.clone(),
            probe: probe.clone(),
            env: definition.bus.env.clone().unwrap_or_default(),
            workdir: workdir.to_owned(),
            gate: gate.clone(),
            groups: groups.clone(),
        };
        self.probes.extend(definition.bus.probes.iter().flatten().map(probe).map(Arc::new));
    }

    /// Whether a query that was asked then needs a probe to run, given the facts that there are.
    pub(crate) fn are_due(&self, text: &str, facts: &[Fact], asked: Timestamp) -> bool {
        !self.probes.is_empty() && !self.due(&topics(text), facts, asked).is_empty()
    }

    /// Runs what is due, and returns all facts as they are then.
    pub(crate) async fn run(&self, text: &str, store: &Facts, asked: Timestamp) -> Result<Vec<Fact>, Error> {
        let _turn = self.turn.lock().await;
        let facts = store.all().await?;
        let until = Instant::now() + TIME_LIMIT;
        let due = self.due(&topics(text), &facts, asked);
        let runs = due.into_iter().map(|(index, probe)| async move {
            let outcome = probe.observe(until).await;
            (index, probe, outcome)
        });
        let found: Vec<_> = stream::iter(runs).buffer_unordered(AT_ONCE).collect().await;
        for (index, probe, outcome) in found {
            match outcome {
                Ok(value) => store.put(&probe.fact(value, now())).await?,
                Err(error) => {
                    tracing::warn!(agent = %probe.agent, probe = %probe.key, %error, "a probe gave no fact");
                    // One that others left no time to run has not failed.
                    if !matches!(error, ProbeError::NoTime) {
                        self.failed.lock().unwrap_or_else(PoisonError::into_inner).insert(index, Instant::now());
                    }
                    store.remove(&probe.agent, &probe.key).await?;
                }
            }
        }
        Ok(store.all().await?)
    }

    /// The probes that bear on a topic, whose fact is not good any more, and that did not fail just now.
    fn due(&self, topics: &[Topic], facts: &[Fact], asked: Timestamp) -> Vec<(usize, Arc<Probe>)> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let alone = |index: &usize| failed.get(index).is_some_and(|at| at.elapsed() < LEFT_ALONE);
        let due = |(index, probe): &(usize, Arc<Probe>)| {
            probe.bears_on(topics) && !alone(index) && !facts.iter().any(|fact| probe.gave(fact) && !is_stale(fact, asked))
        };
        self.probes.iter().cloned().enumerate().filter(due).collect()
    }
}

impl Probe {
    /// The fact that this value makes.
    fn fact(&self, value: Value, now: Timestamp) -> Fact {
        let good_for = self.probe.ttl.and_then(|ttl| SignedDuration::try_from(ttl).ok()).unwrap_or_default();
        let expiry = now.checked_add(good_for).unwrap_or(Timestamp::MAX);
        Fact {
            key: self.key.clone(),
            value,
            kind: self.probe.kind,
            source: format!("probe: {} (agent {})", self.probe.command, self.agent),
            observed_by: self.agent.clone(),
            observed_at: now,
            topics: self.probe.topics.clone(),
            extra: Extra::from_iter([(EXPIRES.to_owned(), expiry.to_string().into())]),
        }
    }

    /// Whether a fact came from this probe as it is defined now.
    fn gave(&self, fact: &Fact) -> bool {
        let same = self.fact(Value::Null, fact.observed_at);
        *fact == Fact { value: fact.value.clone(), ..same }
    }

    fn bears_on(&self, topics: &[Topic]) -> bool {
        let fact = self.fact(Value::Null, Timestamp::UNIX_EPOCH);
        let subject = Subject::new(&fact);
        topics.iter().any(|topic| subject.bearing(topic).is_some())
    }

    /// Runs the command, but no longer than until then.
    async fn observe(&self, until: Instant) -> Result<Value, ProbeError> {
        if Instant::now() >= until {
            return Err(ProbeError::NoTime);
        }
        let observed = tokio::time::timeout_at(until.into(), self.output()).await;
        value(&observed.unwrap_or(Err(ProbeError::TooLong))?)
    }

    async fn output(&self) -> Result<String, ProbeError> {
        self.gate.check().await?;
        let launch = Launch {
            command: self.probe.command.clone(),
            env: self.env.clone(),
            pass: Vec::new(),
            own: vec![("AGENTBUS_AGENT", self.agent.to_string())],
            workdir: self.workdir.clone(),
            memory: None,
            mark: None,
        };
        let mut process = Process::start(&launch, Input::default(), OUTPUT_LIMIT, &self.groups)?;
        let mut output = String::new();
        while let Some(Line::Whole(line) | Line::Cut(line)) = process.line().await.map_err(|TooMuch(_)| ProbeError::TooMuch)? {
            output.push_str(&line);
            output.push('\n');
        }
        match process.status().await {
            Ok(status) if status.success() => Ok(output),
            Ok(status) => Err(failed(&status.to_string(), &process.stderr())),
            Err(error) => Err(failed(&error.to_string(), "")),
        }
    }
}

fn failed(status: &str, stderr: &str) -> ProbeError {
    let last = stderr.lines().rev().map(str::trim).find(|line| !line.is_empty());
    ProbeError::Failed { status: status.to_owned(), stderr: last.unwrap_or_default().chars().take(200).collect() }
}

fn value(output: &str) -> Result<Value, ProbeError> {
    let output = output.trim();
    if output.is_empty() {
        return Err(ProbeError::Nothing);
    }
    let value = serde_json::from_str(output).unwrap_or_else(|_| Value::String(output.to_owned()));
    if nests_too_deeply(&value) { Err(ProbeError::TooDeep) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::trust::{Grant, Record};
    use serde_json::json;
    use std::{fs, path::Path};

    const ASKED: &str = "2026-11-21T09:00:00Z";

    fn probes(folder: &Path, block: &str) -> Probes {
        let path = folder.join("counter.md");
        let text = format!("---\nname: counter\nbus:\n  probes:\n    team.size: {block}\n---\n");
        fs::write(&path, &text).unwrap();
        let definition = roster::parse(&path, &text).0.unwrap();
        let record = folder.join("trust.json");
        Record::change(&record, |record| record.allow(Grant::of(&definition, folder).into_iter().collect())).unwrap();
        let gate = Arc::new(Gate::new(&definition, folder.to_owned(), record));
        let mut probes = Probes::default();
        probes.add(&definition, folder, &gate, &Groups::new(None));
        probes
    }

    async fn observe(block: &str, limit: Duration) -> Result<Value, String> {
        let folder = tempfile::tempdir().unwrap();
        let probes = probes(folder.path(), block);
        probes.probes[0].observe(Instant::now() + limit).await.map_err(|error| error.to_string())
    }

    #[rstest::rstest]
    #[case("{command: 'echo \" 12 \"'}", json!(12))]
    #[case("{command: [printf, '{\"a\": [1]}\n']}", json!({ "a": [1] }))]
    #[case("{command: 'echo twelve; echo or so'}", json!("twelve\nor so"))]
    #[tokio::test]
    async fn the_output_is_the_value(#[case] block: &str, #[case] expected: Value) {
        assert_eq!(observe(block, TIME_LIMIT).await, Ok(expected));
    }

    #[rstest::rstest]
    #[case("{command: 'echo 12; echo no staff >&2; exit 3'}", "exit status: 3: no staff")]
    #[case("{command: 'true'}", "printed nothing")]
    #[case("{command: [no-such-program]}", "no program 'no-such-program'")]
    #[case("{command: 'yes'}", "more than 65536 bytes")]
    #[case("{command: 'kill -9 $$'}", "signal: 9")]
    #[case("{command: 'printf %0100d | tr 0 [; echo 1; printf %0100d | tr 0 ]'}", "nests too deeply")]
    #[tokio::test]
    async fn a_probe_that_fails_gives_nothing(#[case] block: &str, #[case] says: &str) {
        let error = observe(block, TIME_LIMIT).await.unwrap_err();
        assert!(error.contains(says), "{error}");
    }

    #[tokio::test]
    async fn a_probe_that_hangs_is_ended() {
        let error = observe("{command: 'sleep 60'}", Duration::from_millis(100)).await.unwrap_err();
        assert!(error.contains("longer"), "{error}");
    }

    #[tokio::test]
    async fn a_probe_for_which_no_time_is_left_does_not_run() {
        let error = observe("{command: 'echo 1'}", Duration::ZERO).await.unwrap_err();
        assert!(error.contains("the other probes"), "{error}");
    }

    #[test]
    fn a_probe_is_due_when_it_is_asked_for_and_its_fact_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let probes = probes(folder.path(), "{command: 'echo 12', ttl: 1h, topics: [head count]}");
        let asked: Timestamp = ASKED.parse().unwrap();
        let ago = |hours| probes.probes[0].fact(json!(12), asked - SignedDuration::from_hours(hours));
        assert!(probes.are_due("team size", &[], asked) && probes.are_due("head count", &[], asked));
        assert!(!probes.are_due("budget", &[], asked));
        assert!(!probes.are_due("team size", &[ago(0)], asked));
        assert!(probes.are_due("team size", &[ago(2)], asked) && is_stale(&ago(2), asked) && !is_stale(&ago(0), asked));
        let other = Fact { source: "probe: another command".to_owned(), ..ago(0) };
        assert!(probes.are_due("team size", &[other], asked));
        probes.failed.lock().unwrap().insert(0, Instant::now());
        assert!(!probes.are_due("team size", &[], asked));
    }

    #[test]
    fn a_probe_without_a_time_to_live_is_good_for_the_query_that_it_ran_for() {
        let folder = tempfile::tempdir().unwrap();
        let probes = probes(folder.path(), "{command: 'echo 12', kind: evidence}");
        let asked: Timestamp = ASKED.parse().unwrap();
        let fact = probes.probes[0].fact(json!(12), asked + SignedDuration::from_millis(5));
        assert_eq!((fact.source.as_str(), fact.observed_by.as_str()), ("probe: echo 12 (agent counter)", "counter"));
        assert_eq!(fact.kind, agentbus::FactKind::Evidence);
        assert!(!is_stale(&fact, asked) && is_stale(&fact, asked + SignedDuration::from_secs(1)));
    }
}
