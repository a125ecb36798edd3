//! What a line of a command's standard output means.
//!
//! Pure. A line that is a JSON object with a `type` of ours speaks to the bus; every other line is
//! for the log. Next: `converse`, `verdict`.
//!
//! | `type` | fields |
//! |---|---|
//! | `progress` | `status`; `progress`, an object |
//! | `fact` | `key`, `value`; `kind` (`value` or `evidence`), `topics`, `source` |
//! | `answer` | `result`; `delivery` (the notification), `unknown`, `facts` (as above, without `type`), `usage` |
//! | `question`, `ask` | see `converse` |

use agentbus::{
    Fact, FactKey, FactKind, Name,
    protocol::{Extra, message::Usage, schema::MAX_DEPTH},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::converse::{Asked, Wanted};

/// How deep a value may nest: an answer of the context handler quotes it six levels down. What is deeper than a
/// reader of the bus takes is no valid message, and the query would wait for it in vain.
const DEEPEST: usize = MAX_DEPTH - 8;

/// The types of lines that speak to the bus.
const KINDS: [&str; 5] = ["progress", "fact", "answer", "question", "ask"];

/// A line, read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    /// How the work goes.
    Progress(Report),
    /// Something observed.
    Fact(Told),
    /// The answer.
    Answer(Box<Given>),
    /// It needs input of its requester.
    Question(Box<Asked>),
    /// It asks other agents.
    Ask(Box<Wanted>),
    /// For the log.
    Other,
    /// It speaks to the bus, but not in words that the bus knows; with the reason.
    Bad(String),
}

/// A progress report.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Report {
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) progress: Extra,
}

/// A fact as a command tells it. Who observed it, and when, is not the command's to say.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Told {
    key: FactKey,
    value: Value,
    #[serde(default)]
    pub(crate) kind: FactKind,
    #[serde(default)]
    topics: Vec<String>,
    pub(crate) source: Option<String>,
}

/// An answer as a command gives it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Given {
    pub(crate) delivery: String,
    pub(crate) result: Option<Value>,
    pub(crate) unknown: Vec<String>,
    pub(crate) facts: Vec<Told>,
    pub(crate) usage: Option<Usage>,
}

impl Told {
    /// The fact with its provenance: `observer` saw it now, by running `command`.
    pub(crate) fn fact(self, observer: &Name, command: &str, now: Timestamp) -> Fact {
        self.told(observer, &format!("told by the command: {command}"), now)
    }

    /// The fact with its provenance: `observer` has it now, as `told` says, and from the source that stands in it.
    pub(crate) fn told(self, observer: &Name, told: &str, now: Timestamp) -> Fact {
        let source = match self.source.filter(|source| !source.trim().is_empty()) {
            Some(source) => format!("{source}; {told}"),
            None => told.to_owned(),
        };
        Fact {
            key: self.key,
            value: self.value,
            kind: self.kind,
            source,
            observed_by: observer.clone(),
            observed_at: now,
            topics: self.topics,
            extra: Extra::new(),
        }
    }
}

/// Reads a line.
pub(crate) fn read(line: &str) -> Said {
    let mut object: Extra = match serde_json::from_str(line) {
        Ok(object) => object,
        Err(error) if is_meant_for_us(line) => return Said::Bad(error.to_string()),
        Err(_) => return Said::Other,
    };
    let Some(Value::String(kind)) = object.remove("type") else { return Said::Other };
    let object = Value::Object(object);
    if nests_too_deeply(&object) && KINDS.contains(&kind.as_str()) {
        return Said::Bad(format!("{kind}: it nests deeper than {DEEPEST} levels"));
    }
    let read = match kind.as_str() {
        "progress" => Report::deserialize(object).map(Said::Progress),
        "fact" => Told::deserialize(object).map(Said::Fact),
        "answer" => Given::deserialize(object).map(Box::new).map(Said::Answer),
        "question" => Asked::deserialize(object).map(Box::new).map(Said::Question),
        "ask" => Wanted::deserialize(object).map(Box::new).map(Said::Ask),
        _ => return Said::Other,
    };
    read.unwrap_or_else(|error| Said::Bad(format!("{kind}: {error}")))
}

/// Whether a value nests deeper than a message of the bus has room for.
pub(crate) fn nests_too_deeply(value: &Value) -> bool {
    fn within(value: &Value, levels: usize) -> bool {
        let inside = |value: &Value| levels.checked_sub(1).is_some_and(|levels| within(value, levels));
        match value {
            Value::Array(items) => levels > 0 && items.iter().all(inside),
            Value::Object(fields) => levels > 0 && fields.values().all(inside),
            _ => true,
        }
    }
    !within(value, DEEPEST)
}

