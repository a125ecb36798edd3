//! Records, answers and agents in words for a model. Short: the data beside it has everything. It never makes evidence
//! look like an answer, and leaves out nothing of what is unknown.

use std::fmt::Write;

use agentbus::{Answer, Attachment, Decision, Fact, FactKind, Presence, Progress, QueryId, Record};
use serde_json::Value;

/// The most characters of one text. What is longer is in the data.
const LONGEST: usize = 40_000;

/// Where a query stands; how it ended, if it has.
pub(super) fn record(record: &Record) -> String {
    let mut out = format!("query {}: {}", record.id, record.state.as_str());
    if let Some(waiting) = &record.waiting_for {
        let _ = write!(out, " (waits for: {waiting})");
    }
    if let Some(agent) = record.attempts.last().map(|attempt| &attempt.agent) {
        let _ = write!(out, ", by {agent}");
    }
    out.push('\n');
    if let Some(answer) = &record.answer {
        self::answer(&mut out, record.id, answer);
    } else if let Some(close) = &record.close {
        let _ = writeln!(out, "{}", close.message);
        each(&mut out, &close.hint, |hint| format!("hint: {hint}"));
    }
    cut(out)
}

/// The same with every message.
pub(super) fn history(record: &Record) -> String {
    let mut out = self::record(record);
    out.push_str("\nmessages\n");
    for message in &record.messages {
        let verdict = serde_json::to_value(message.verdict).ok();
        let verdict = verdict.as_ref().and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(out, "  {}  {} {} -> {} ({verdict})", message.time, message.kind.as_str(), message.from, message.to);
    }
    cut(out)
}

fn answer(out: &mut String, id: QueryId, answer: &Answer) {
    let _ = writeln!(out, "\n{}", answer.delivery);
    if let Some(failure) = answer.failure.as_ref().filter(|failure| failure.message != answer.delivery) {
        let _ = writeln!(out, "why: {} ({})", failure.message, failure.code);
    }
    match answer.result.as_ref().map(|result| (result, topics(result))) {
        // An answer from facts, by topics: they say all that the facts do.
        Some((_, Some(topics))) => out.push_str(&topics),
        other => {
            if let Some((result, _)) = other {
                let json = || serde_json::to_string_pretty(result).unwrap_or_default();
                let _ = writeln!(out, "\n{}", result.as_str().map_or_else(json, str::to_owned));
            }
            facts(out, &answer.facts);
        }
    }
    if !answer.unknown.is_empty() {
        out.push_str("\nunknown (nobody knows; do not fill it in)\n");
        each(out, &answer.unknown, |topic| format!("  {topic}"));
    }
    attachments(out, id, answer.result_at.iter().chain(&answer.attachments));
    for part in &answer.parts {
        let delivery = part.delivery.as_deref().unwrap_or("no answer");
        let _ = writeln!(out, "\n{} ({}): {delivery}", part.agent, part.state.as_str());
        each(out, &part.result, Value::to_string);
    }
}

fn facts(out: &mut String, facts: &[Fact]) {
    if !facts.is_empty() {
        out.push_str("\nfacts\n");
        each(out, facts, |fact| format!("  {}", self::fact(fact)));
    }
}

/// The result of an answer from facts, if it is one. What is not known at all stands under `unknown`.
fn topics(result: &Value) -> Option<String> {
    let mut out = String::new();
    for topic in result.get("topics")?.as_array()? {
        let quoted = |field: &str| serde_json::from_value::<Vec<Fact>>(topic.get(field)?.clone()).ok();
        let (facts, mut evidence) = (quoted("facts")?, quoted("evidence")?);
        if facts.is_empty() && evidence.is_empty() {
            continue;
        }
        let unknown = if facts.is_empty() { ": not known, evidence only" } else { "" };
        let _ = writeln!(out, "\n{}{unknown}", topic.get("topic")?.as_str()?);
        evidence.iter_mut().for_each(|fact| fact.kind = FactKind::Evidence);
        each(&mut out, facts.iter().chain(&evidence), |fact| format!("  {}", self::fact(fact)));
    }
    Some(out)
}

/// What does not travel in the message itself. How to get it is said once, and never with a name from the bus in it.
pub(super) fn attachments<'a>(out: &mut String, id: QueryId, attachments: impl Iterator<Item = &'a Attachment>) {
    let lines: Vec<_> = attachments.map(|one| format!("  {}, {} bytes", one.name, one.size)).collect();
    if !lines.is_empty() {
        let _ = writeln!(out, "\nattachments\n{}\n  to get one: agentbus attachment {id} NAME -o FILE", lines.join("\n"));
    }
}

