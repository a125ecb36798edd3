//! The score step by its rules: who competes, what earns points, and who comes first.

use protocol::{
    Card, Decision, Step, To,
    message::Query,
    score::{GateKind, MOST_POINTS, Part, PartKind, Pass, Score, ScoreKind},
};
use roster::{Asked, Roster};
use serde_json::json;

use super::{definition, name, routing::Live};

/// The cards of definitions that are given as name and front matter.
pub(crate) fn cards(files: &[(&str, &str)]) -> Vec<Card> {
    let card = |(agent, front): &(&str, &str)| {
        let (definition, found) = roster::parse(std::path::Path::new("x.md"), &format!("---\nname: {agent}\n{front}\n---\n"));
        definition.unwrap_or_else(|| panic!("{found:?}")).card()
    };
    files.iter().map(card).collect()
}

fn seeds() -> Vec<Card> {
    ["seeds/devops_mlops_engineer.md", "seeds/mlops-engineer.md"].map(|path| definition(path).card()).to_vec()
}

fn query(text: &str) -> Query {
    Query::new(name("me"), "request", text)
}

fn tagged(text: &str, tags: &[&str]) -> Query {
    Query { context_tags: Some(tags.iter().map(|&tag| tag.to_owned()).collect()), ..query(text) }
}

fn decide(cards: &[Card], query: &Query) -> Decision {
    Roster::new(cards.to_vec()).route(&Asked { query, to: &To::Any, path: &[] }, &Live(|_: &protocol::Name| true))
}

/// The score of an agent, if it competes.
fn score(cards: &[Card], query: &Query, agent: &str) -> Option<Score> {
    decide(cards, query).candidates.into_iter().find(|candidate| candidate.agent == name(agent))?.score
}

fn chosen(decision: &Decision) -> Option<&str> {
    decision.agent.as_ref().map(protocol::Name::as_str)
}

fn keywords(score: &Score) -> Vec<(&str, i64)> {
    let mut hits: Vec<_> =
        score.parts.iter().filter(|part| part.part == PartKind::Keyword).map(|part| (part.name.as_str(), part.points)).collect();
    hits.sort_unstable();
    hits
}

fn total(cards: &[Card], query: &Query, agent: &str) -> Option<i64> {
    score(cards, query, agent).map(|score| score.total)
}

#[test]
fn the_seeds_known_answers() {
    let decision = decide(&seeds(), &query("Set up a CI/CD pipeline with docker and github actions for mlflow model registry"));
    assert_eq!((chosen(&decision), decision.step, decision.pass), (Some("devops_mlops_engineer"), Step::Score, Some(Pass::Text)));
    let score = decision.candidates[0].score.clone().unwrap();
    assert_eq!((score.kind, score.total, score.evidence), (ScoreKind::Weighted, 76, 74));
    let hits = [("ci cd", 15), ("docker", 12), ("github actions", 12), ("mlflow", 10), ("model registry", 10), ("pipeline", 15)];
    assert_eq!(keywords(&score), hits);

    let own = &definition("seeds/mlops-engineer.md").context_queries[0].query;
    let decision = decide(&seeds(), own);
    assert_eq!((chosen(&decision), decision.pass), (Some("devops_mlops_engineer"), Some(Pass::Asserted)));
    let score = decision.candidates[0].score.clone().unwrap();
    assert_eq!((score.total, score.gate.by, score.gate.tags), (12, GateKind::Tags, vec!["mlops".to_owned()]));
    let parts: Vec<_> = score.parts.iter().filter(|part| part.points > 0).map(|part| (part.part, part.points)).collect();
    assert_eq!(parts, [(PartKind::Domain, 10), (PartKind::Default, 2)]);

    let score = self::score(&seeds(), &query("Připrav nasazení do kubernetes"), "devops_mlops_engineer").unwrap();
    assert_eq!((keywords(&score), score.total), (vec![("kubernetes", 10), ("nasazeni", 12)], 24));

    let decision = decide(&seeds(), &query("What is the capital of France?"));
    assert_eq!((chosen(&decision), decision.step, decision.candidates.len(), decision.pass), (None, Step::None, 0, None));
}

