//! What an expert's answer tells about the topics that it was asked. Pure.
//!
//! Owns how far an answer is taken at its word. Its facts go on as they are, with the provenance that they have. An
//! answer without facts is a statement: of that agent, then, in that query. What it calls unknown stays unknown.

use agentbus::{Answer, Fact, FactKey, FactKind, QueryId};
use jiff::Timestamp;
use protocol::Extra;
use serde_json::Value;

use super::choice::Errand;
use crate::{
    context::{Bearing, Given, Topic},
    exec::nests_too_deeply,
};

/// The longest statement that is quoted, in characters or in bytes of JSON. The query that it stands in has the whole.
const LONGEST: usize = 4096;

/// Where a statement is kept that answers several topics at once, or one that makes no key.
const STATEMENT: &str = "statement";

/// What stands where somebody says nothing: what the bus puts in for an empty notification, and two ways to pass.
const NOTHING: [&str; 4] = ["", "done", "unknown", "not known"];

/// The facts of a completed answer, each with the topics that it was given for.
pub(super) fn told(errand: &Errand, id: QueryId, answer: &Answer, now: Timestamp) -> Vec<Given> {
    let open: Vec<String> = errand.topics.iter().filter(|topic| !is_unknown(topic, answer)).cloned().collect();
    if !answer.facts.is_empty() {
        // Which of several topics a fact is about, its own words must say.
        let given_for = if errand.topics.len() == 1 { open } else { Vec::new() };
        let given = |fact: &Fact| Given { fact: fact.clone(), topics: given_for.clone(), bearing: Bearing::Evidence };
        return answer.facts.iter().filter(|fact| !nests_too_deeply(&fact.value)).map(given).collect();
    }
    let Some(value) = statement(answer) else { return Vec::new() };
    // What was said to several topics at once settles none of them by itself.
    let (key, bearing) = match (errand.topics.as_slice(), answer.unknown.as_slice()) {
        ([topic], []) => (FactKey::slug(topic), Bearing::Answers),
        ([_], _) => return Vec::new(),
        _ if open.is_empty() => return Vec::new(),
        _ => (None, Bearing::Evidence),
    };
    let Some(key) = key.or_else(|| FactKey::slug(STATEMENT)) else { return Vec::new() };
    let fact = Fact {
        key,
        value,
        kind: if bearing == Bearing::Answers { FactKind::Value } else { FactKind::Evidence },
        source: format!("answer of {}, query {id}", errand.agent),
        observed_by: errand.agent.clone(),
        observed_at: now,
        topics: open.clone(),
        extra: Extra::new(),
    };
    vec![Given { fact, topics: open, bearing }]
}

/// Whether the answer itself says that it does not know a topic.
fn is_unknown(topic: &str, answer: &Answer) -> bool {
    let words = |text: &str| Topic::new(text).map(|topic| topic.words);
    answer.unknown.iter().any(|unknown| unknown == topic || words(unknown) == words(topic))
}

