//! Faults that need a laboratory of their own: what they do to the server, the others must not see.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    full::Full,
    nodes::Nodes,
    report::Report,
    round::{self, PROBE},
};
use crate::{
    Lab, Plan, Store, Sync,
    checker::{self, Verdict, Violation},
    faults::Fault,
    plain::Ask,
    random::Random,
};

/// Room for the store that the power cut strikes, in MiB.
const DISK: u64 = 256;

/// Faults with a laboratory of their own.
pub(super) const SPECIAL: &[Fault] = &[Fault::F4, Fault::F9, Fault::F26];

/// Makes one of these, and takes it into the report.
pub(super) async fn special(fault: Fault, seed: u64, binaries: &Path, report: &mut Report) {
    let begun = Instant::now();
    let mut random = Random::new(seed);
    match fault {
        Fault::F9 => {
            let mut full = Full::start(Some(binaries)).await;
            let (verdict, recovery) = full.recover().await;
            conclude(fault, seed, begun, (verdict, recovery), &mut full.lab, report);
        }
        Fault::F26 => {
            let mut nodes = Nodes::start(binaries).await;
            let (verdict, recovery) = nodes.strike(&mut random).await;
            conclude(fault, seed, begun, (verdict, recovery), &mut nodes.lab, report);
        }
        _ => {
            let load = Duration::from_millis(random.between(2000, 6000));
            let mut cut = PowerCut::strike(Sync::Always, load, Some(binaries)).await;
            let (verdict, recovery) = cut.recover().await;
            conclude(fault, seed, begun, (verdict, recovery), &mut cut.lab, report);
        }
    }
}

fn conclude(fault: Fault, seed: u64, begun: Instant, found: (Verdict, Duration), lab: &mut Lab, report: &mut Report) {
    let (verdict, recovery) = found;
    let recovery_ms = u64::try_from(recovery.as_millis()).unwrap_or(u64::MAX);
    super::tell(&format!("  back after {recovery_ms} ms"));
    round::conclude_one(report, fault, &verdict, recovery_ms, seed);
    report.add(round::summed(seed, begun, vec![fault.to_string()], verdict, lab));
}

/// F4: a laboratory whose power was cut under load: its server goes on with what had reached the disk.
#[derive(Debug)]
pub struct PowerCut {
    /// The laboratory.
    pub lab: Lab,
    restarted: Instant,
    // In this order they are unmounted and removed.
    _disks: [Store; 2],
    _folder: TempDir,
}

impl PowerCut {
    /// Freezes the server under load, copies what has reached its disk, and starts it on the copy.
    ///
    /// # Panics
    /// Where a store cannot be mounted, or a part does not start.
    pub async fn strike(sync: Sync, load: Duration, binaries: Option<&Path>) -> Self {
        let folder = tempfile::Builder::new().prefix("disk-").tempdir().expect("a temporary folder");
        let disk = Store::image(&folder.path().join("before"), DISK);
        let plan = Plan { sync, binaries: binaries.map(Path::to_owned), ..Plan::default().store(disk.path().join("store")) };
        let mut lab = Lab::start(plan).await;
        lab.add_client(&["--rate", "60", "--text", "echo hello", "--text", "sleep 200"]);
        tokio::time::sleep(load).await;
        lab.node().part().stop();
        let after = disk.after_power_cut(&folder.path().join("after"));
        lab.node().part().kill();
        lab.node().move_store(&after.path().join("store"));
        lab.node().restart();
        Self { lab, restarted: Instant::now(), _disks: [after, disk], _folder: folder }
    }

    /// Waits until a query is answered again and everything has ended; says what the judge found, and how long the
    /// first answer took.
    ///
    /// # Panics
    /// When the streams cannot be read.
    pub async fn recover(&mut self) -> (Verdict, Duration) {
        let probe = self.lab.plain("probe").await.impatient(PROBE);
        let answered = probe.ask(&Ask::probe(), Duration::from_secs(30)).await;
        let recovery = self.restarted.elapsed();
        let mut verdict = self.lab.settle().await;
        if let Err(what) = answered {
            verdict.violations.push(Violation { rule: "I5", id: String::new(), what });
        }
        (verdict, recovery)
    }

    /// What the judge finds at once, without waiting for anything to recover: for the control, which does not.
    ///
    /// # Panics
    /// When the streams cannot be read.
    pub async fn judge(&mut self) -> Verdict {
        self.lab.clients.iter_mut().for_each(|client| client.part.kill());
        checker::judge(&self.lab.evidence().await)
    }
}
