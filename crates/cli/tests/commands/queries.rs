//! `agentbus status`, `history` and `list`: what is on record.

use crate::{bus::RunningBus, case::Folder};

const DONE: &str = "0192f0c1-2d3e-7a4b-8c5d-000000000001";
const WAITS: &str = "0192f0c1-2d3e-7a4b-8c5d-000000000002";
const LOST: &str = "0192f0c1-2d3e-7a4b-8c5d-000000000003";
const NONE: &str = "0192f0c1-2d3e-7a4b-8c5d-00000000000f";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_record() {
    let bus = RunningBus::start("queries");
    let _builder = bus.builder().await;
    bus.case("list_of_none", &["list"]);
    bus.case("list_of_none_json", &["list", "--json"]);

    let (_sleeper, serving) = bus.sleeper().await;
    // It goes, and what is posted to it now waits for it.
    serving.drain(std::time::Duration::ZERO).await;
    bus.run(&["ask", "--id", DONE, "--type", "build", "server and client"]);
    bus.run(&["ask", "--id", LOST, "--to", "nobody", "hello"]);
    bus.run(&["post", "--id", WAITS, "--from", "alice", "--type", "wait", "for the sleeper"]);
    bus.until(&["list", "--state", "posted"], "live instance");

    bus.case("list", &["list"]);
    bus.case("list_json", &["list", "--json"]);
    bus.case("list_by_state", &["list", "--state", "posted"]);
    bus.case("list_by_agent", &["list", "--agent", "builder"]);
    bus.case("list_limited", &["list", "--limit", "1"]);
    bus.case("status_completed", &["status", DONE]);
    bus.case("status_waiting", &["status", WAITS]);
    bus.case("status_unroutable", &["status", LOST]);
    bus.case("status_json", &["status", "--json", WAITS]);
    bus.case("history", &["history", DONE]);
    bus.case("history_json", &["history", "--json", LOST]);
    bus.case("status_of_no_query", &["status", NONE]);
    bus.case("status_of_no_query_json", &["status", "--json", NONE]);
    bus.case("history_of_no_query", &["history", NONE]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_on_a_querys_behalf() {
    let bus = RunningBus::start("queries");
    let _all = (bus.builder().await, bus.planner().await);
    bus.run(&["ask", "--id", DONE, "--type", "plan", "server and client"]);
    let tree = bus.case("history_tree", &["history", "--tree", DONE]);
    bus.case("history_tree_json", &["history", "--tree", "--json", DONE]);
    bus.case("history_tree_of_no_query", &["history", "--tree", NONE]);

    let child = |agent: &str| {
        let line = tree.stdout.lines().find(|line| line.contains(agent)).expect("a branch");
        line.split_whitespace().find(|word| word.len() == DONE.len()).expect("an id").to_owned()
    };
    let built = child("builder");
    for (name, args) in [("status_of_a_sub_query", vec!["status"]), ("history_of_a_sub_query", vec!["history"])] {
        let output = bus.run(&[&args[..], &[&built]].concat());
        bus.keep(name, &[&args[..], &["ID"]].concat(), "", &output);
    }
    bus.run(&["ask", "--id", LOST, "--gather", "to=builder,qa-expert", "--type", "build", "server and client"]);
    bus.case("status_of_a_gathering", &["status", LOST]);
}

#[test]
fn wrong_use() {
    let folder = Folder::new("queries");
    folder.case("status_of_no_id", &["status", "the last one"]);
    folder.case("list_of_an_unknown_state", &["list", "--state", "done"]);
    folder.case("list_of_too_many", &["list", "--limit", "1001"]);
    folder.case("list_without_a_bus", &["list"]);
    folder.case("list_without_a_bus_json", &["list", "--json"]);
}
