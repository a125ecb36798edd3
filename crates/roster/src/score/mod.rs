//! The score step: who fits the text of a query best. Owns the order of the candidates.
//!
//! Two things earn points. A weighted profile earns what its own rules say (`weighted.rs`), and every agent
//! earns points for the words that describe it (`index.rs`), on the same scale. Both are found in
//! one look at an index, which is built when the roster changes. `explain.rs` says what came of it.
//! Nothing here knows any agent's name, and nothing depends on the order in which agents became known.

mod document;
mod explain;
mod facts;
mod hits;
mod index;
mod keywords;
mod stem;
mod weighted;

use std::cmp::Reverse;

use protocol::{
    Candidate, Name,
    score::{GateKind, Pass},
};

pub(crate) use document::Document;
pub(crate) use index::Index;

use self::{
    facts::Facts,
    hits::{Found, Hit},
    weighted::Claim,
};
use crate::{
    Asked, Standing,
    normal::{Word, words},
};

/// The most candidates that a decision shows.
pub(crate) const SHOWN: usize = 10;

/// How many characters of a text are looked at. Whoever needs more to say what it is about attaches a document.
const READ: usize = 16_384;

/// What the step found.
pub(crate) struct Scored {
    /// How the candidates were chosen.
    pub(crate) pass: Option<Pass>,
    /// Who fits, best first, as many as were asked for.
    pub(crate) candidates: Vec<Candidate>,
    /// How many more fit.
    pub(crate) others: usize,
}

/// An agent that competes, with what it has earned.
struct Runner<'a> {
    agent: &'a Name,
    claim: Claim<'a>,
    hits: Vec<Hit<'a>>,
    total: i64,
    evidence: i64,
    adjusted: i64,
    live: bool,
    in_hand: usize,
}

/// Ranks the agents that fit a query. Those that the query excludes, and that are done with it, do not
/// compete. The best `most` are told.
pub(crate) fn rank(index: &Index, asked: &Asked<'_>, standing: &dyn Standing, most: usize) -> Scored {
    let text: String = asked.query.payload.query.chars().take(READ).collect();
    let words = words(&text);
    let facts = Facts::of(asked.query);
    let competes = |agent: &Name| !asked.excludes(agent) && !standing.is_done(agent);
    let mut found = Found::in_text(index, &words);
    let mut pass = Pass::Asserted;
    let mut runners = asserted(index, &facts, &mut found, &competes);
    if runners.is_empty() {
        pass = Pass::Text;
        runners = by_text(index, &facts, &words, &mut found, &competes);
    }
    for runner in &mut runners {
        (runner.live, runner.in_hand) = (standing.is_live(runner.agent), standing.in_hand(runner.agent));
    }
    runners.sort_by(|a, b| order(a).cmp(&order(b)));
    let told = runners.iter().take(most).enumerate();
    let candidates: Vec<_> = told.map(|(at, runner)| explain::candidate(runner, &words, at < SHOWN)).collect();
    Scored { pass: (!candidates.is_empty()).then_some(pass), others: runners.len().saturating_sub(candidates.len()), candidates }
}

/// Pass 1: who requires what the query asserts.
fn asserted<'a>(index: &'a Index, facts: &Facts<'_>, found: &mut Found<'a>, competes: &dyn Fn(&Name) -> bool) -> Vec<Runner<'a>> {
    let profiles = index.documents().filter_map(|(at, document)| Some((at, &document.agent, document.weighted.as_ref()?)));
    let claims = profiles.filter_map(|(at, agent, profile)| Some((at, agent, profile, profile.asserted(facts)?)));
    let claims = claims.filter(|(_, agent, ..)| competes(agent));
    claims.map(|(at, agent, profile, claim)| Runner::new(agent, profile.earn(facts, found.take(at)), claim)).collect()
}

/// Pass 2: whom the text fits, by the rules of a profile, or by the words that describe it.
fn by_text<'a>(
    index: &'a Index,
    facts: &Facts<'_>,
    words: &[Word],
    found: &mut Found<'a>,
    competes: &dyn Fn(&Name) -> bool,
) -> Vec<Runner<'a>> {
    let runner = |(at, document): (usize, &'a Document)| {
        let hits = found.take(at);
        let Some(profile) = &document.weighted else { return described(index, document, hits) };
        let earned = profile.earn(facts, hits);
        match profile.by_text(facts, words, &earned) {
            Some(claim) => Some(Runner::new(&document.agent, earned, claim)),
            // What its own rules pass over although a keyword stands there, they do not want.
            None if earned.iter().any(Hit::is_keyword) => None,
            None => described(index, document, earned),
        }
    };
    index.documents().filter(|(_, document)| competes(&document.agent)).filter_map(runner).collect()
}

/// An agent that competes by the words of its description, if there are enough of them.
fn described<'a>(index: &Index, document: &'a Document, mut hits: Vec<Hit<'a>>) -> Option<Runner<'a>> {
    hits.retain(Hit::is_word);
    let points = hits.iter().fold(0_i64, |sum, hit| sum.saturating_add(hit.adjusted));
    (points >= index.floor()).then(|| Runner::new(&document.agent, hits, Claim { by: GateKind::Words, tags: Vec::new() }))
}

impl<'a> Runner<'a> {
    fn new(agent: &'a Name, hits: Vec<Hit<'a>>, claim: Claim<'a>) -> Self {
        let sum = |points: &dyn Fn(&Hit<'_>) -> i64| hits.iter().map(points).fold(0, i64::saturating_add);
        let total = sum(&|hit| hit.points);
        let given = sum(&|hit| if hit.is_default() { hit.points } else { 0 });
        let adjusted = sum(&|hit| hit.adjusted);
        Self { agent, claim, hits, total, evidence: total.saturating_sub(given), adjusted, live: false, in_hand: 0 }
    }
}

/// Most points first, then most evidence, then live before silent, then fewer queries in hand, then by name.
fn order<'a>(runner: &'a Runner<'a>) -> impl Ord + 'a {
    let points = (Reverse(runner.adjusted), Reverse(runner.total), Reverse(runner.evidence));
    (points, Reverse(runner.live), runner.in_hand, runner.agent)
}
