//! The two files from which the specification was made, verbatim.

use serde_json::json;

use super::*;

#[test]
fn the_protocol_agent_is_read_whole() {
    let seed = definition("seeds/mlops-engineer.md");
    assert_eq!(seed.name, name("mlops-engineer"));
    assert!(seed.description.starts_with("Expert MLOps engineer specializing in ML infrastructure"));
    assert_eq!(seed.tools, roster::Tools::Only(["Read", "Write", "Edit", "Bash", "Glob", "Grep"].map(str::to_owned).to_vec()));
    assert_eq!((seed.profile.weights.is_none(), seed.fallback, seed.extends.is_none()), (true, false, true));

    let [query] = &seed.context_queries[..] else { panic!("one context query") };
    assert_eq!((query.query.request_type.as_str(), query.place.line), ("get_mlops_context", 133));
    assert!(query.query.payload.query.starts_with("MLOps context needed: team size, ML workloads"));

    let [progress] = &seed.progress[..] else { panic!("one progress report") };
    assert_eq!((progress.progress.status.as_str(), progress.place.line), ("building", 196));
    assert_eq!(progress.progress.progress.as_ref().unwrap()["automation_coverage"], json!("87%"));

    let delivery = seed.delivery.as_deref().unwrap();
    assert!(delivery.starts_with("MLOps platform completed.") && delivery.ends_with("87% automation coverage."), "{delivery}");

    let targets: Vec<_> = seed.integration.iter().map(|t| (t.name.as_str(), t.place.line)).collect();
    let expected = [
        ("ml-engineer", 277),
        ("data-engineer", 278),
        ("devops-engineer", 279),
        ("cloud-architect", 280),
        ("sre-engineer", 281),
        ("security-auditor", 282),
        ("data-scientist", 283),
        ("ai-engineer", 284),
    ];
    assert_eq!(targets, expected);
    assert_eq!(seed.integration[0].text, "Collaborate with ml-engineer on workflows");
}

#[test]
fn the_weighted_agent_is_read_whole_and_its_six_duplicates_are_reported() {
    let loaded = load(&["seeds/devops_mlops_engineer.md"]);
    let lines: Vec<_> = loaded.diagnostics.iter().map(|d| (d.code, d.place.line)).collect();
    assert_eq!(lines, [38, 39, 41, 42, 44, 45].map(|line| ("duplicate_key", line)));
    assert!(loaded.diagnostics[0].message.contains("'ci/cd'") && loaded.diagnostics[0].message.contains("line 27"));

    let seed = &loaded.definitions[0];
    assert!(seed.description.starts_with("CI/CD pipeline design"), "the short description stands in");
    assert_eq!((seed.profile.default_score, seed.fallback, &seed.extends), (2, false, &None));
    assert_eq!(seed.profile.required.context_tags, ["devops", "mlops", "pipeline"]);
    let weights = seed.profile.weights.as_ref().unwrap();
    assert_eq!((weights.get("domain", "mlops"), weights.get("complexity", "complex"), weights.get("priority", "critical")), (10, 5, 4));
    let keywords: Vec<_> = weights.keywords().collect();
    assert_eq!(keywords.len(), 15, "nasazení and nasazeni are one");
    assert!(
        keywords.contains(&("nasazeni", 12)) && keywords.contains(&("ci cd", 15)) && keywords.contains(&("infrastructure as code", 12))
    );
    assert_eq!((seed.context_queries.len(), seed.progress.len(), &seed.delivery, seed.integration.len()), (0, 0, &None, 0));
}

#[test]
fn the_seeds_query_goes_to_whoever_registers_the_pattern() {
    let seed = definition("seeds/mlops-engineer.md");
    let manager = "---\nname: context-manager\nbus: {answers: [\"get_*_context\"]}\n---\n";
    let (manager, _) = roster::parse(std::path::Path::new("context-manager.md"), manager);
    let roster = roster::Roster::new([seed.card(), manager.unwrap().card()]);
    let asked = roster::Asked { query: &seed.context_queries[0].query, to: &protocol::To::Any, path: &[] };
    let decision = roster.route(&asked, &routing::Live(|_: &Name| true));
    assert_eq!((decision.agent, decision.step), (Some(name("context-manager")), protocol::Step::Registration));
    assert_eq!(decision.reason, "context-manager is registered for 'get_*_context'");
}
