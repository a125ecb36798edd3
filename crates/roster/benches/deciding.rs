//! How long a decision takes among 200 agents, 50 of them weighted, and how long the index takes to build.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;

use divan::{Bencher, black_box};
use protocol::{Card, Name, To, message::Query};
use roster::{Asked, Roster, Standing};

const AGENTS: usize = 200;
const WEIGHTED: usize = 50;
const KEYWORDS: usize = 25;

/// A request as agents make them: the type is registered by nobody, so that every step is tried.
const TEXT: &str = "Platform context needed: team size, workloads, current infrastructure, CI/CD pipelines, \
    docker images, kubernetes clusters, model registry, experiment tracking, compliance, budget, and the growth we expect.";

fn main() {
    divan::main();
}

struct All;

impl Standing for All {
    fn is_live(&self, _: &Name) -> bool {
        true
    }

    fn in_hand(&self, _: &Name) -> usize {
        0
    }

    fn is_done(&self, _: &Name) -> bool {
        false
    }
}

/// Words that stand for a vocabulary: some are shared by many agents, as in definitions.
fn word(number: usize) -> String {
    const ROOTS: [&str; 16] = [
        "pipeline",
        "docker",
        "cluster",
        "model",
        "team",
        "budget",
        "growth",
        "compliance",
        "registry",
        "tracking",
        "image",
        "workload",
        "platform",
        "security",
        "performance",
        "experiment",
    ];
    let root = ROOTS.get(number % ROOTS.len()).copied().unwrap_or_default();
    if number.is_multiple_of(3) { root.to_owned() } else { format!("{root}{number}") }
}

fn cards() -> Vec<Card> {
    (0..AGENTS).map(card).collect()
}

fn card(agent: usize) -> Card {
    let mut text =
        format!("---\nname: agent-{agent}\ndescription: Works on {} with {} and {}\n", word(agent), word(agent * 7), word(agent * 11));
    if agent < WEIGHTED {
        text.push_str("required: {context_tags: [ops, platform]}\nweights:\n  domain: {ops: 10}\n  keywords:\n");
        (0..KEYWORDS).for_each(|n| writeln!(text, "    {} {}: {}", word(agent * 13 + n), word(n), 5 + n).unwrap());
        writeln!(text, "    {}: 12", word(agent * 3)).unwrap();
    }
    text.push_str("---\n");
    for section in 0..12 {
        writeln!(text, "\n{} {}:", word(agent * 5 + section), word(section)).unwrap();
        (0..8).for_each(|item| writeln!(text, "- {} {}", word(agent + section * 8 + item), word(agent * 17 + item)).unwrap());
    }
    roster::parse("x.md".as_ref(), &text).0.unwrap().card()
}

fn query() -> Query {
    Query::new("me".parse().unwrap(), "platform", TEXT)
}

#[divan::bench]
fn a_decision(bencher: Bencher<'_, '_>) {
    let (roster, query) = (Roster::new(cards()), query());
    let asked = Asked { query: &query, to: &To::Any, path: &[] };
    assert!(roster.route(&asked, &All).agent.is_some());
    bencher.bench_local(|| roster.route(black_box(&asked), &All));
}

#[divan::bench(sample_count = 20)]
fn the_first_decision_after_a_change(bencher: Bencher<'_, '_>) {
    let (roster, query) = (Roster::new(cards()), query());
    let asked = Asked { query: &query, to: &To::Any, path: &[] };
    let changed = || {
        let mut roster = roster.clone();
        roster.insert(card(3));
        roster
    };
    bencher.with_inputs(changed).bench_local_values(|roster| roster.route(black_box(&asked), &All));
}