/// A fact on one line, with who saw it, when, and how.
pub(super) fn fact(fact: &Fact) -> String {
    let evidence = if fact.kind == FactKind::Evidence { " (evidence, not an answer)" } else { "" };
    format!("{} = {}{evidence}: {}; observed by {}, {}", fact.key, fact.value, fact.source, fact.observed_by, fact.observed_at)
}

/// A progress report on one line.
pub(super) fn progress(progress: &Progress) -> String {
    let mut out = format!("{}: {}", progress.agent, progress.status);
    for (key, value) in progress.progress.iter().flatten() {
        let _ = write!(out, " {key}={value}");
    }
    out.chars().take(1000).collect()
}

/// Who would answer, and why.
pub(super) fn decision(decision: &Decision) -> String {
    let agent = decision.agent.as_ref().map_or("nobody", |agent| agent.as_str());
    let mut out = format!("{agent}: {}\n", decision.reason);
    each(&mut out, &decision.hint, |hint| format!("hint: {hint}"));
    for candidate in &decision.candidates {
        let _ = writeln!(out, "  {}: {}", candidate.agent, candidate.why);
    }
    cut(out)
}

/// An agent on one line.
pub(super) fn agent(agent: &Presence) -> String {
    let live = if agent.instances.is_empty() { "away" } else { "live" };
    let mut out = format!("{} ({live}, {})", agent.card.agent, agent.card.handler);
    if let Some(line) = agent.card.description.lines().next().filter(|line| !line.is_empty()) {
        let _ = write!(out, ": {}", line.chars().take(200).collect::<String>());
    }
    out
}

/// One line for each.
fn each<'a, T: 'a>(out: &mut String, items: impl IntoIterator<Item = &'a T>, line: impl Fn(&T) -> String) {
    for item in items {
        out.push_str(&line(item));
        out.push('\n');
    }
}

/// What is too long for a model to read, cut.
pub(super) fn cut(text: String) -> String {
    if text.chars().count() <= LONGEST {
        return text;
    }
    let mut short: String = text.chars().take(LONGEST).collect();
    short.push_str("\n… (cut here; the structured content has all of it)");
    short
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn answered(answer: &Value) -> Record {
        let mut whole = json!({ "agent": "b", "attempt": 1, "instance": "i7", "outcome": "completed", "delivery": "Done." });
        whole.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
        let record = json!({
            "id": "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3", "requester": "alice", "state": "completed", "query": {}, "seq": 1,
            "posted_at": "2026-01-05T09:00:00Z", "answer": whole,
        });
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn evidence_is_no_answer_and_nothing_unknown_is_left_out() {
        let fact = |key: &str, kind: &str| json!({ "key": key, "value": 12, "kind": kind, "source": "the org chart", "observed_by": "alice", "observed_at": "2026-01-05T09:00:00Z" });
        let facts = [fact("team.size", "value"), fact("team.active", "evidence")];
        let text = record(&answered(&json!({ "facts": facts, "unknown": ["budget"] })));
        assert!(text.contains("team.size = 12: the org chart; observed by alice, 2026-01-05T09:00:00Z\n"), "{text}");
        assert!(text.contains("team.active = 12 (evidence, not an answer)"), "{text}");
        assert!(text.ends_with("unknown (nobody knows; do not fill it in)\n  budget\n"), "{text}");
    }

    #[test]
    fn an_answer_from_facts_is_told_by_topics() {
        let quoted =
            |key: &str| json!({ "key": key, "value": 12, "source": "s", "observed_by": "alice", "observed_at": "2026-01-05T09:00:00Z" });
        let topics = json!([
            { "topic": "team size", "facts": [], "evidence": [quoted("contributors")] },
            { "topic": "budget", "facts": [], "evidence": [] },
        ]);
        let text = record(&answered(&json!({ "result": { "topics": topics }, "facts": [quoted("contributors")], "unknown": ["budget"] })));
        assert!(text.contains("team size: not known, evidence only\n  contributors = 12 (evidence, not an answer): s;"), "{text}");
        assert_eq!((text.matches("contributors").count(), text.matches("budget").count()), (1, 1), "{text}");
    }

    #[test]
    fn a_long_answer_is_cut_and_says_so() {
        let text = record(&answered(&json!({ "result": "é".repeat(2 * LONGEST) })));
        assert!(text.chars().count() < LONGEST + 100 && text.contains("structured content has all"), "{}", text.len());
    }
}
