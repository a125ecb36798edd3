//! Who answers a query, and why: the decision, each step's finding, and who else was considered, with
//! the points of each.

use agentbus::Decision;

use super::{
    fields::Fields,
    plain::{plain, word},
    points,
    style::{bold, dim, red},
};

/// The decision in words, with the points of every candidate.
pub(super) fn text(decision: &Decision) -> String {
    told(decision, usize::MAX)
}

/// The same with the points of the one that was chosen only.
pub(super) fn brief(decision: &Decision) -> String {
    told(decision, 1)
}

fn told(decision: &Decision, explained: usize) -> String {
    let mut out = Fields::default();
    match &decision.agent {
        Some(agent) => out.line(format_args!("{}, by {}{}", bold(agent), word(&decision.step), reason(decision))),
        None if decision.candidates.is_empty() => out.line(format_args!("{}{}", red("unroutable"), reason(decision))),
        None => out.line(format_args!("{}{}", bold("several"), reason(decision))),
    }
    for taken in &decision.steps {
        out.line(format_args!("  {} {}", dim(format_args!("{:<13}", word(&taken.step))), plain(&taken.found)));
    }
    candidates(&mut out, decision, explained);
    if let Some(hint) = &decision.hint {
        out.line(format_args!("hint: {}", plain(hint)));
    }
    out.finish()
}

fn candidates(out: &mut Fields, decision: &Decision, explained: usize) {
    let scored = decision.candidates.iter().any(|candidate| candidate.score.is_some());
    // Who was chosen alone, without points, was said already.
    if decision.candidates.len() < 2 && !scored {
        return;
    }
    out.line("candidates, best first");
    for (index, candidate) in decision.candidates.iter().enumerate() {
        out.line(format_args!("  {}. {}: {}", index + 1, candidate.agent, plain(&candidate.why)));
        let Some(score) = candidate.score.as_ref().filter(|_| index < explained) else { continue };
        for line in points::text(score).lines() {
            out.line(format_args!("       {line}").to_string().trim_end());
        }
    }
    if decision.others > 0 {
        out.line(format_args!("  and {} more", decision.others));
    }
}

/// The reason, where the steps below do not say the same.
fn reason(decision: &Decision) -> String {
    let told = decision.steps.iter().any(|taken| taken.found == decision.reason);
    if told { String::new() } else { format!(": {}", plain(&decision.reason)) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::show::testing::uncoloured;
    use serde_json::json;

    #[test]
    fn a_decision_with_its_steps() {
        let decision = json!({
            "agent": "context-manager", "step": "registration", "reason": "context-manager is registered for 'get_*_context'",
            "steps": [
                { "step": "target", "found": "the query names no agent" },
                { "step": "registration", "found": "context-manager is registered for 'get_*_context'" },
            ],
            "candidates": [
                { "agent": "context-manager", "why": "registered for 'get_*_context'" },
                { "agent": "librarian", "why": "registered for '*'; it has no live instance" },
            ],
        });
        insta::assert_snapshot!(uncoloured(&text(&serde_json::from_value(decision).unwrap())), @r"
        context-manager, by registration
          target        the query names no agent
          registration  context-manager is registered for 'get_*_context'
        candidates, best first
          1. context-manager: registered for 'get_*_context'
          2. librarian: registered for '*'; it has no live instance
        ");
    }

    #[test]
    fn a_score_with_each_point() {
        let file = include_str!("../../../../schemas/examples/valid/decision.score.json");
        insta::assert_snapshot!(uncoloured(&text(&serde_json::from_str(file).unwrap())), @r"
        builder, by score
          score         builder fits the text best: 24 points by its weights, 19 in the order
        candidates, best first
          1. builder: 24 points by its weights, 19 in the order
               competes by a keyword in the text; required tags found: build
               points  in order  for                               at
               12      9         keyword  build cache              characters 5 to 15
               10      10        domain   delivery
               2       0         default  what everybody is given
               and 1 more
          2. tester: 11 points for the words of its description
               competes by words of its description
               points  for          at
               11      word  cache  characters 11 to 15
          and 3 more
        ");
    }

    #[test]
    fn an_unroutable_query_with_its_hint() {
        let decision = json!({
            "agent": null, "step": "target", "reason": "no agent goes by the name 'qa\u{1b}[2J'",
            "steps": [{ "step": "target", "found": "no agent goes by the name 'qa'" }], "hint": "the nearest names are qa-expert",
        });
        insta::assert_snapshot!(uncoloured(&text(&serde_json::from_value(decision).unwrap())), @r"
        unroutable: no agent goes by the name 'qa�[2J'
          target        no agent goes by the name 'qa'
        hint: the nearest names are qa-expert
        ");
    }
}
