//! `agentbus agents`: who is here.

use crate::bus::RunningBus;

#[tokio::test(flavor = "multi_thread")]
async fn who_is_here() {
    let bus = RunningBus::start("agents");
    bus.case("list", &["agents"]);
    bus.case("one", &["agents", "qa-expert"]);
    bus.case("one_by_its_alias", &["agents", "tester"]);
    bus.case("one_json", &["agents", "--json", "qa-expert"]);
    let (_sleeper, serving) = bus.sleeper().await;
    serving.drain(std::time::Duration::ZERO).await;
    bus.until(&["agents", "sleeper"], "no instance");
    bus.case("one_that_is_silent", &["agents", "sleeper"]);
    bus.case("an_unknown_one_with_near_names", &["agents", "qa-exprt"]);
    bus.case("an_unknown_one_json", &["agents", "--json", "qa-exprt"]);
    bus.case("what_is_no_name", &["agents", "qa expert"]);
}