#[rstest::rstest]
#[case::substring("the capital", &[])]
#[case::prefix("deployment and deployed", &[("deploy", 5)])]
#[case::short_words_are_whole("apis", &[])]
#[case::whole("an API", &[("api", 3)])]
#[case::accents("NASAZENÍM", &[("nasazeni", 7)])]
#[case::several_words("the model registries of model registry", &[("model registry", 9)])]
#[case::not_in_a_row("registry of a model", &[])]
#[case::nested("code review", &[("code review", 8), ("review", 4)])]
#[case::signs("c++ or c#", &[("c#", 6), ("c++", 6)])]
#[case::a_sign_is_no_letter("vitamin c", &[])]
#[case::once("docker docker docker", &[("docker", 2)])]
fn keywords_are_hit(#[case] text: &str, #[case] expected: &[(&str, i64)]) {
    let weights = "{api: 3, deploy: 5, nasazení: 7, model registry: 9, code review: 8, review: 4, c++: 6, 'c#': 6, docker: 2}";
    let cards = cards(&[("a", &format!("weights: {{keywords: {weights}}}"))]);
    let hits = score(&cards, &query(text), "a");
    assert_eq!(hits.as_ref().map(keywords).unwrap_or_default(), expected);
}

#[test]
fn each_point_says_where_it_was_earned() {
    let cards = cards(&[("a", "default_score: 1\nweights: {keywords: {model registry: 9, nasazení: 7}}")]);
    let text = "Nasazení: modelů? No, Model  Registries!";
    let score = score(&cards, &query(text), "a").unwrap();
    let at = |part: &Part| part.at.map(|[from, to]| text.chars().take(to as usize).skip(from as usize).collect::<String>());
    let told: Vec<_> = score.parts.iter().filter(|p| p.part != PartKind::Word).map(|p| (p.name.as_str(), p.points, at(p))).collect();
    assert_eq!(told, [("nasazeni", 7, Some("Nasazení".to_owned())), ("", 1, None)]);
    let text = "a model registry";
    let score = self::score(&cards, &query(text), "a").unwrap();
    assert_eq!((score.parts[0].name.as_str(), score.parts[0].at), ("model registry", Some([2, 16])));
}

#[test]
fn dimensions_count_what_the_query_says() {
    let weights =
        "weights: {priority: {high: 2}, complexity: {complex: 5}, domain: {ml ops: 10}, context_tags: {gpu: 4}, keywords: {train: 1}}";
    let cards = cards(&[("a", weights)]);
    let full = Query {
        priority: Some(protocol::message::Priority::High),
        complexity: Some("Complex".to_owned()),
        domain: Some("ML-Ops".to_owned()),
        ..tagged("train", &["GPU", "gpu"])
    };
    assert_eq!(total(&cards, &full, "a"), Some(22));
    assert_eq!(total(&cards, &query("train"), "a"), Some(1), "nothing is counted that the query does not say");
    let typed = Query { request_type: "get_ml_ops_context".to_owned(), ..query("train") };
    assert_eq!(total(&cards, &typed, "a"), Some(11), "the type names the domain");
    let other = Query { domain: Some("law".to_owned()), ..typed };
    assert_eq!(total(&cards, &other, "a"), Some(1), "but the query's own word counts");
}

#[rstest::rstest]
#[case::one_is_enough("", &["x"], true)]
#[case::other_case("", &["X"], true)]
#[case::none("", &["z"], false)]
#[case::half("min_match_ratio: 0.5", &["x"], false)]
#[case::two_of_three("min_match_ratio: 0.5", &["x", "y"], true)]
#[case::all("min_match_ratio: 1.0", &["x", "y"], false)]
#[case::all_there("min_match_ratio: 1.0", &["x", "y", "w w"], true)]
#[case::zero_is_one("min_match_ratio: 0.0", &["z"], false)]
fn assertion_is_counted(#[case] ratio: &str, #[case] tags: &[&str], #[case] competes: bool) {
    let cards = cards(&[("a", &format!("{ratio}\nrequired: {{context_tags: [x, y, w_w]}}\nweights: {{keywords: {{never: 1}}}}"))]);
    let decision = decide(&cards, &tagged("nothing", tags));
    assert_eq!((chosen(&decision), decision.pass), (competes.then_some("a"), competes.then_some(Pass::Asserted)));
}

#[test]
fn what_is_asserted_comes_before_any_text() {
    let cards = cards(&[
        ("asserted", "default_score: -5\nrequired: {context_tags: [ops]}\nweights: {keywords: {never: 1}}"),
        ("fitting", "weights: {keywords: {deploy: 50}}"),
    ]);
    let decision = decide(&cards, &tagged("deploy it", &["ops"]));
    assert_eq!((chosen(&decision), decision.candidates.len()), (Some("asserted"), 1), "there is no minimum score");
    assert_eq!(chosen(&decide(&cards, &tagged("deploy it", &["other"]))), Some("fitting"));
}

