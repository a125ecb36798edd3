//! F26: a cluster of three nodes, of which one after another is killed or frozen under load; and a minority,
//! which must not say that anything is stored.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::round::PROBE;
use crate::{
    Cluster, Lab, Plain, Plan,
    checker::{Verdict, Violation},
    plain::{Ask, Sent},
    random::Random,
};

/// How often a node is struck.
const STRIKES: usize = 4;

/// How long a cluster may take to answer again while one node is away.
const PATIENCE: Duration = Duration::from_secs(30);

/// A laboratory on a cluster.
#[derive(Debug)]
pub(super) struct Nodes {
    /// The laboratory.
    pub(super) lab: Lab,
    // After the laboratory: its parts end before their servers.
    cluster: Cluster,
}

impl Nodes {
    /// Two coordinators, two hosts and a client on three nodes with three copies of everything.
    ///
    /// # Panics
    /// When a part does not start.
    pub(super) async fn start(binaries: &Path) -> Self {
        let cluster = Cluster::start().await;
        let plan = Plan {
            elsewhere: Some(cluster.urls()),
            binaries: Some(binaries.to_owned()),
            ..Plan::default().coordinators(2).hosts(2).options(&["--replicas", "3"])
        };
        let mut lab = Lab::start(plan).await;
        cluster.settled().await;
        lab.add_client(&["--rate", "20", "--text", "echo hello", "--text", "sleep 200", "--text", "progress 3"]);
        Self { lab, cluster }
    }

    /// Kills and freezes nodes, then cuts off a minority; says what the judge found, and the longest time until a query
    /// was answered again.
    ///
    /// # Panics
    /// When the cluster does not come together again.
    pub(super) async fn strike(&mut self, random: &mut Random) -> (Verdict, Duration) {
        let probe = self.lab.plain("probe").await.impatient(PROBE);
        let (mut worst, mut broken) = (Duration::ZERO, Vec::new());
        for _ in 0..STRIKES {
            let node = usize::try_from(random.below(3)).unwrap_or_default();
            let kills = random.below(2) == 0;
            if kills {
                self.cluster.kill(node)
            } else {
                self.cluster.freeze(node)
            }
            let struck = Instant::now();
            if probe.ask(&Ask::probe(), PATIENCE).await.is_err() {
                broken.push(format!("with node {node} away nothing was answered within {PATIENCE:?}"));
            }
            let took = struck.elapsed();
            super::tell(&format!("  node {node} {}: an answer after {} ms", if kills { "killed" } else { "frozen" }, took.as_millis()));
            worst = worst.max(took);
            sleep(Duration::from_millis(random.between(500, 2000))).await;
            if kills {
                self.cluster.restart(node)
            } else {
                self.cluster.thaw(node)
            }
            self.cluster.settled().await;
        }
        broken.extend(self.minority(random).await);
        let mut verdict = self.lab.settle().await;
        verdict.violations.extend(broken.into_iter().map(|what| Violation { rule: "F26", id: String::new(), what }));
        (verdict, worst)
    }

    /// With two nodes frozen, the third one must acknowledge nothing.
    async fn minority(&self, random: &mut Random) -> Option<String> {
        let alone = usize::try_from(random.below(3)).unwrap_or_default();
        let plain = Plain::patiently(&self.cluster.url(alone), "minority").await;
        let others: Vec<usize> = (0..3).filter(|node| *node != alone).collect();
        others.iter().for_each(|node| self.cluster.freeze(*node));
        let sent = plain.post(&Ask::new("worker", "echo minority")).await;
        others.iter().for_each(|node| self.cluster.thaw(*node));
        self.cluster.settled().await;
        matches!(sent, Sent::Stored(_)).then(|| format!("node {alone} acknowledged a query alone"))
    }
}
