//! The short profile of the laboratory: each fault of the table, made with real processes, a tenth as often as
//! in the table, with leases of a second. Each scenario ends with the judge, who shares no code with the bus.
//!
//! The name of a test begins with its fault. The long profile is `cargo run -p testkit -- long`.

mod delivery;
mod freezes;
mod input;
mod kills;
mod storage;

use std::time::{Duration, Instant};

use testkit::{Lab, Plain, plain::Ask};

/// How long the bus may be away after a kill, by the table.
const BACK: Duration = Duration::from_secs(5);

/// What a machine adds on which all other tests run at the same time. A long run (docs/reliability.md) shows the bounds
/// without it.
const BUSY: Duration = Duration::from_secs(3);

/// Asks until an answer comes; says how long that took.
async fn back(probe: &Plain) -> Duration {
    let begun = Instant::now();
    testkit::eventually_async("an answer", || async { probe.ask(&Ask::probe(), BACK).await }).await;
    begun.elapsed()
}

/// A client of the laboratory that asks again soon: its own patience is not what is measured.
async fn probe(lab: &Lab) -> Plain {
    lab.plain("probe").await.impatient(Duration::from_millis(500))
}

/// Waits until the first client has been told of so many endings.
async fn endings(lab: &Lab, count: usize) {
    let log = lab.path().join("client-1.jsonl");
    testkit::eventually_async("endings", || async {
        let ended = testkit::checker::lines(&log).iter().filter(|line| line["event"] == "ended").count();
        if ended >= count { Ok(()) } else { Err(ended) }
    })
    .await;
}