/// Whether a text that is no JSON, or was cut, begins as a line for the bus would.
pub(crate) fn is_meant_for_us(line: &str) -> bool {
    let start: String = line.chars().filter(|c| !c.is_whitespace()).take(24).collect();
    KINDS.iter().any(|kind| start.starts_with(&format!("{{\"type\":\"{kind}\"")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[rstest::rstest]
    #[case("")]
    #[case("compiling 3 of 9")]
    #[case("{\"level\":\"info\"}")]
    #[case("{\"type\":\"system\",\"x\":1}")]
    #[case("{\"type\":7}")]
    #[case("[{\"type\":\"answer\"}]")]
    #[case("{\"kind\": \"answer\", broken")]
    fn other_lines_are_for_the_log(#[case] line: &str) {
        assert_eq!(read(line), Said::Other);
    }

    #[rstest::rstest]
    #[case("{\"type\":\"answer\", \"result\": ", "EOF")]
    #[case(" { \"type\" : \"fact\" oops", "expected")]
    #[case("{\"type\":\"progress\"}", "progress: missing field `status`")]
    #[case("{\"type\":\"fact\",\"key\":\"A B\",\"value\":1}", "fact: \"A B\" is not a fact key")]
    #[case("{\"type\":\"fact\",\"key\":\"a\"}", "fact: missing field `value`")]
    #[case("{\"type\":\"answer\",\"unknown\":\"x\"}", "answer: invalid type")]
    #[case("{\"type\":\"question\"}", "question: missing field `text`")]
    #[case("{\"type\":\"ask\",\"query\":\"?\"}", "ask: missing field `ref`")]
    fn a_line_for_the_bus_must_be_right(#[case] line: &str, #[case] says: &str) {
        let Said::Bad(why) = read(line) else { panic!("{line} is taken") };
        assert!(why.contains(says), "{why}");
    }

    #[rstest::rstest]
    #[case("answer", "result")]
    #[case("fact", "value")]
    #[case("progress", "progress")]
    fn a_line_for_the_bus_nests_no_deeper_than_a_message_may(#[case] kind: &str, #[case] field: &str) {
        let nested = |levels: usize| format!("{{\"a\":{}1{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        let said = |levels| read(&format!("{{\"type\":\"{kind}\",\"{field}\":{},\"key\":\"a\",\"status\":\"s\"}}", nested(levels)));
        assert!(!matches!(said(DEEPEST - 1), Said::Bad(_) | Said::Other), "{:?}", said(DEEPEST - 1));
        let Said::Bad(why) = said(DEEPEST) else { panic!("taken") };
        assert!(why.contains("nests deeper than 56 levels"), "{why}");
    }

    #[test]
    fn progress_and_answers_are_read() {
        let Said::Progress(report) = read(r#"{"status":"building","type":"progress","progress":{"done":2}}"#) else { panic!("no report") };
        assert_eq!((report.status.as_str(), &report.progress["done"]), ("building", &json!(2)));
        let line = r#"{"type":"answer","delivery":"Done.","result":[1],"unknown":["x"],"facts":[{"key":"a.b","value":true}],"more":1}"#;
        let Said::Answer(given) = read(line) else { panic!("no answer") };
        assert_eq!((given.delivery.as_str(), given.result, given.unknown.len(), given.facts.len()), ("Done.", Some(json!([1])), 1, 1));
        assert_eq!(read("{\"type\":\"answer\"}"), Said::Answer(Box::default()));
        assert!(matches!(read("{\"type\":\"question\",\"text\":\"?\"}"), Said::Question(_)));
        assert!(matches!(read("{\"type\":\"ask\",\"ref\":1,\"query\":\"?\"}"), Said::Ask(_)));
    }

    #[test]
    fn a_fact_has_its_provenance_from_us() {
        let now: Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
        let line = r#"{"type":"fact","key":"team.size","value":12,"observed_by":"mallory","kind":"evidence","topics":["team"]}"#;
        let Said::Fact(told) = read(line) else { panic!("no fact") };
        let fact = told.clone().fact(&"counter".parse().unwrap(), "./count.sh", now);
        assert_eq!((fact.observed_by.as_str(), fact.observed_at, fact.kind), ("counter", now, FactKind::Evidence));
        assert_eq!(fact.source, "told by the command: ./count.sh");
        let named = Told { source: Some("staff list".to_owned()), ..told }.fact(&"counter".parse().unwrap(), "./count.sh", now);
        assert_eq!(named.source, "staff list; told by the command: ./count.sh");
    }

    proptest! {
        #[test]
        fn any_line_is_read(line in any::<String>()) {
            let _ = read(&line);
        }
    }
}
