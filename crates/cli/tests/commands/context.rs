//! `agentbus context`: facts, and where they come from.

use crate::bus::RunningBus;

#[test]
fn facts() {
    let bus = RunningBus::start("context");
    bus.case("list_of_none", &["context", "list"]);
    bus.case("list_of_none_json", &["context", "list", "--json"]);
    bus.case("set", &["context", "set", "team.size", "12", "--source", "the staff list"]);
    bus.case("set_evidence", &["context", "set", "--from", "bob", "--evidence", "--topic", "team size", "team.seats", "14"]);
    bus.case("set_a_text", &["context", "set", "compliance.standard", "SOC 2"]);
    bus.case("set_a_bad_key", &["context", "set", "Team Size", "12"]);
    bus.case("get", &["context", "get", "team.size"]);
    bus.case("get_json", &["context", "get", "--json", "team.size"]);
    bus.case("get_what_nobody_stated", &["context", "get", "team.sise"]);
    bus.case("get_what_nobody_stated_json", &["context", "get", "--json", "team.sise"]);

    bus.write("facts.json", r#"[{"key": "build.tool", "value": "cargo", "source": "the handbook"}]"#);
    bus.case("import", &["context", "import", "facts.json"]);
    bus.write("pairs.json", r#"{"team.lead": "Ada", "team.site": "Bern"}"#);
    bus.case("import_pairs_without_a_source", &["context", "import", "pairs.json"]);
    bus.case("import_pairs", &["context", "import", "--source", "the handbook", "pairs.json"]);
    bus.write("broken.json", "[{");
    bus.case("import_what_is_no_json", &["context", "import", "broken.json"]);
    bus.write("keyless.json", r#"[{"key": "a.b", "value": 1, "source": "s"}, {"value": 2}]"#);
    bus.case("import_what_is_no_fact", &["context", "import", "keyless.json"]);
    bus.case("import_no_such_file", &["context", "import", "none.json"]);

    bus.case("list", &["context", "list"]);
    bus.case("unset", &["context", "unset", "team.size"]);
    bus.case("unset_what_one_has_not_stated", &["context", "unset", "team.seats"]);
}
