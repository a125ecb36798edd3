//! Stores that fail: a power cut, and a ledger that is full.

use std::time::Duration;

use testkit::{Sync, long};

const LOAD: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f4_after_a_power_cut_nothing_acknowledged_is_lost() {
    let (_lab, verdict, _, _disks) = long::power_cut(Sync::Always, LOAD, None).await;
    verdict.demand();
    assert!(verdict.acknowledged.len() > 20, "{}", verdict.acknowledged.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f4_with_a_sync_every_two_minutes_the_judge_finds_what_was_lost() {
    let (_lab, verdict, _, _disks) = long::power_cut(Sync::TwoMinutes, LOAD, None).await;
    assert!(!verdict.lost.is_empty(), "a control that cannot fail proves nothing: {verdict:?}");
}
