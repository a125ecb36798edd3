//! The definitions that are shipped with the product, as a user would judge them: nothing to find fault
//! with, a closed set, each with its three shapes, and in words of their own.

use std::collections::BTreeSet;

use super::*;

/// Words in a row from which on a passage counts as copied.
const PASSAGE: usize = 6;

pub(crate) fn shipped() -> Loaded {
    roster::load(&[PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../agents")])
}

#[test]
fn they_have_no_findings() {
    let loaded = shipped();
    assert_eq!(loaded.files, loaded.definitions.len());
    assert_eq!(brief(&loaded.diagnostics), [""; 0]);
    assert_eq!(brief(&roster::lint(&loaded)), [""; 0]);
}

#[test]
fn both_seeds_roles_and_everybody_they_name_are_there() {
    let loaded = shipped();
    let seeds = load(&["seeds"]).definitions;
    let roles = seeds.iter().map(|seed| &seed.name);
    let named = seeds.iter().flat_map(|seed| &seed.integration).map(|target| &target.name);
    let missing: Vec<_> = roles.chain(named).filter(|name| loaded.get(name).is_none()).collect();
    assert!(seeds.len() == 2 && missing.is_empty(), "{missing:?}");
    let fallbacks: Vec<_> = loaded.definitions.iter().filter(|agent| agent.fallback).map(|agent| agent.name.as_str()).collect();
    assert_eq!(fallbacks, ["generalist"]);
}

#[test]
fn every_target_is_there_and_everybody_works_with_somebody() {
    let loaded = shipped();
    for agent in &loaded.definitions {
        let dangling: Vec<_> = agent.integration.iter().filter(|target| loaded.get(&target.name).is_none()).collect();
        assert!(agent.integration.len() >= 4 && dangling.is_empty(), "{}: {dangling:?}", agent.name);
    }
}

#[test]
fn each_states_its_three_shapes_in_its_own_name() {
    for agent in shipped().definitions {
        let ([query], [progress]) = (&agent.context_queries[..], &agent.progress[..]) else {
            panic!("{}: one context query and one progress report", agent.name)
        };
        assert_eq!((&query.query.requesting_agent, &progress.progress.agent), (&agent.name, &agent.name));
        assert!(query.query.request_type.starts_with("get_") && query.query.request_type.ends_with("_context"), "{}", agent.name);
        assert!(progress.progress.progress.as_ref().is_some_and(|shape| shape.len() >= 3), "{}", agent.name);
        let delivery = agent.delivery.unwrap_or_else(|| panic!("{} has no delivery notification", agent.name));
        assert!(delivery.contains('<') && !delivery.contains(|c: char| c.is_ascii_digit()), "a form, without a figure: {delivery}");
    }
}

#[test]
fn no_two_ask_for_the_same_type() {
    let types: Vec<_> = shipped().definitions.iter().map(|agent| agent.context_queries[0].query.request_type.clone()).collect();
    assert_eq!(types.iter().collect::<BTreeSet<_>>().len(), types.len(), "{types:?}");
}

#[test]
fn the_context_manager_alone_registers_and_nobody_runs_or_pays_for_anything() {
    for agent in shipped().definitions {
        let answers: Vec<_> = agent.bus.answers.iter().flatten().map(roster::Pattern::as_str).collect();
        let expected: &[&str] = if agent.name == name("context-manager") { &["get_*_context"] } else { &[] };
        assert_eq!(answers, expected, "{}", agent.name);
        assert_eq!(agent.bus.handler(), roster::Handler::Context, "{}", agent.name);
        assert!(agent.bus.command.is_none() && agent.bus.probes.is_none() && agent.bus.aliases.is_none(), "{}", agent.name);
    }
}

#[test]
fn they_are_in_words_of_their_own() {
    let seeds = load(&["seeds"]).definitions;
    let theirs: BTreeSet<_> = seeds.iter().flat_map(|seed| passages(&seed.body)).collect();
    assert!(theirs.len() > 300, "the seeds have text");
    for agent in shipped().definitions {
        let copied: Vec<_> = passages(&agent.body).into_iter().filter(|passage| theirs.contains(passage)).collect();
        assert!(copied.is_empty(), "{}: {copied:?}", agent.name);
    }
}

/// Every row of words in the prose of a body. What is fenced follows a form that is not the author's.
fn passages(body: &str) -> Vec<String> {
    let prose = body.split("```").step_by(2).collect::<Vec<_>>().join("\n");
    let words: Vec<_> = prose.lines().filter(|line| !line.starts_with('|')).flat_map(roster::tokens).collect();
    words.windows(PASSAGE).map(|row| row.join(" ")).collect()
}
