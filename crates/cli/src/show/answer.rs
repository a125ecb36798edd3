//! An answer for its requester: the delivery notification, then what is known, and how, and what
//! is not. It must never make evidence look like an answer.

use agentbus::{Ended, Fact, FactKind};
use serde::Deserialize;
use serde_json::Value;

use super::{
    attached, ending,
    fact::{EVIDENCE, Quoted},
    fields::Fields,
    parts,
    plain::{lines, plain},
    style::{bold, dim, yellow},
};

/// The result of a context answer.
#[derive(Debug, Deserialize)]
struct Context {
    topics: Vec<Topic>,
}

/// One topic of it.
#[derive(Debug, Deserialize)]
struct Topic {
    topic: String,
    facts: Vec<Quoted>,
    evidence: Vec<Quoted>,
}

/// The whole answer, or why there is none.
pub(super) fn text(ended: &Ended) -> String {
    let mut out = Fields::default();
    out.line(ending::text(ended.state, ended.answer.as_deref(), ended.close.as_ref()).trim_end());
    if let Some(answer) = &ended.answer {
        content(&mut out, answer.result.as_ref(), &answer.facts, &answer.unknown);
        parts::show(&mut out, &answer.parts);
        attached::show(&mut out, ended.id, &answer.attachments);
    }
    out.finish()
}

/// What an answer says besides its delivery notification.
pub(super) fn content(out: &mut Fields, result: Option<&Value>, facts: &[Fact], unknown: &[String]) {
    match result.and_then(context) {
        Some(context) => topics(out, &context),
        None => other(out, result, facts),
    }
    not_known(out, unknown);
}

fn context(result: &Value) -> Option<Context> {
    Context::deserialize(result).ok()
}

fn topics(out: &mut Fields, context: &Context) {
    for topic in &context.topics {
        // What is not known at all has a block of its own.
        let status = match (topic.facts.is_empty(), topic.evidence.is_empty()) {
            (false, _) => "",
            (true, false) => "not known; evidence only",
            (true, true) => continue,
        };
        out.line("");
        let status = if status.is_empty() { String::new() } else { format!("  {}", yellow(status)) };
        out.line(format_args!("{}{status}", bold(plain(&topic.topic))));
        topic.facts.iter().for_each(|fact| fact.show(out, "  "));
        evidence(out, topic.evidence.iter());
    }
}

fn evidence<'a>(out: &mut Fields, facts: impl Iterator<Item = &'a Quoted>) {
    let mut facts = facts.peekable();
    if facts.peek().is_some() {
        out.line(format_args!("  {}", dim(format_args!("{EVIDENCE}:"))));
    }
    facts.for_each(|fact| fact.show(out, "    "));
}

/// An answer of any other shape: as JSON, and under it the facts that it rests on.
fn other(out: &mut Fields, result: Option<&Value>, facts: &[Fact]) {
    if let Some(result) = result {
        out.line("");
        let json = serde_json::to_string_pretty(result).unwrap_or_default();
        out.line(result.as_str().map_or_else(|| lines(&json), lines));
    }
    if facts.is_empty() {
        return;
    }
    out.heading("facts");
    let of = |kind| facts.iter().filter(move |fact| fact.kind == kind).map(Quoted::from);
    of(FactKind::Value).for_each(|fact| fact.show(out, "  "));
    evidence(out, of(FactKind::Evidence).collect::<Vec<_>>().iter());
}

