//! Stores that fail: a power cut, and a ledger that is full.

use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{Lab, Plan, Process, Store, Sync, long::PowerCut};

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

/// How much each query of the load carries, in bytes.
const PAD: &str = "200000";

fn told(lab: &Lab, event: &str) -> Vec<Value> {
    let lines = testkit::checker::lines(&lab.path().join("client-1.jsonl"));
    lines.into_iter().filter(|line| line["event"] == event).collect()
}

/// Waits until the client was refused for want of room; says when.
fn until_full(lab: &Lab) -> u64 {
    let refused =
        testkit::eventually("a refusal", || told(lab, "refused").into_iter().next().ok_or_else(|| told(lab, "acknowledged").len()));
    let code = refused["code"].as_u64().expect("a code of the server");
    assert!([10_023, 10_047, 10_077].contains(&code), "{refused}");
    refused["t"].as_u64().expect("a time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f9_a_ledger_that_is_full_says_so_ends_what_is_open_and_heals() {
    let mut lab = Lab::start(Plan::default().capacity(2).options(&["--max-size", "8MiB"])).await;
    // More than fits at once, all of it open at first: two are worked on at a time.
    lab.add_client(&["--count", "60", "--rate", "100", "--inflight", "60", "--pad", PAD, "--text", "sleep 100"]);
    let full = until_full(&lab);
    let begun = Instant::now();
    let text = format!("echo {}", "x".repeat(100_000));
    let named = testkit::eventually("a typed refusal", || {
        let posted = Process::run(&mut lab.agentbus_here(&["post", "--json", "--to", "worker", &text]));
        if posted.stdout.contains("storage_full") { Ok(posted) } else { Err(posted) }
    });
    assert_ne!(named.code, Some(0), "{named:?}");
    let doctor = Process::run(&mut lab.agentbus_here(&["doctor"]));
    let said = format!("{}{}", doctor.stdout, doctor.stderr);
    assert!(said.contains("full") && begun.elapsed() < Duration::from_secs(5), "after {:?}: {said}", begun.elapsed());
    testkit::eventually("room again", || {
        let after = told(&lab, "acknowledged").iter().filter(|line| line["t"].as_u64() > Some(full)).count();
        if after >= 10 { Ok(()) } else { Err(after) }
    });
    testkit::eventually("all acknowledged", || {
        let known = told(&lab, "acknowledged").len();
        if known == 60 { Ok(()) } else { Err((known, told(&lab, "ended").len())) }
    });
    lab.settle().await.demand();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f9_a_disk_that_is_full_loses_nothing_and_goes_on_when_there_is_room_and_a_new_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Store::memory(&folder.path().join("disk"), 8);
    let plan = Plan::default().store(disk.path().join("store")).options(&["--max-size", "256MiB"]);
    let mut lab = Lab::start(plan).await;
    lab.add_client(&["--count", "60", "--rate", "100", "--inflight", "60", "--pad", PAD, "--text", "sleep 100"]);
    let _ = until_full(&lab);
    disk.grow(64);
    // A full disk stops this store until its server is started again; 'up' does that by itself.
    lab.node().part().kill();
    lab.node().restart();
    testkit::eventually("all acknowledged", || {
        let known = told(&lab, "acknowledged").len();
        if known == 60 { Ok(()) } else { Err(known) }
    });
    lab.settle().await.demand();
}
