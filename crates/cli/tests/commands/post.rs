//! `agentbus post`: the id at once, and what is wrong with a file before anything is sent.

use crate::bus::RunningBus;

const QUERY: &str = r#"{"requesting_agent": "mlops-engineer", "request_type": "get_mlops_context", "payload": {"query": "team size?"}}"#;

#[test]
fn posting() {
    let bus = RunningBus::start("post");
    bus.case("posted", &["post", "--type", "get_team_context", "team size"]);
    bus.case("posted_json", &["post", "--json", "--type", "get_team_context", "team size"]);
    bus.write("query.json", QUERY);
    bus.case("from_a_file", &["post", "--file", "query.json"]);
    bus.case_with("from_standard_input", &["post", "--file", "-"], "< query.json");
    bus.case("to_nobody_known_is_posted_all_the_same", &["post", "--to", "nobody", "hello"]);

    bus.case("no_such_file", &["post", "--file", "none.json"]);
    bus.case("a_folder_is_no_file", &["post", "--file", "agents"]);
    bus.write("broken.json", "{\"requesting_agent\": \"a\",");
    bus.case("a_file_that_is_no_json", &["post", "--file", "broken.json"]);
    bus.write("short.json", "{\"requesting_agent\": \"a\", \"payload\": {}}");
    bus.case("a_file_that_is_no_query", &["post", "--file", "short.json"]);
    bus.case("another_name_than_the_file", &["post", "--from", "alice", "--file", "query.json"]);
    bus.case("a_file_and_a_timeout", &["post", "--timeout", "5s", "--file", "query.json"]);
    bus.case("a_file_and_a_gathering", &["post", "--gather", "all", "--file", "query.json"]);
    bus.case("gathering", &["post", "--gather", "to=qa-expert,powershell-5.1-expert", "--gather-timeout", "5s", "--failover", "hello"]);
    bus.case("a_file_and_a_text", &["post", "--file", "query.json", "hello"]);
    bus.case("nothing_to_post", &["post"]);
}
