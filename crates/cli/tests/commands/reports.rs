//! `agentbus progress` and `agentbus notify`: reports from outside a query.

use crate::bus::RunningBus;

#[test]
fn reporting() {
    let bus = RunningBus::start("reports");
    bus.case("progress", &["progress", "--agent", "builder", "--status", "building", r#"{"step": 1}"#]);
    bus.case("progress_json", &["progress", "--json", "--agent", "builder", "--status", "building", r#"{"step": 2}"#]);
    bus.write("step.json", "{\"step\": 3}\n");
    bus.case_with("progress_from_standard_input", &["progress", "--agent", "builder", "--status", "building", "-"], "< step.json");
    bus.case("progress_that_is_a_list", &["progress", "--agent", "builder", "--status", "building", "[1]"]);
    bus.case("progress_that_is_no_json", &["progress", "--agent", "builder", "--status", "building", "step 1"]);
    bus.case("progress_without_an_agent", &["progress", "--status", "building", "{}"]);

    bus.case("notify", &["notify", "--agent", "builder", "The nightly build is done."]);
    bus.case("notify_json", &["notify", "--json", "--agent", "builder", "The nightly build is done."]);
    bus.case("notify_without_words", &["notify", "--agent", "builder", " "]);
}
