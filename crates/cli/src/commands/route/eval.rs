//! The evaluation: each prompt is routed, and the outcome held against what was expected.

use std::collections::BTreeMap;

use agentbus::{Decision, Name};
use protocol::Step;
use serde::Serialize;

use super::{prompt::Prompt, source::Source};
use crate::{failure::Failure, options::Question};

/// What came of an evaluation.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// How many prompts there were.
    pub(super) prompts: usize,
    /// How many went to somebody who was expected.
    pub(super) right: usize,
    /// How many went to the one who was named first.
    pub(super) first: usize,
    /// `right` of `prompts`, 0 to 1.
    pub(super) accuracy: f64,
    /// Who was expected and who was chosen instead, most often first.
    pub(super) confusion: Vec<Confusion>,
    /// What went elsewhere, in the order of the file.
    pub(super) misses: Vec<Miss>,
}

/// How often somebody was chosen for somebody else.
#[derive(Debug, Serialize)]
pub(super) struct Confusion {
    /// Who was expected first; none: nobody.
    pub(super) expected: Option<Name>,
    /// Who was chosen; none: nobody.
    pub(super) chosen: Option<Name>,
    pub(super) count: usize,
}

/// A prompt that went elsewhere, with the decision that explains it.
#[derive(Debug, Serialize)]
pub(super) struct Miss {
    pub(super) text: String,
    pub(super) expected: Vec<Name>,
    pub(super) decision: Decision,
}

/// Routes every prompt.
pub(super) async fn run(prompts: &[Prompt], question: &Question, source: &Source) -> Result<Report, Failure> {
    let (mut first, mut misses) = (0, Vec::new());
    for prompt in prompts {
        let mut query = question.query(prompt.text.clone())?;
        query.context_tags = (!prompt.tags.is_empty()).then(|| prompt.tags.clone());
        let decision = source.route(&query).await?;
        let (right, is_first) = judge(&decision, &prompt.expect);
        first += usize::from(is_first);
        if !right {
            misses.push(Miss { text: prompt.text.clone(), expected: prompt.expect.clone(), decision });
        }
    }
    let right = prompts.len().saturating_sub(misses.len());
    let accuracy = right as f64 / prompts.len().max(1) as f64;
    Ok(Report { prompts: prompts.len(), right, first, accuracy, confusion: confusion(&misses), misses })
}

/// Whether somebody expected was chosen, and whether it is the one named first. Where nobody is expected, a fallback
/// may answer: it does not claim to fit.
fn judge(decision: &Decision, expect: &[Name]) -> (bool, bool) {
    match (&decision.agent, expect.first()) {
        (chosen, None) => {
            let nobody = chosen.is_none() || decision.step == Step::Fallback;
            (nobody, nobody)
        }
        (Some(chosen), Some(first)) => (expect.contains(chosen), chosen == first),
        (None, Some(_)) => (false, false),
    }
}

fn confusion(misses: &[Miss]) -> Vec<Confusion> {
    let mut counts: BTreeMap<(Option<&Name>, Option<&Name>), usize> = BTreeMap::new();
    for miss in misses {
        *counts.entry((miss.expected.first(), miss.decision.agent.as_ref())).or_default() += 1;
    }
    let row = |((expected, chosen), count): ((Option<&Name>, Option<&Name>), usize)| Confusion {
        expected: expected.cloned(),
        chosen: chosen.cloned(),
        count,
    };
    let mut rows: Vec<_> = counts.into_iter().map(row).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.count));
    rows
}
