//! Faults that need a laboratory of their own: what they do to the server, the others must not see.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use super::{
    report::Report,
    round::{self, PROBE},
};
use crate::{Lab, Plain, Plan, Store, Sync, checker::Verdict, faults::Fault, plain::Ask, random::Random};

/// Room for the store that the power cut strikes, in MiB.
const DISK: u64 = 256;

/// The power cut, and takes it into the report.
pub(super) async fn power_cut_round(seed: u64, binaries: &Path, report: &mut Report) {
    let begun = Instant::now();
    let mut random = Random::new(seed);
    let load = Duration::from_millis(random.between(2000, 6000));
    let (mut lab, verdict, recovery, _disk) = power_cut(Sync::Always, load, Some(binaries)).await;
    round::conclude_one(report, Fault::F4, &verdict, u64::try_from(recovery.as_millis()).unwrap_or(u64::MAX), seed);
    report.add(round::summed(seed, begun, vec![Fault::F4.to_string()], verdict, &mut lab));
}

/// The disks before and after a power cut, with the folder that they are mounted in.
pub type Disks = (Store, Store, tempfile::TempDir);

/// F4: under load the server is frozen, what has reached its disk is copied, and it goes on with the copy. Says
/// what the judge found, and how long after that the first query was answered.
///
/// # Panics
/// Where a store cannot be mounted, or a part does not start.
pub async fn power_cut(sync: Sync, load: Duration, binaries: Option<&Path>) -> (Lab, Verdict, Duration, Disks) {
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
    let restarted = Instant::now();
    let probe = lab.plain("probe").await.impatient(PROBE);
    let answered = probe.ask(&Ask::probe(), Duration::from_secs(30)).await;
    let recovery = restarted.elapsed();
    let mut verdict = lab.settle().await;
    if let Err(why) = answered {
        verdict.violations.push(crate::checker::Violation { rule: "I5", id: String::new(), what: why });
    }
    (lab, verdict, recovery, (after, disk, folder))
}

/// Whether a query is answered on this connection.
#[must_use]
pub async fn answers(plain: &Plain, within: Duration) -> bool {
    plain.ask(&Ask::probe(), within).await.is_ok_and(|record| record["state"] == "completed")
}
