//! What a definition holds after its file was read.

use std::{path::Path, time::Duration};

use roster::{Bus, Command, Handler, Profile, Tools};
use serde_json::json;

use super::*;

#[rstest::rstest]
#[case("tools_absent", Tools::Unsaid)]
#[case("tools_empty", Tools::Only(vec![]))]
#[case("tools_star", Tools::All)]
#[case("tools_quoted_star", Tools::All)]
#[case("tools_list", Tools::Only(vec!["Read".into(), "Write".into()]))]
#[case("tools_string", Tools::Only(vec!["Read".into(), "Bash(git add, git commit:*)".into(), "Grep".into()]))]
fn tools_come_in_many_forms(#[case] file: &str, #[case] expected: Tools) {
    assert_eq!(definition(&format!("cases/{file}.md")).tools, expected);
}

#[rstest::rstest]
#[case("bom", "Bakes bread")]
#[case("crlf", "Brews ale over two lines")]
#[case("duplicate_keys", "Lays stone")]
#[case("flush_block", "Bends staves.\n\nMakes barrels.")]
#[case("flush_lines", "Cures hides and sells leather")]
#[case("flush_quoted", "Makes arrows and mends bows")]
#[case("inner_quotes", "Cuts \"live\" edges: slabs")]
#[case("unquoted_colon", "Fits panes: single, double and triple # all of them")]
#[case("tools_list", "")]
fn descriptions_survive(#[case] file: &str, #[case] expected: &str) {
    assert_eq!(definition(&format!("cases/{file}.md")).description, expected);
}

#[test]
fn what_surrounds_a_recovered_entry_is_read_as_usual() {
    let thatcher = definition("cases/unquoted_examples.md");
    assert_eq!(thatcher.model.as_deref(), Some("inherit"));
    assert!(thatcher.description.starts_with("Use this agent for roofs. Examples: <example>Context: A roof leaks."));
    assert!(thatcher.description.ends_with("user: \"Is it tight?\"\nassistant: \"I will ask.\"\n</example>"));
    assert!(thatcher.extra.is_empty(), "lines of an example are no keys: {:?}", thatcher.extra);
    assert_eq!(thatcher.body, "Straw.\n");
}

#[test]
fn a_long_description_is_kept_whole() {
    let rigger = definition("cases/long_description.md");
    assert!(rigger.description.chars().count() >= 6_000);
    assert_eq!(rigger.description.matches("<example>").count(), 27);
    assert!(rigger.description.ends_with("</example>"));
}

#[test]
fn the_body_is_everything_after_the_front_matter() {
    let potter = definition("cases/later_dashes.md");
    assert_eq!(potter.body, "First part.\n\n---\n\nname: not a key any more\n---\nLast part.\n");
    assert_eq!(definition("cases/crlf.md").body, "\r\nMash first.\r\n");
    assert_eq!(definition("cases/no_final_newline.md").body, "");
}

#[test]
fn unknown_keys_are_kept() {
    let keeper = definition("cases/unknown_keys.md");
    let extra = json!({"colour": "blue", "permissions": {"mode": "plan", "depth": 3}, "hooks": [{"after": "stop"}]});
    assert_eq!(serde_json::Value::Object(keeper.extra), extra);
}

#[test]
fn a_number_is_a_text_where_a_text_is_wanted() {
    assert_eq!(definition("cases/dotted_name.md").model.as_deref(), Some("4.10"));
}

#[test]
fn the_digest_is_that_of_the_bytes() {
    // As printed by sha256sum.
    let digest = "24cc761d07b44f0eaced24c229b7a537d2b74c11d53b88e54cdd6c17a467e20d";
    assert_eq!(definition("cases/bom.md").digest, digest);
}

#[test]
fn a_profile_is_read() {
    let weaver = definition("cases/profile.md");
    assert!(weaver.fallback);
    let profile = weaver.profile;
    assert_eq!((profile.default_score, profile.min_match_ratio, profile.utterance_threshold), (2, Some(0.5), Some(1.0)));
    assert_eq!(profile.required.context_tags, ["loom", "yarn"]);
    assert_eq!(profile.required.attributes["season"], ["winter"]);
    assert_eq!(profile.utterances, ["weave this", "mend that"]);
    let weights = profile.weights.unwrap();
    assert_eq!((weights.get("priority", "high"), weights.get("priority", "low"), weights.get("domain", "high")), (3, 0, 0));
}

#[test]
fn keywords_that_normalise_alike_are_one_with_the_larger_weight() {
    let weights = definition("cases/keywords.md").profile.weights.unwrap();
    assert_eq!(weights.keywords().collect::<Vec<_>>(), [("ci cd", 2), ("tiskarna", 7)]);
    assert_eq!(weights.get("domain", "print"), -3);
}

