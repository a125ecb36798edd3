//! `agentbus cancel`.

use crate::bus::RunningBus;

const FIRST: &str = "0192f0c1-2d3e-7a4b-8c5d-000000000001";
const SECOND: &str = "0192f0c1-2d3e-7a4b-8c5d-000000000002";

#[tokio::test(flavor = "multi_thread")]
async fn cancelling() {
    let bus = RunningBus::start("cancel");
    let _sleeper = bus.sleeper().await;
    for id in [FIRST, SECOND] {
        bus.run(&["post", "--id", id, "--from", "alice", "--type", "wait", "for nothing"]);
        bus.until(&["status", id], "the last: accepted");
    }
    bus.case("somebody_elses", &["cancel", "--from", "bob", FIRST]);
    bus.case("as_its_requester", &["cancel", "--reason", "not needed any more", FIRST]);
    bus.case("json", &["cancel", "--json", SECOND]);
    bus.case("one_that_has_ended", &["cancel", FIRST]);
    bus.case("status_afterwards", &["status", FIRST]);
    bus.case("of_no_query", &["cancel", "0192f0c1-2d3e-7a4b-8c5d-00000000000f"]);
    bus.case("of_no_id", &["cancel", "it"]);
}
