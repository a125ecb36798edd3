//! What the context handler knows at the moment of a query: the fact store, brought up to date
//! with the working repository and with what agents have reported and answered.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use agentbus::{Bus, Done, Error, Fact, FactKey, Facts, Fault, Name, Task};
use jiff::Timestamp;
use roster::MayCost;
use tokio::sync::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{answer, experts::consult, harvest::Harvest};
use crate::{
    exec::nests_too_deeply,
    inspect::inspect,
    probe::{self, Probes},
};

/// How old an inspection may be before a query makes a new one.
const FRESH: Duration = Duration::from_secs(30);

/// The facts that this process can answer from. Shared by every agent that it serves.
#[derive(Debug)]
pub struct Library {
    facts: Facts,
    harvest: Harvest,
    workdir: PathBuf,
    observer: Name,
    /// Each query runs those that there were when it came.
    probes: RwLock<Arc<Probes>>,
    inspected: Mutex<Option<Instant>>,
}

impl Library {
    /// Opens the fact store and begins to harvest progress reports and answers. `observer` signs what the
    /// inspectors find in `workdir`. It has no probes yet ([`Library::take_up`]).
    ///
    /// # Errors
    /// `no_ledger`, `unavailable`.
    pub(crate) async fn open(
        bus: &Bus,
        workdir: PathBuf,
        observer: Name,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Arc<Self>, Error> {
        let facts = bus.facts().await?;
        let harvest = Harvest::start(bus, facts.clone(), observer.clone(), tasks, stop).await?;
        Ok(Arc::new(Self { facts, harvest, workdir, observer, probes: RwLock::default(), inspected: Mutex::new(None) }))
    }

    /// From here on, queries run these probes when they ask for what these observe.
    pub(crate) fn take_up(&self, probes: Probes) {
        *self.probes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(probes);
    }

    fn probes(&self) -> Arc<Probes> {
        self.probes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers a query from facts. With `may_cost`, what no fact answers is asked of other agents; of those that may
    /// cost money, only the ones that it allows.
    pub(crate) async fn answer(&self, task: Task, may_cost: Option<&MayCost>) -> Result<Done, Fault> {
        let asked = Timestamp::now();
        self.refresh(&task).await?;
        task.progress("reading facts", agentbus::protocol::Extra::new()).await?;
        self.harvest.catch_up(task.bus()).await?;
        let mut facts = self.facts.all().await.map_err(Error::from)?;
        let probes = self.probes();
        if probes.are_due(task.text(), &facts, asked) {
            task.progress("running probes", agentbus::protocol::Extra::new()).await?;
            facts = probes.run(task.text(), &self.facts, asked).await?;
        }
        facts.retain(|fact| !probe::is_stale(fact, asked) && is_sayable(fact));
        let mut answered = answer(task.text(), &facts, &[]);
        if let Some(may_cost) = may_cost {
            let consulted = consult(&task, &answered.unknown, may_cost).await;
            if !consulted.given.is_empty() {
                facts.retain(|fact| !consulted.renews(fact));
                answered = answer(task.text(), &facts, &consulted.given);
            }
            answered.delivery.push_str(&consulted.sentences());
            consulted.add_to(&mut answered.result);
        }
        let done = Done::new(answered.delivery).result(answered.result);
        Ok(Done { facts: answered.facts, unknown: answered.unknown, ..done })
    }

    /// Inspects the repository, unless that was done a moment ago. One at a time.
    async fn refresh(&self, task: &Task) -> Result<(), Fault> {
        let mut inspected = self.inspected.lock().await;
        if inspected.is_some_and(|at| at.elapsed() < FRESH) {
            return Ok(());
        }
        task.progress("inspecting the repository", agentbus::protocol::Extra::new()).await?;
        let (workdir, observer) = (self.workdir.clone(), self.observer.clone());
        let inspection = tokio::task::spawn_blocking(move || inspect(&workdir, Timestamp::now(), &observer)).await;
        let inspection = inspection.map_err(|error| Fault::retry("inspection_failed", error.to_string()))?;
        for skipped in &inspection.skipped {
            tracing::info!(%skipped, "an inspector passed over something");
        }
        self.record(inspection.facts).await?;
        *inspected = Some(Instant::now());
        Ok(())
    }

    /// Records what has changed. A fact that is as it was keeps the time when it was first
    /// observed so: the same repository gives the same answer.
    async fn record(&self, found: Vec<Fact>) -> Result<(), Error> {
        let before: BTreeMap<FactKey, Fact> = self
            .facts
            .all()
            .await?
            .into_iter()
            .filter(|fact| fact.observed_by == self.observer && !probe::is_probed(fact))
            .map(|fact| (fact.key.clone(), fact))
            .collect();
        for fact in &found {
            if !before.get(&fact.key).is_some_and(|known| is_same(known, fact)) {
                self.facts.put(fact).await?;
            }
        }
        for key in before.keys().filter(|key| !found.iter().any(|fact| fact.key == **key)) {
            self.facts.remove(&self.observer, key).await?;
        }
        Ok(())
    }
}

/// Whether an answer can quote a fact: one that nests too deeply would make it no valid message.
fn is_sayable(fact: &Fact) -> bool {
    let sayable = !nests_too_deeply(&fact.value);
    if !sayable {
        tracing::warn!(key = %fact.key, observer = %fact.observed_by, "a fact nests too deeply to be quoted; passed over");
    }
    sayable
}

fn is_same(known: &Fact, found: &Fact) -> bool {
    *known == Fact { observed_at: known.observed_at, ..found.clone() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use protocol::{Kind, Message};
    use serde_json::{Value, json};

    /// A fact whose value is an array in an array, and so on: so many.
    fn nested(levels: usize) -> Fact {
        let value = (0..levels).fold(json!(1), |value, _| Value::Array(vec![value]));
        let fact =
            json!({ "key": "a.b", "value": value, "source": "a look", "observed_by": "alice", "observed_at": "2026-11-21T09:00:00Z" });
        serde_json::from_value(fact).unwrap()
    }

    /// The answer that quotes a fact, as a reader of the bus finds it.
    fn is_read(fact: Fact) -> bool {
        let answered = answer("a b", &[fact], &[]);
        let body = json!({
            "agent": "manager", "attempt": 1, "instance": "i1", "outcome": "completed",
            "delivery": answered.delivery, "result": answered.result, "facts": answered.facts,
        });
        Message::parse(Kind::Answer, &"manager".parse().unwrap(), body.to_string().as_bytes()).is_ok()
    }

    #[test]
    fn what_is_said_is_read_and_what_nests_too_deeply_is_not_said() {
        let deepest = (1..100).take_while(|levels| is_sayable(&nested(*levels))).last().unwrap();
        assert!(deepest > 50 && is_read(nested(deepest)), "{deepest}");
        // Without the limit there are facts that no answer can hold.
        assert!(!is_read(nested(60)) && !is_sayable(&nested(60)));
    }
}