#[test]
fn of_duplicate_keys_the_last_wins() {
    let weights = definition("cases/duplicate_keys.md").profile.weights.unwrap();
    assert_eq!(weights.keywords().collect::<Vec<_>>(), [("arch", 4), ("wall", 5)]);
}

#[test]
fn the_bus_block_is_read() {
    let bus = definition("cases/bus.md").bus;
    assert_eq!((bus.handler(), bus.capacity(), bus.lease()), (Handler::Exec, 3, Duration::from_secs(30)));
    assert_eq!(bus.stall, Some(Duration::from_secs(5_400)));
    assert_eq!(bus.command, Some(Command::Words(vec!["./forge".into(), "--hot".into()])));
    assert_eq!(bus.env.as_ref().unwrap()["COLOUR"], "red");
    let (key, probe) = bus.probes.as_ref().unwrap().iter().next().unwrap();
    assert_eq!(
        (key.as_str(), &probe.command, probe.ttl),
        ("iron.stock", &Command::Line("count-iron".into()), Some(Duration::from_secs(120)))
    );
    assert_eq!((&probe.topics[..], probe.kind), (&["iron".to_owned()][..], protocol::FactKind::Evidence));
    let again: Bus = serde_json::from_value(serde_json::to_value(&bus).unwrap()).unwrap();
    assert_eq!(again, bus, "it reads back as it is written");
}

#[test]
fn one_bus_block_lies_over_another() {
    let bus = |value| serde_json::from_value::<Bus>(value).unwrap();
    let merged = bus(json!({"handler": "llm", "lease": "5s"})).over(bus(json!({"handler": "exec", "capacity": 2})));
    assert_eq!(merged, bus(json!({"handler": "llm", "lease": "5s", "capacity": 2})));
    assert_eq!(
        (Bus::default().handler(), Bus::default().capacity(), Bus::default().lease()),
        (Handler::Context, 8, Duration::from_secs(15))
    );
    assert!(serde_json::from_value::<Bus>(json!({"handlr": "llm"})).is_err());
}

#[test]
fn a_card_says_what_routing_needs() {
    let card = definition("cases/bus.md").card();
    let expected = json!({
        "agent": "smith", "description": "", "handler": "exec", "answers": ["get_iron_context", "get_*_metal"],
        "aliases": ["forge", "anvil-2.0"], "fallback": false,
    });
    assert_eq!(serde_json::to_value(card).unwrap(), expected);
    let weaver = definition("cases/profile.md");
    let profile = weaver.card().extra.remove(Profile::CARD_FIELD).unwrap();
    assert_eq!(serde_json::from_value::<Profile>(profile).unwrap(), weaver.profile, "the profile travels with it");
}

#[test]
fn an_integration_list_is_read_in_every_style() {
    let list = definition("cases/integration.md").integration;
    let names: Vec<_> = list.iter().map(|target| target.name.as_str()).collect();
    let expected = ["sail-maker", "rope-maker", "net-maker", "harbour-pilot", "dock-hand", "crane-hand", "timber-buyer", "tide-table_2.1"];
    assert_eq!(names, expected);
    assert_eq!((list[3].text.as_str(), list[3].place.line, list[3].place.column), ("harbour-pilot – depths, real-time tides", 6, 5));
}

#[test]
fn targets_stand_between_slashes_and_after_provide() {
    let list = definition("cases/integration_slashes.md").integration;
    let names: Vec<_> = list.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names, ["berth-keeper", "tally-clerk", "customs-broker", "ship-chandler", "store-keeper", "pilot-boat", "tug-master"]);
}

#[test]
fn a_text_without_a_file_is_parsed_under_any_name() {
    let (definition, found) = roster::parse(Path::new("built-in/crier.md"), "---\nname: crier\ndescription: Cries\n---\nOyez");
    assert_eq!(found, []);
    let definition = definition.unwrap();
    assert_eq!((definition.name.as_str(), definition.path.as_path()), ("crier", Path::new("built-in/crier.md")));
    let (none, found) = roster::parse(Path::new("x.md"), "no front matter");
    assert_eq!((none, brief(&found)), (None, vec!["x.md:1:1 error no_front_matter".to_owned()]));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(---\n)?(\u{feff}|name: |a: |[-\n\r:'\"|>\\[{}*&#` é]|<example>|x){0,40}(\n---\n)?(.|\n){0,40}") {
        let (definition, found) = roster::parse(Path::new("x.md"), &text);
        let errors = found.iter().any(roster::Diagnostic::is_error);
        proptest::prop_assert_eq!(definition.is_none(), errors);
        for d in found {
            proptest::prop_assert!(text.get(d.place.offset..d.place.offset + d.place.len).is_some(), "{}", d);
        }
    }
}
