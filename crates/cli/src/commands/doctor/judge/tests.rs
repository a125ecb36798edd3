//! What doctor makes of what it sees.

#![allow(clippy::unwrap_used)]

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::commands::doctor::report::{
    Report,
    Verdict::{self, Ok as Fine, Problem, Warning},
};

const GIB: u64 = 1 << 30;

fn survey() -> Survey {
    Survey {
        stream: "bus-ledger".to_owned(),
        wrong: Vec::new(),
        messages: 12,
        bytes: GIB,
        allowed: 4 * GIB,
        reserve_open: false,
        replicas: 1,
        behind: Vec::new(),
        ahead: Some(SignedDuration::ZERO),
        took: Duration::from_millis(1),
    }
}

fn store(free: u64, sync: &str) -> Store {
    Store { folder: ".agentbus".to_owned(), free: Some(free), sync: Some(sync.to_owned()) }
}

fn presence(name: &str, live: bool, waiting: u64) -> Presence {
    let instances =
        if live { json!([{ "instance": "i7", "capacity": 1, "load": 0, "heard_at": "2026-11-21T09:00:00Z" }]) } else { json!([]) };
    serde_json::from_value(json!({ "card": { "agent": name, "handler": "context" }, "instances": instances, "waiting": waiting })).unwrap()
}

/// Its verdict and whether it says how to mend what is not well.
fn verdict(check: &Check) -> Verdict {
    assert_eq!(check.mend.is_some(), check.verdict != Fine, "{check:?}");
    check.verdict
}

#[rstest]
#[case(GIB, 100 * GIB, Fine)]
#[case(GIB, 3 * GIB, Fine)]
#[case(GIB, 3 * GIB - 1, Warning)]
#[case(GIB, FULL - 1, Problem)]
#[case(3 * GIB, 100 * GIB, Warning)]
fn room_is_what_ledger_and_disk_still_take(#[case] used: u64, #[case] free: u64, #[case] expected: Verdict) {
    let survey = Survey { bytes: used, ..survey() };
    assert_eq!(verdict(&room(&survey, Some(&store(free, "always")))), expected);
}

#[test]
fn a_ledger_without_room_or_without_a_limit_is_told() {
    assert_eq!(verdict(&room(&survey(), None)), Fine);
    assert_eq!(verdict(&room(&Survey { reserve_open: true, ..survey() }, None)), Problem);
    assert_eq!(verdict(&room(&Survey { allowed: 0, ..survey() }, None)), Warning);
}

#[test]
fn a_ledger_that_breaks_a_promise_is_a_problem_and_a_copy_behind_a_warning() {
    assert_eq!(verdict(&ledger(&survey())), Fine);
    assert_eq!(verdict(&ledger(&Survey { behind: vec!["n2".to_owned()], replicas: 3, ..survey() })), Warning);
    let broken = ledger(&Survey { wrong: vec!["storage is not 'file'".to_owned()], ..survey() });
    assert_eq!((verdict(&broken), broken.seen.as_str()), (Problem, "stream bus-ledger: storage is not 'file'"));
}

#[rstest]
#[case(900, 1, Fine)]
#[case(-900, 1, Fine)]
#[case(1500, 1, Warning)]
#[case(-1500, 1, Warning)]
#[case(1500, 600, Fine)]
#[case(31_000, 1, Problem)]
fn clocks_may_differ_by_a_second(#[case] ahead: i64, #[case] took: u64, #[case] expected: Verdict) {
    assert_eq!(verdict(&clock(Some(SignedDuration::from_millis(ahead)), Duration::from_millis(took))), expected);
}

#[test]
fn the_clock_that_is_wrong_is_named() {
    let seen = |ahead| clock(Some(SignedDuration::from_secs(ahead)), Duration::ZERO).seen;
    assert_eq!([seen(7), seen(-7)], ["this machine is 7.0 s ahead of the server", "this machine is 7.0 s behind the server"]);
    assert_eq!(verdict(&clock(None, Duration::ZERO)), Fine);
}

#[test]
fn silent_agents_are_named() {
    assert_eq!(verdict(&agents(&Ok(Vec::new()))), Warning);
    assert_eq!(verdict(&agents(&Ok(vec![presence("qa", true, 0)]))), Fine);
    let some = agents(&Ok(vec![presence("qa", true, 3), presence("ops", false, 2), presence("dev", false, 0)]));
    assert_eq!((verdict(&some), some.seen.as_str()), (Warning, "1 of 3 live; silent: ops, dev; 2 waiting queries for them"));
}

#[test]
fn what_a_power_cut_takes_is_told() {
    assert_eq!(sync(&store(0, "always")).map(|check| verdict(&check)), Some(Fine));
    assert_eq!(sync(&store(0, "120000ms")).map(|check| verdict(&check)), Some(Warning));
    assert!(sync(&Store { sync: None, ..store(0, "") }).is_none());
}

#[test]
fn a_program_that_was_named_must_do() {
    assert_eq!(verdict(&program(&Ok(None), &[])), Warning);
    let named = server::Error::Named { path: "x".into(), reason: server::Unusable::Missing };
    assert_eq!(verdict(&program(&Err(named), &[])), Problem);
}

#[test]
fn a_coordinator_that_is_missing_or_not_ready_is_a_problem() {
    assert_eq!(verdict(&coordinator(&Coordinator::Answers, false)), Fine);
    assert_eq!(verdict(&coordinator(&Coordinator::Starts, false)), Problem);
    assert_eq!(verdict(&coordinator(&Coordinator::Absent, false)), Problem);
}

#[test]
fn the_report_is_as_bad_as_its_worst_check() {
    let report = |checks| Report::of(checks).verdict;
    assert_eq!(report(vec![Check::ok("a", "")]), Fine);
    assert_eq!(report(vec![Check::warning("a", "", ""), Check::ok("b", "")]), Warning);
    assert_eq!(report(vec![Check::problem("a", "", ""), Check::warning("b", "", "")]), Problem);
}

#[rstest]
#[case(0, Fine)]
#[case(899, Fine)]
#[case(900, Warning)]
fn a_store_of_attachments_that_fills_is_told(#[case] used: u64, #[case] expected: Verdict) {
    let described = Described { config: json!({ "max_bytes": 1000 }), state: json!({ "messages": 1, "bytes": used }) };
    assert_eq!(verdict(&attached(&described)), expected);
}