#[test]
fn a_contradicted_attribute_excludes() {
    let front = "required: {context_tags: [ops], domain: [cloud], team: [red, blue]}\nweights: {keywords: {never: 1}}";
    let cards = cards(&[("a", front)]);
    let asked = |domain: Option<&str>, team: Option<&str>| {
        let mut query = Query { domain: domain.map(str::to_owned), ..tagged("x", &["ops"]) };
        query.extra.extend(team.map(|team| ("team".to_owned(), json!(team))));
        chosen(&decide(&cards, &query)).is_some()
    };
    assert!(asked(None, None) && asked(Some("Cloud"), None) && asked(None, Some("blue")) && asked(Some("cloud"), Some("red")));
    assert!(!asked(Some("sea"), None) && !asked(None, Some("green")) && !asked(Some("cloud"), Some("green")));
}

#[test]
fn without_a_keyword_everything_required_must_be_found() {
    let front = "required: {context_tags: [load_test], team: [red]}\nweights: {complexity: {high: 3}, keywords: {never: 1}}";
    let cards = cards(&[("a", front), ("b", "description: ships")]);
    let asked = |text: &str, team: &str| {
        let mut query = Query { complexity: Some("high".to_owned()), ..query(text) };
        query.extra.insert("team".to_owned(), json!(team));
        score(&cards, &query, "a").map(|score| score.gate.by).filter(|by| *by != GateKind::Words)
    };
    assert_eq!(asked("a Load Test please", "red"), Some(GateKind::Required));
    assert_eq!(asked("a test of load", "red"), None);
    assert_eq!(asked("a load test", "green"), None);
}

#[test]
fn more_points_come_first_and_sums_do_not_run_over() {
    let files = [("a", "weights: {keywords: {sail: 5}}"), ("b", "weights: {keywords: {sail: 6}}"), ("c", "description: ropes")];
    let decision = decide(&cards(&files), &query("sail and mast"));
    let order: Vec<_> = decision.candidates.iter().map(|c| (c.agent.as_str(), c.score.as_ref().unwrap().total)).collect();
    assert_eq!(order, [("b", 6), ("a", 5)]);
    let most = i64::MAX;
    let huge = format!("default_score: {most}\nweights: {{keywords: {{sail: {most}, mast: {most}}}}}");
    let two = cards(&[("a", "weights: {keywords: {sail: 5}}"), ("huge", huge.as_str())]);
    assert_eq!(
        (chosen(&decide(&two, &query("sail and mast"))), total(&two, &query("sail and mast"), "huge")),
        (Some("huge"), Some(MOST_POINTS))
    );
    let least = i64::MIN;
    let low = format!("default_score: {least}\nweights: {{keywords: {{sail: {least}, mast: 1}}}}");
    assert_eq!(chosen(&decide(&cards(&[("low", low.as_str())]), &query("sail and mast"))), None);
}

#[test]
fn fallbacks_and_who_asks_do_not_compete() {
    let files =
        [("me", "weights: {keywords: {sail: 5}}"), ("last", "fallback: true\nweights: {keywords: {sail: 50}}"), ("b", "description: x")];
    let decision = decide(&cards(&files), &query("sail"));
    assert_eq!((chosen(&decision), decision.step), (Some("last"), Step::Fallback));
}

#[test]
fn ten_are_shown_and_the_others_counted() {
    let files: Vec<_> = (10..35).map(|n| (format!("a{n}"), format!("weights: {{keywords: {{sail: {n}}}}}"))).collect();
    let files: Vec<_> = files.iter().map(|(agent, front)| (agent.as_str(), front.as_str())).collect();
    let decision = decide(&cards(&files), &query("sail"));
    assert_eq!((decision.candidates.len(), decision.others, chosen(&decision)), (10, 15, Some("a34")));
    let text: String = (0..40).map(|n| format!("word{n} ")).collect();
    let keywords: Vec<_> = (0..40).map(|n| format!("word{n}: 1")).collect();
    let cards = cards(&[("a", &format!("weights: {{keywords: {{{}}}}}", keywords.join(", ")))]);
    let score = score(&cards, &query(&text), "a").unwrap();
    assert_eq!((score.total, score.parts.len()), (40, 24));
    assert!(score.more >= 16, "{}", score.more);
}

#[test]
fn a_text_without_end_takes_no_time_without_end() {
    let cards = cards(&[("a", "weights: {keywords: {sail: 5}}"), ("b", "description: sails")]);
    let begun = std::time::Instant::now();
    for long in ["ing".repeat(500_000), "sail ".repeat(500_000), "\u{301}".repeat(500_000)] {
        decide(&cards, &query(&long));
    }
    // Milliseconds in fact; what grows with the square of the text takes minutes.
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}
