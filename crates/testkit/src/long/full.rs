//! F9: more is posted than the ledger takes, all of it open at first.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::time::sleep;

use crate::{
    Lab, Plan, Store,
    checker::{Verdict, Violation, lines},
};

/// How many queries are posted, and how much each carries beside its text, in bytes: more than fits.
const QUERIES: usize = 60;
const PAD: &str = "200000";

/// How long the ledger may stay full.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server's words for a store that takes nothing more.
const NO_ROOM: [u64; 3] = [10_023, 10_047, 10_077];

/// A laboratory whose ledger gets full.
#[derive(Debug)]
pub struct Full {
    /// The laboratory.
    pub lab: Lab,
    /// How many were refused when it was found to be full.
    begun: Instant,
}

impl Full {
    /// One whose ledger may take 8 MiB, and what has ended leaves it after 2 s. Posts without end until it has been
    /// refused.
    ///
    /// # Panics
    /// When a part does not start, or nothing is ever refused.
    pub async fn start(binaries: Option<&Path>) -> Self {
        let options = ["--max-size", "8MiB", "--archive-after", "2s"];
        let plan = Plan { binaries: binaries.map(Path::to_owned), ..Plan::default().capacity(2).options(&options) };
        let full = Self::posting(plan).await;
        full.refused();
        full
    }

    /// One whose disk takes `disk` and no more.
    ///
    /// # Panics
    /// When a part does not start.
    pub async fn on(disk: &Store) -> Self {
        let plan = Plan::default().store(disk.path().join("store")).options(&["--max-size", "256MiB"]);
        Self::posting(plan).await
    }

    async fn posting(plan: Plan) -> Self {
        let mut lab = Lab::start(plan).await;
        let count = QUERIES.to_string();
        lab.add_client(&["--count", &count, "--rate", "100", "--inflight", &count, "--pad", PAD, "--text", "sleep 100"]);
        Self { lab, begun: Instant::now() }
    }

    /// What the client was told, of one kind.
    #[must_use]
    pub fn told(&self, event: &str) -> Vec<Value> {
        lines(&self.lab.path().join("client-1.jsonl")).into_iter().filter(|line| line["event"] == event).collect()
    }

    /// Waits until the client has been refused for want of room.
    ///
    /// # Panics
    /// When that does not happen, or the server gives another reason.
    fn refused(&self) {
        let refused =
            crate::eventually("a refusal", || self.told("refused").into_iter().next().ok_or_else(|| self.told("acknowledged").len()));
        let code = refused["code"].as_u64().expect("a code of the server");
        assert!(NO_ROOM.contains(&code), "{refused}");
    }

    /// Waits until everything is stored after all and has ended, and has it judged. Says how long it took from the
    /// first query on.
    ///
    /// # Panics
    /// When the streams cannot be read.
    pub async fn recover(&mut self) -> (Verdict, Duration) {
        while self.told("acknowledged").len() < QUERIES && self.begun.elapsed() < PATIENCE {
            sleep(Duration::from_millis(100)).await;
        }
        let recovery = self.begun.elapsed();
        let mut verdict = self.lab.settle().await;
        if verdict.acknowledged.len() < QUERIES {
            let what = format!("it did not heal: {} of {QUERIES} were stored within {PATIENCE:?}", verdict.acknowledged.len());
            verdict.violations.push(Violation { rule: "F9", id: String::new(), what });
        }
        (verdict, recovery)
    }
}
