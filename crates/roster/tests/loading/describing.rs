//! Profiles that are derived from what a definition says of itself: what speaks for an agent, what
//! carries almost nothing, and how both kinds stand side by side.

use protocol::{
    Card, Decision, Step, To,
    message::Query,
    score::{GateKind, PartKind, ScoreKind},
};
use roster::{About, Asked, Roster};

use super::{definition, name, routing::Live, scoring::cards, shipped};

fn decide(cards: &[Card], text: &str) -> Decision {
    let query = Query::new(name("me"), "request", text);
    Roster::new(cards.to_vec()).route(&Asked { query: &query, to: &To::Any, path: &[] }, &Live(|_: &protocol::Name| true))
}

fn chosen(decision: &Decision) -> Option<&str> {
    decision.agent.as_ref().map(protocol::Name::as_str)
}

fn all_shipped() -> Vec<Card> {
    shipped::shipped().definitions.iter().map(roster::Definition::card).filter(|card| card.answers.is_empty()).collect()
}

#[rstest::rstest]
#[case("Rotate the secrets and check our login for vulnerabilities", "security-auditor")]
#[case("Which tables feed the nightly ETL into the warehouse?", "data-engineer")]
#[case("Prioritise the roadmap by what users ask for", "product-manager")]
#[case("Define an error budget and SLOs", "sre-engineer")]
#[case("Připrav nasazení modelů do Kubernetes", "devops_mlops_engineer")]
fn the_shipped_agents_are_found_by_what_they_say_of_themselves(#[case] text: &str, #[case] expected: &str) {
    let decision = decide(&all_shipped(), text);
    assert_eq!((chosen(&decision), decision.step), (Some(expected), Step::Score), "{:#?}", decision.candidates);
}

#[rstest::rstest]
#[case("What is the capital of France?")]
#[case("Kolik je hodin?")]
#[case("?!")]
#[case("")]
fn what_fits_nobody_is_left_to_the_fallback(#[case] text: &str) {
    let decision = decide(&all_shipped(), text);
    assert_eq!((chosen(&decision), decision.step), (Some("generalist"), Step::Fallback), "{:#?}", decision.candidates);
}

#[test]
fn a_derived_score_says_so_and_explains_each_point() {
    let cards = cards(&[("sailor", "description: Mends sails and ropes"), ("cook", "description: Bakes bread")]);
    let decision = decide(&cards, "The sail has a hole");
    assert_eq!((chosen(&decision), decision.candidates.len()), (Some("sailor"), 1));
    let score = decision.candidates[0].score.as_ref().unwrap();
    assert_eq!((score.kind, score.gate.by, score.adjusted), (ScoreKind::Derived, GateKind::Words, None));
    let parts: Vec<_> = score.parts.iter().map(|part| (part.part, part.name.as_str(), part.at)).collect();
    assert_eq!(parts, [(PartKind::Word, "sail", Some([4, 8]))], "'the', 'has' and 'a' say nothing");
    assert_eq!(score.parts.iter().map(|part| part.points).sum::<i64>(), score.total);
    assert!(decision.reason.contains("for the words of its description"), "{}", decision.reason);
}

#[test]
fn what_everybody_says_of_himself_carries_almost_nothing() {
    let crafts = ["sails", "bread", "shoes", "clocks", "violins", "roofs", "barrels", "wells", "ploughs", "lace"];
    let files: Vec<_> =
        crafts.iter().map(|craft| (format!("a-{craft}"), format!("description: Performance and security of {craft}"))).collect();
    let files: Vec<_> = files.iter().map(|(agent, front)| (agent.as_str(), front.as_str())).collect();
    let cards = cards(&files);
    assert_eq!(chosen(&decide(&cards, "performance, security")), None);
    let decision = decide(&cards, "performance and security of clocks");
    assert_eq!((chosen(&decision), decision.candidates.len()), (Some("a-clocks"), 1));
    let points = |name: &str| decision.candidates[0].score.as_ref().unwrap().parts.iter().find(|p| p.name == name).map_or(0, |p| p.points);
    assert!(points("performance") * 10 <= points("clocks"), "{} {}", points("performance"), points("clocks"));
}

#[test]
fn a_word_that_one_agent_alone_uses_is_worth_about_a_keyword() {
    let files = [
        ("weighted", "description: x\nweights: {keywords: {anchor: 20, chain: 20, buoy: 20}}"),
        ("derived", "description: Knows tides"),
        ("other", "description: y"),
    ];
    let decision = decide(&cards(&files), "tides and anchor");
    let points: Vec<_> = decision.candidates.iter().map(|c| c.score.as_ref().unwrap()).map(|s| s.adjusted.unwrap_or(s.total)).collect();
    assert!(points.len() == 2 && points.iter().all(|points| (15..=60).contains(points)), "{points:?}");
}

#[test]
fn headings_lists_and_tags_speak_for_an_agent_and_others_names_do_not() {
    let text = "---\nname: a\ndescription: Helps\ntags: [cartography]\n---\n# Role\n\nTide tables:\n- Moon phases\n- Work with lighthouse-keeper on fog signals\n\n\
                Integration with other agents:\n- Support harbour-master on mooring fees\n";
    let (definition, _) = roster::parse(std::path::Path::new("a.md"), text);
    let cards =
        [definition.unwrap().card(), cards(&[("b", "description: Other")]).remove(0), cards(&[("c", "description: More")]).remove(0)];
    for found in ["tide tables, moon phases", "cartography"] {
        assert_eq!(chosen(&decide(&cards, found)), Some("a"), "{found}");
    }
    assert_eq!(chosen(&decide(&cards, "the harbour master")), None);
}

#[test]
fn a_card_carries_at_most_4_kib_of_it() {
    let headings: String = (0..2000).map(|n| format!("## Heading number {n}\n\n")).collect();
    let (definition, _) = roster::parse(std::path::Path::new("a.md"), &format!("---\nname: a\n---\n{headings}"));
    let card = definition.unwrap().card();
    let about: About = serde_json::from_value(card.extra[About::CARD_FIELD].clone()).unwrap();
    let bytes: usize = about.headings.iter().map(String::len).sum();
    assert!((4000..=4096).contains(&bytes), "{bytes}");
    assert!(definition_about("seeds/mlops-engineer.md").headings.contains(&"Experiment tracking".to_owned()));
}

fn definition_about(path: &str) -> About {
    serde_json::from_value(definition(path).card().extra[About::CARD_FIELD].clone()).unwrap()
}

#[test]
fn a_card_from_elsewhere_with_odd_fields_competes_by_its_description() {
    let mut card = cards(&[("a", "description: Mends sails")]).remove(0);
    card.extra.insert("profile".to_owned(), serde_json::json!({ "weights": 5 }));
    card.extra.insert("about".to_owned(), serde_json::json!([1, 2]));
    let other = cards(&[("b", "description: Bakes bread")]).remove(0);
    assert_eq!(chosen(&decide(&[card, other], "sails")), Some("a"));
}
