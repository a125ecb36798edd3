//! `agentbus dead`: what nobody could do or read, and asking it again.

use agentbus::{Done, Fault, Task};

use crate::{bus::RunningBus, case::Folder};

const DEAD: &str = "0192f0c1-2d3e-7a4b-8c5d-000000000001";
const DONE: &str = "0192f0c1-2d3e-7a4b-8c5d-000000000002";
const NONE: &str = "0192f0c1-2d3e-7a4b-8c5d-00000000000f";

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters() {
    let bus = RunningBus::start("dead");
    let _builder = bus.builder().await;
    let fault = || Fault::retry("cache_away", "The cache did not respond.").with("stderr_tail", "connecting\nno route to the cache\n");
    let _tired = bus.serve("tired", "fetch", move |_: Task| async move { Err::<Done, _>(fault()) }).await;
    bus.case("none", &["dead", "list"]);
    bus.case("none_json", &["dead", "list", "--json"]);

    bus.write("fetch.json", FETCH);
    bus.run(&["post", "--from", "alice", "--file", "fetch.json"]);
    bus.run(&["ask", "--id", DONE, "--type", "build", "server and client"]);
    bus.until(&["status", DEAD], "dead: All attempts");
    let raw = nats::Raw::connect(bus.url()).await.expect("the server");
    raw.publish("bus.query.7.alice.any".to_owned(), "{}".into()).await.expect("stored");
    raw.publish(format!("bus.progress.{NONE}.alice.all"), "{\"agent\":\"alice\"}".into()).await.expect("stored");
    bus.until(&["dead", "list"], "bad_subject");
    bus.case("list", &["dead", "list"]);
    bus.case("list_json", &["dead", "list", "--json"]);

    bus.case("replay_by_another", &["dead", "replay", "--from", "bob", DEAD]);
    bus.case("replay_of_a_query_that_is_done", &["dead", "replay", DONE]);
    bus.case("replay_of_no_query", &["dead", "replay", NONE]);
    let replayed = bus.case("replay", &["dead", "replay", DEAD]);
    bus.until(&["status", replayed.stdout.trim()], "dead: All attempts");
    bus.case("status_of_the_replay", &["status", replayed.stdout.trim()]);
    bus.case("list_limited", &["dead", "list", "--limit", "1"]);
    bus.case("replay_json", &["dead", "replay", "--json", DEAD]);
}

const FETCH: &str = r#"{
  "requesting_agent": "alice", "request_type": "fetch", "payload": { "query": "the models" }, "attempts": 2,
  "id": "0192f0c1-2d3e-7a4b-8c5d-000000000001"
}"#;

#[test]
fn wrong_use() {
    let folder = Folder::new("dead");
    folder.case("nothing_to_do", &["dead"]);
    folder.case("replay_of_no_id", &["dead", "replay", "it"]);
    folder.case("without_a_bus", &["dead", "list"]);
    folder.case("without_a_bus_json", &["dead", "list", "--json"]);
}
