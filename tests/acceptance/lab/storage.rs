//! Stores that fail: a power cut, and a ledger that is full.

use std::time::{Duration, Instant};

use testkit::{
    Process, Store, Sync,
    long::{Full, PowerCut},
};

const LOAD: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f4_after_a_power_cut_nothing_acknowledged_is_lost() {
    let (verdict, _) = PowerCut::strike(Sync::Always, LOAD, None).await.recover().await;
    verdict.demand();
    assert!(verdict.acknowledged.len() > 20, "{}", verdict.acknowledged.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f4_with_a_sync_every_two_minutes_the_judge_finds_what_was_lost() {
    let verdict = PowerCut::strike(Sync::TwoMinutes, LOAD, None).await.judge().await;
    assert!(!verdict.lost.is_empty(), "a control that cannot fail proves nothing: {verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f9_a_ledger_that_is_full_says_so_ends_what_is_open_and_heals() {
    let mut full = Full::start(None).await;
    let begun = Instant::now();
    let said = testkit::eventually("the cause", || {
        let doctor = Process::run(&mut full.lab.agentbus_here(&["doctor"]));
        let said = format!("{}{}", doctor.stdout, doctor.stderr);
        if said.contains("full") { Ok(said) } else { Err(said) }
    });
    assert!(begun.elapsed() < Duration::from_secs(5), "after {:?}: {said}", begun.elapsed());
    let asked = Process::run(&mut full.lab.agentbus_here(&["ask", "--json", "--to", "worker", "echo hello"]));
    assert!(asked.code != Some(0) && asked.stdout.contains("storage_full"), "{asked:?}");
    full.recover().await.0.demand();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f9_a_disk_that_is_full_loses_nothing_and_goes_on_when_there_is_room_and_a_new_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Store::memory(&folder.path().join("disk"), 8);
    let mut full = Full::on(&disk).await;
    // This server says nothing when its disk is full: nobody knows what became of a query.
    testkit::eventually("something unknown", || full.told("unknown").into_iter().next().ok_or_else(|| full.told("acknowledged").len()));
    disk.grow(64);
    // Its store stands still until it is started again; 'up' does that by itself.
    full.lab.node().part().kill();
    full.lab.node().restart();
    full.recover().await.0.demand();
}
