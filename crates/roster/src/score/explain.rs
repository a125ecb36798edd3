//! A score as it is told: every point with what earned it and where that stands in the text.

use std::cmp::Reverse;

use protocol::{
    Candidate,
    score::{Gate, GateKind, MOST_POINTS, Part, PartKind, Score, ScoreKind},
};

use super::{
    Runner,
    hits::{Hit, What},
};
use crate::normal::Word;

/// The most parts of one score that are shown.
const PARTS: usize = 24;

/// The candidate, with its whole score or in words alone.
pub(super) fn candidate(runner: &Runner<'_>, words: &[Word], whole: bool) -> Candidate {
    let score = score(runner);
    let kind = match score.kind {
        ScoreKind::Derived => "for the words of its description",
        ScoreKind::Weighted => "by its weights",
    };
    let order = score.adjusted.map_or_else(String::new, |adjusted| format!(", {adjusted} in the order"));
    let live = if runner.live { "" } else { "; it has no live instance" };
    let why = format!("{} points {kind}{order}{live}", score.total);
    let score = whole.then(|| detailed(score, runner, words));
    Candidate { score, ..Candidate::new(runner.agent.clone(), why) }
}

/// The score without its parts.
fn score(runner: &Runner<'_>) -> Score {
    let gate = Gate { by: runner.claim.by, tags: Vec::new() };
    let adjusted = safe(runner.adjusted);
    if runner.claim.by == GateKind::Words {
        let (kind, parts) = (ScoreKind::Derived, Vec::new());
        return Score { kind, total: adjusted, evidence: adjusted, adjusted: None, gate, parts, more: 0 };
    }
    let (kind, total, evidence) = (ScoreKind::Weighted, safe(runner.total), safe(runner.evidence));
    Score { kind, total, evidence, adjusted: (adjusted != total).then_some(adjusted), gate, parts: Vec::new(), more: 0 }
}

/// With its parts, as many as are shown.
fn detailed(score: Score, runner: &Runner<'_>, words: &[Word]) -> Score {
    let derived = score.kind == ScoreKind::Derived;
    let mut parts: Vec<_> = runner.hits.iter().map(|hit| part(hit, words, derived)).collect();
    parts.sort_by(|a, b| weight(a).cmp(&weight(b)));
    let more = u32::try_from(parts.len().saturating_sub(PARTS)).unwrap_or(u32::MAX);
    parts.truncate(PARTS);
    let gate = Gate { tags: runner.claim.tags.iter().map(|&tag| tag.to_owned()).collect(), ..score.gate };
    Score { gate, parts, more, ..score }
}

/// Most points first; of equal ones, what comes first in the text.
fn weight(part: &Part) -> impl Ord + '_ {
    (Reverse(part.points), Reverse(part.adjusted.unwrap_or(part.points)), part.part, part.at, &part.name)
}

fn part(hit: &Hit<'_>, words: &[Word], derived: bool) -> Part {
    let (kind, name) = match hit.what {
        What::Keyword(keyword) => (PartKind::Keyword, keyword.name.clone()),
        What::Said(part, name) => (part, name.to_owned()),
        What::Word => (PartKind::Word, hit.at.and_then(|(from, _)| words.get(from)).map(|word| word.text.clone()).unwrap_or_default()),
    };
    let adjusted = safe(hit.adjusted);
    let points = if derived { adjusted } else { safe(hit.points) };
    Part { part: kind, name, points, adjusted: (adjusted != points).then_some(adjusted), at: hit.at.and_then(|range| span(range, words)) }
}

/// As much of it as every reader takes for the same number.
fn safe(points: i64) -> i64 {
    points.clamp(-MOST_POINTS, MOST_POINTS)
}

/// The characters of a row of words.
fn span((from, to): (usize, usize), words: &[Word]) -> Option<[u32; 2]> {
    let (first, last) = (words.get(from)?, words.get(to.checked_sub(1)?)?);
    let ([start, _], [_, end]) = (first.at, last.at);
    Some([start, end])
}