/// What it says: its result, or its notification where there is none, or one that is a document.
fn statement(answer: &Answer) -> Option<Value> {
    let result = answer.result.as_ref().filter(|result| says_something(result));
    let short = result.filter(|result| result.to_string().len() <= LONGEST && !nests_too_deeply(result));
    let text = result.and_then(Value::as_str).unwrap_or(&answer.delivery);
    short.cloned().or_else(|| Some(Value::from(cut(text)))).filter(says_something)
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => {
            let text = text.trim().trim_end_matches(['.', '!']).to_lowercase();
            !NOTHING.contains(&text.as_str())
        }
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use serde_json::json;

    use super::*;
    use crate::context::answer as answer_context;

    const SEEN: &str = "2026-11-22T09:00:00Z";

    fn given(topics: &[&str], answer: &Value) -> Vec<Given> {
        let mut whole = json!({ "agent": "qa", "attempt": 1, "instance": "i1", "outcome": "completed", "delivery": "Done." });
        whole.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
        let errand = Errand { agent: "qa".parse().unwrap(), topics: topics.iter().copied().map(str::to_owned).collect(), why: Vec::new() };
        let id = "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3".parse().unwrap();
        told(&errand, id, &serde_json::from_value(whole).unwrap(), SEEN.parse().unwrap())
    }

    /// What becomes of the topics in the answer that is made of it.
    fn made(topics: &[&str], answer: &Value) -> Vec<String> {
        let answered = answer_context(&topics.join(", "), &[], &given(topics, answer));
        answered.result["topics"].as_array().unwrap().iter().map(|topic| topic["status"].as_str().unwrap().to_owned()).collect()
    }

    fn fact(key: &str) -> Value {
        json!({ "key": key, "value": 81, "source": "a run", "observed_by": "alice", "observed_at": "2026-11-01T09:00:00Z", "by_the_way": 1 })
    }

    #[test]
    fn a_fact_goes_on_as_it_is() {
        let given =
            given(&["test coverage"], &json!({ "facts": [fact("test.coverage")], "result": "81 percent", "delivery": "Measured." }));
        assert_eq!(given.len(), 1, "what rests on facts is no statement beside them");
        assert_eq!(json!(given[0].fact), {
            let mut expected = fact("test.coverage");
            expected["kind"] = json!("value");
            expected
        });
    }

    #[rstest::rstest]
    #[case::by_its_key(&["test coverage"], "test.coverage", &["known"])]
    #[case::by_another_key(&["test coverage"], "lines.run", &["evidence"])]
    #[case::one_of_two(&["test coverage", "flaky tests"], "test.coverage", &["known", "unknown"])]
    #[case::which_of_two(&["test coverage", "flaky tests"], "lines.run", &["unknown", "unknown"])]
    fn a_fact_is_worth_for_a_topic_what_its_words_are(#[case] topics: &[&str], #[case] key: &str, #[case] statuses: &[&str]) {
        assert_eq!(made(topics, &json!({ "facts": [fact(key)] })), statuses);
    }

    #[test]
    fn an_answer_without_facts_is_a_statement_of_its_writer() {
        let given = given(&["test coverage"], &json!({ "result": { "percent": 81 }, "delivery": "Measured." }));
        let expected = json!({
            "key": "test_coverage", "value": { "percent": 81 }, "kind": "value", "topics": ["test coverage"],
            "source": "answer of qa, query 0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3", "observed_by": "qa", "observed_at": SEEN,
        });
        assert_eq!(json!(given[0].fact), expected);
        assert_eq!(made(&["test coverage"], &json!({ "delivery": "About 81 percent." })), ["known"]);
        assert_eq!(made(&["pokrytí testů"], &json!({ "delivery": "Asi 81 procent." })), ["known"]);
        assert_eq!(made(&["…測試"], &json!({ "delivery": "81" })), ["known"], "though no key can be made of it");
    }

    #[test]
    fn what_is_said_of_two_topics_at_once_settles_neither() {
        let answer = json!({ "delivery": "81 percent, and three of them." });
        assert_eq!(made(&["test coverage", "flaky tests"], &answer), ["evidence", "evidence"]);
        let answer = json!({ "delivery": "81 percent.", "unknown": ["Flaky test"] });
        assert_eq!(made(&["test coverage", "flaky tests"], &answer), ["evidence", "unknown"]);
    }

    #[rstest::rstest]
    #[case::unknown(json!({ "delivery": "I looked.", "unknown": ["test coverage"] }))]
    #[case::in_other_words(json!({ "delivery": "I looked.", "unknown": ["how much is covered"] }))]
    #[case::with_a_fact_of_other_things(json!({ "unknown": ["the test coverage"], "facts": [fact("lines.run")] }))]
    #[case::nothing(json!({}))]
    #[case::empty(json!({ "result": {} }))]
    #[case::null(json!({ "result": null }))]
    #[case::a_shrug(json!({ "result": "Unknown." }))]
    #[case::too_deep(json!({ "result": (0..80).fold(json!(1), |value, _| json!([value])) }))]
    fn who_does_not_know_leaves_the_topic_unknown(#[case] answer: Value) {
        assert_eq!(made(&["test coverage"], &answer), ["unknown"]);
    }

    #[test]
    fn a_document_is_not_quoted_whole() {
        let long = "x".repeat(LONGEST + 1);
        let value = |answer: Value| given(&["test coverage"], &answer)[0].fact.value.clone();
        assert_eq!(value(json!({ "result": { "text": long }, "delivery": "Measured 81." })), json!("Measured 81."));
        let cut = value(json!({ "result": long }));
        assert_eq!(cut.as_str().map(|text| text.chars().count()), Some(LONGEST + 1), "with a sign that it is cut");
    }
}
