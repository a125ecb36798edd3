//! Who answers a query, and why: the decision, each step's finding, and who else was considered.

use agentbus::Decision;

use super::{
    fields::Fields,
    plain::{plain, word},
    style::{bold, dim, red},
};

/// The decision in words.
pub(super) fn text(decision: &Decision) -> String {
    let mut out = Fields::default();
    match &decision.agent {
        Some(agent) => out.line(format_args!("{}, by {}{}", bold(agent), word(&decision.step), reason(decision))),
        None => out.line(format_args!("{}{}", red("unroutable"), reason(decision))),
    }
    for taken in &decision.steps {
        out.line(format_args!("  {} {}", dim(format_args!("{:<13}", word(&taken.step))), plain(&taken.found)));
    }
    // Who was chosen alone was said already.
    if decision.candidates.len() > 1 {
        out.line("candidates, best first");
        for (index, candidate) in decision.candidates.iter().enumerate() {
            out.line(format_args!("  {}. {}: {}", index + 1, candidate.agent, plain(&candidate.why)));
        }
    }
    if let Some(hint) = &decision.hint {
        out.line(format_args!("hint: {}", plain(hint)));
    }
    out.finish()
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
