//! What a model is told: the definition's body, then who asks, by when, and how it uses the bus.
//!
//! Pure. Nothing of a definition's examples is told as a fact; the body is the author's, and stands as it is.

use std::fmt::Write as _;

use agentbus::{Name, Query, QueryId, protocol::Extra};
use jiff::Timestamp;
use serde_json::Value;

/// What surrounds a query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) agent: &'a Name,
    pub(super) requester: &'a Name,
    pub(super) id: QueryId,
    pub(super) attempt: u32,
    pub(super) deadline: Timestamp,
    pub(super) query: &'a Query,
    /// Whether the model may use tools.
    pub(super) tools: bool,
}

/// The system prompt.
pub(super) fn system(body: &str, frame: &Frame<'_>) -> String {
    let mut text = body.trim().to_owned();
    if !text.is_empty() {
        text += "\n\n";
    }
    text += &about(frame);
    text += RULES;
    if frame.tools {
        text += TOOLS;
    }
    if let Some(schema) = &frame.query.reply_schema {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n## The form of your answer\n\nAnswer with one JSON value that meets this JSON schema, and with nothing around it:\n\n{schema}\n"
        );
    }
    text
}

/// The first message: the question, and whatever else was sent with it.
pub(super) fn question(query: &Query) -> String {
    let rest: Extra = query.payload.extra.clone();
    if rest.is_empty() {
        return query.payload.query.clone();
    }
    format!("{}\n\nSent with it:\n\n{}", query.payload.query, Value::Object(rest))
}

/// What a model is told when its answer does not meet the schema.
pub(super) fn repair(why: &str) -> String {
    format!("Your answer cannot be used: {why}\n\nAnswer again with the one JSON value that meets the schema, and with nothing around it.")
}

fn about(frame: &Frame<'_>) -> String {
    let Frame { agent, requester, id, attempt, deadline, query, .. } = frame;
    let mut lines = vec![
        format!("You are the agent '{agent}' on agentbus, a bus on which agents ask each other."),
        String::new(),
        format!("- asked by: {requester}"),
        format!("- query: {id}, type {}, attempt {attempt}", query.request_type),
        format!("- answer by: {deadline}"),
    ];
    let mut more = |name: &str, value: Option<String>| lines.extend(value.map(|value| format!("- {name}: {value}")));
    more("tags", query.context_tags.as_ref().filter(|tags| !tags.is_empty()).map(|tags| tags.join(", ")));
    more("domain", query.domain.clone());
    more("complexity", query.complexity.clone());
    more("what it is for", query.intent.clone());
    format!("## Your place\n\n{}\n", lines.join("\n"))
}

const RULES: &str = "
## Rules of the bus

- The user message is the query. Your last message is the answer, and ends the query.
- Do not make anything up. A fact needs a source; say of what you do not know that it is unknown.
- Figures in examples above are examples. They are true of nothing here.
";

const TOOLS: &str = "
## Your tools

- ask: put a question to another agent, by name, or to whoever the bus finds. What comes back says who observed what, and when.
- report_progress: say how far you are. The requester sees it at once.
- set_fact: put down a fact that others may use later. Name its source; without one it counts as evidence only.
- question: ask the requester, and wait for the reply. Only where you cannot go on without it.
";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn told(query: &Query, tools: bool) -> String {
        let (agent, requester) = ("poet".parse().unwrap(), "alice".parse().unwrap());
        let id = "01a20267-c142-7669-b70a-b01c5b58423b".parse().unwrap();
        let deadline = "2026-11-22T10:00:00Z".parse().unwrap();
        system("You write.\n", &Frame { agent: &agent, requester: &requester, id, attempt: 2, deadline, query, tools })
    }

    #[test]
    fn the_body_comes_first_and_then_the_frame() {
        let mut query = Query::new("alice".parse().unwrap(), "get_rhymes", "What rhymes?");
        query.context_tags = Some(vec!["poetry".to_owned()]);
        let text = told(&query, true);
        assert!(text.starts_with("You write.\n\n## Your place\n"), "{text}");
        for part in
            ["the agent 'poet'", "asked by: alice", "type get_rhymes, attempt 2", "2026-11-22T10:00:00Z", "tags: poetry", "set_fact"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("What rhymes?") && !text.contains("JSON schema"), "{text}");
        assert!(!told(&query, false).contains("set_fact"));
    }

    #[test]
    fn a_schema_and_further_fields_are_told() {
        let mut query = Query::new("alice".parse().unwrap(), "x", "What rhymes?");
        query.reply_schema = Some(json!({ "type": "array" }));
        assert!(told(&query, false).contains("{\"type\":\"array\"}"));
        assert_eq!(question(&query), "What rhymes?");
        query.payload.extra.insert("words".to_owned(), json!(["bus"]));
        assert_eq!(question(&query), "What rhymes?\n\nSent with it:\n\n{\"words\":[\"bus\"]}");
    }
}
