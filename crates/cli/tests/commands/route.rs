//! `agentbus route`: who would answer, and why.

use crate::bus::RunningBus;

#[test]
fn routing() {
    let bus = RunningBus::start("route");
    bus.case("by_registration", &["route", "--type", "get_test_context", "coverage?"]);
    bus.case("by_registration_json", &["route", "--json", "--type", "get_test_context", "coverage?"]);
    bus.case("by_alias", &["route", "--to", "tester", "coverage?"]);
    bus.case("by_pattern", &["route", "--type", "get_mlops_context", "team size?"]);
    bus.case("to_an_unknown_agent", &["route", "--to", "qa-exprt", "coverage?"]);
    bus.case("to_nobody", &["route", "--type", "paint", "the shed"]);
}
