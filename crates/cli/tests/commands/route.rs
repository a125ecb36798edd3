//! `agentbus route`: who would answer, and why; and how well the agents are found.

use crate::{bus::RunningBus, case::Folder};

/// Agents with weights, and one without.
const DELIVERY: &str = "---\nname: delivery\nshort_description: Ships what others build\ndefault_score: 2\n\
    required: {context_tags: [ops]}\nweights:\n  domain: {ops: 10}\n  keywords: {deploy: 12, nasazení: 12, container image: 15, image: 4}\n---\n";
const REVIEW: &str = "---\nname: review\ndescription: Reads code\nweights:\n  keywords: {code review: 14, review: 6, image: 3}\n---\n";
const TIDES: &str =
    "---\nname: tides\ndescription: Knows tide tables, harbours and moorings\n---\n\nMoon phases:\n- Spring tide\n- Neap tide\n";
const LAST: &str = "---\nname: last\ndescription: Answers what nobody else does\nfallback: true\n---\n";

/// What is expected of them; the last two are not met.
const PROMPTS: &str = r#"{"text": "Deploy the container image", "expect": ["delivery"]}
{"text": "Připrav nasazení", "tags": [], "expect": ["delivery", "review"]}

{"text": "Anything", "tags": ["ops"], "expect": ["delivery"]}
{"text": "When is high tide?", "expect": ["tides"]}
{"text": "What is the capital of France?", "expect": []}
{"text": "Who was Napoleon?", "expect": ["last"]}
{"text": "A review of the image", "expect": ["delivery"]}
{"text": "Deploy a song", "expect": []}
"#;

fn agents(folder: &Folder) {
    for (name, text) in [("delivery", DELIVERY), ("review", REVIEW), ("tides", TIDES), ("last", LAST)] {
        folder.write(&format!("agents/{name}.md"), text);
    }
}

#[test]
fn routing() {
    let bus = RunningBus::start("route");
    bus.case("by_registration", &["route", "--type", "get_test_context", "coverage?"]);
    bus.case("by_registration_json", &["route", "--json", "--type", "get_test_context", "coverage?"]);
    bus.case("by_alias", &["route", "--to", "tester", "coverage?"]);
    bus.case("by_pattern", &["route", "--type", "get_mlops_context", "team size?"]);
    bus.case("by_score", &["route", "Write a script for an old shell"]);
    bus.case("to_an_unknown_agent", &["route", "--to", "qa-exprt", "coverage?"]);
    bus.case("to_nobody", &["route", "--type", "paint", "the shed"]);
    bus.write("prompts.jsonl", "{\"text\": \"old shells\", \"expect\": [\"powershell-5.1-expert\"]}\n");
    bus.case("eval_of_a_bus", &["route", "--eval", "prompts.jsonl"]);
}

#[test]
fn routing_among_files() {
    let folder = Folder::new("route_files");
    agents(&folder);
    folder.case("by_weights", &["route", "--agents", "agents", "Deploy the container image"]);
    folder.case("by_weights_json", &["route", "--agents", "agents", "--json", "Deploy the container image"]);
    folder.case("by_tag", &["route", "--agents", "agents", "--tag", "ops", "Anything"]);
    folder.case("by_words", &["route", "--agents", "agents", "When is high tide?"]);
    folder.case("by_fallback", &["route", "--agents", "agents", "What is the capital of France?"]);
    folder.case("no_agents", &["route", "--agents", "nowhere", "?"]);
}

#[test]
fn evaluating() {
    let folder = Folder::new("route_eval");
    agents(&folder);
    folder.write("prompts.jsonl", PROMPTS);
    folder.write("bad.jsonl", "{\"text\": \"a\", \"expect\": []}\n{\"text\": \"b\"}\n");
    folder.write("name.jsonl", "{\"text\": \"a\", \"expect\": [\"no name\"]}\n");
    folder.write("empty.jsonl", "\n");
    folder.case("misses", &["route", "--agents", "agents", "--eval", "prompts.jsonl"]);
    folder.case("misses_json", &["route", "--agents", "agents", "--json", "--eval", "prompts.jsonl"]);
    folder.case("a_bad_line", &["route", "--agents", "agents", "--eval", "bad.jsonl"]);
    folder.case("a_bad_name", &["route", "--agents", "agents", "--eval", "name.jsonl"]);
    folder.case("no_prompts", &["route", "--agents", "agents", "--eval", "empty.jsonl"]);
    folder.case("no_file", &["route", "--agents", "agents", "--eval", "nowhere.jsonl"]);
    folder.case("no_text", &["route", "--agents", "agents"]);
}
