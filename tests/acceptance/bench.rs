//! The bench: its figures are of queries that were answered, and it leaves nothing behind.

use std::path::Path;

use serde_json::Value;
use testkit::{Process, agentbus};

/// Runs `bench` with these arguments, and reads what it prints.
fn bench(args: &[&str]) -> Value {
    let dir = tempfile::tempdir().expect("a folder");
    let output = Process::run(agentbus(dir.path()).arg("bench").args(args).arg("--json"));
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(left(dir.path()), 0, "its store goes with it");
    serde_json::from_str(&output.stdout).expect("JSON")
}

fn left(dir: &Path) -> usize {
    std::fs::read_dir(dir).expect("the folder").count()
}

#[test]
fn queries_stand_beside_plain_nats_in_the_same_round() {
    let report = bench(&["--concurrency", "1,4", "--time", "200ms", "--rounds", "2"]);
    let levels = report["levels"].as_array().expect("levels");
    assert_eq!(levels.iter().map(|level| level["concurrency"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(4)]);
    for level in levels {
        for what in ["request_reply", "durable_publish", "query"] {
            let series = &level[what];
            assert!(series["count"].as_u64() >= Some(2), "{what}: {series}");
            for figure in ["p50_us", "p99_us", "per_second"] {
                let rounds = series[figure].as_array().expect("a figure for each round");
                assert!(rounds.len() == 2 && rounds.iter().all(|figure| figure.as_f64() > Some(0.0)), "{what}: {series}");
            }
        }
        let of = |what: &str| level[what]["p50_us"][0].as_f64().expect("a figure");
        let ratio = level["to_request_reply"][0].as_f64().expect("a ratio");
        assert!((ratio - of("query") / of("request_reply")).abs() < 0.1 * ratio, "{level}");
    }
}

#[test]
fn a_host_of_many_agents_is_measured_when_each_has_answered() {
    let report = bench(&["agents", "--count", "12"]);
    assert_eq!(report["agents"], 12);
    assert!(report["ready_ms"].as_u64() > Some(0), "{report}");
}

#[test]
fn a_restart_is_measured_over_as_many_messages_as_were_asked_for() {
    let report = bench(&["restart", "--messages", "200", "--rounds", "2", "--fill", "200ms"]);
    assert!(report["messages"].as_u64() >= Some(200), "{report}");
    assert_eq!(report["ready_ms"].as_array().map(Vec::len), Some(2), "{report}");
}