fn not_known(out: &mut Fields, unknown: &[String]) {
    if unknown.is_empty() {
        return;
    }
    out.heading("unknown");
    for topic in unknown {
        out.line(format_args!("  {}", plain(topic)));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::show::testing::uncoloured;
    use agentbus::{Answer, QueryId, State};
    use serde_json::json;

    fn quoted(key: &str, value: Value, by: &str) -> Value {
        json!({
            "key": key, "value": value, "source": format!("how {by} saw it"), "observed_by": by,
            "observed_at": "2026-11-21T09:00:00Z",
        })
    }

    fn ended(answer: &Value) -> Ended {
        let mut whole = json!({ "agent": "b", "attempt": 1, "instance": "i7", "outcome": "completed", "delivery": "Done." });
        whole.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
        let answer: Answer = serde_json::from_value(whole).unwrap();
        Ended { id: QueryId::mint(), state: State::Completed, seq: 7, answer: Some(Box::new(answer)), close: None }
    }

    fn shown(answer: &Value) -> String {
        uncoloured(&text(&ended(answer)))
    }

    #[test]
    fn a_context_answer_by_topics() {
        let topics = json!([
            { "topic": "team size", "status": "known", "facts": [quoted("team.size", json!(12), "alice")],
              "evidence": [quoted("repository.contributors.90d", json!(14), "context-manager")] },
            { "topic": "ML workloads", "status": "evidence", "note": "Not known.", "facts": [],
              "evidence": [quoted("ml.libraries", json!(["torch"]), "context-manager")] },
            { "topic": "pain points", "status": "unknown", "note": "Not known.", "facts": [], "evidence": [] },
        ]);
        insta::assert_snapshot!(shown(&json!({ "result": { "topics": topics }, "unknown": ["pain points"] })), @r#"
        Done.

        team size
          team.size = 12
              how alice saw it; observed by alice, 2026-11-21 09:00:00 UTC
          evidence, not an answer:
            repository.contributors.90d = 14
                how context-manager saw it; observed by context-manager, 2026-11-21 09:00:00 UTC

        ML workloads  not known; evidence only
          evidence, not an answer:
            ml.libraries = ["torch"]
                how context-manager saw it; observed by context-manager, 2026-11-21 09:00:00 UTC

        unknown
          pain points
        "#);
    }

    #[test]
    fn any_other_answer_as_json_with_its_facts() {
        let fact = |kind: &str| {
            let mut fact = quoted("team.size", json!(12), "alice");
            fact["kind"] = json!(kind);
            fact
        };
        insta::assert_snapshot!(shown(&json!({ "result": { "plan": ["a", "b"] }, "facts": [fact("evidence"), fact("value")] })), @r#"
        Done.

        {
          "plan": [
            "a",
            "b"
          ]
        }

        facts
          team.size = 12
              how alice saw it; observed by alice, 2026-11-21 09:00:00 UTC
          evidence, not an answer:
            team.size = 12
                how alice saw it; observed by alice, 2026-11-21 09:00:00 UTC
        "#);
        assert_eq!(shown(&json!({ "result": "two\nlines" })), "Done.\n\ntwo\nlines\n");
        assert_eq!(shown(&json!({})), "Done.\n");
    }

    #[test]
    fn a_result_that_only_looks_like_topics_is_shown_as_it_is() {
        let shown = shown(&json!({ "result": { "topics": [{ "topic": "team size", "facts": 12 }] } }));
        assert!(shown.contains("\"facts\": 12"), "{shown}");
    }

    #[test]
    fn a_bad_ending_says_why_and_what_to_do() {
        let close = json!({
            "reason": "unroutable", "code": "unknown_target", "message": "no agent goes by the name 'qa'", "hint": "the nearest is qa-expert",
            "coordinator": "c",
        });
        let close = Some(serde_json::from_value(close).unwrap());
        let closed = Ended { id: QueryId::mint(), state: State::Unroutable, seq: 7, answer: None, close };
        insta::assert_snapshot!(uncoloured(&text(&closed)), @r"
        unroutable: no agent goes by the name 'qa'
          hint       the nearest is qa-expert
        ");

        let failure = json!({ "outcome": "failed", "delivery": "No.", "failure": { "code": "no_disk", "message": "the disk\nis full" } });
        let failed = Ended { state: State::Failed, ..ended(&failure) };
        insta::assert_snapshot!(uncoloured(&text(&failed)), @r"
        failed: No.
          why        the disk is full (no_disk)
        ");
    }

    #[test]
    fn a_hostile_answer_writes_nothing_to_the_terminal() {
        const EVIL: &str = "\u{1b}[2J\u{9b}1m\u{202e}\u{7}";
        let mut fact = quoted("team.size", json!({ EVIL: [EVIL] }), EVIL);
        fact["key"] = json!(EVIL);
        fact["source"] = json!(EVIL);
        let topics = json!([{ "topic": EVIL, "facts": [fact.clone()], "evidence": [fact] }]);
        let answers = [
            json!({ "result": { "topics": topics }, "unknown": [EVIL], "delivery": EVIL }),
            json!({ "result": { EVIL: EVIL }, "failure": { "code": "x", "message": EVIL } }),
            json!({ "result": EVIL }),
        ];
        for answer in answers {
            let own = text(&ended(&answer)).replace("\u{1b}[0m", "").replace("\u{1b}[1m", "").replace("\u{1b}[2m", "");
            let left: Vec<_> = own.chars().filter(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}').collect();
            assert!(left.is_empty(), "{left:?} in {own:?}");
        }
    }
}
