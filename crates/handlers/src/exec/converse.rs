//! What a command can ask: its requester (a question), and other agents (a sub-query). Each line that asks leads to one
//! line on its standard input.
//!
//! | asked by | told by |
//! |---|---|
//! | `question`: `text`; `choices`, `default`, `timeout`, `ref` | `reply`: `question` (its number), `ref` as given, `reply`, `by_default` |
//! | `ask`: `ref`, `query`; `to`, `request_type`, `timeout`, and what else a query has | `answer`: `ref`, `id`, `state`, `delivery`, `result`, `facts`, `unknown`, `usage`, and `failure` or `reason` |
//! | an `ask` that is not taken, or is one too many | `refused`: `ref`, `code`, `message` |
//!
//! What is asked on behalf of others, and what it may cost, is judged by the coordinator and by nobody here.

use std::time::Duration;

use agentbus::{Ended, Error, Fault, Inquiry, Name, Query, State, Task, protocol::Extra};
use jiff::SignedDuration;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

/// What a sub-query is where its line does not say.
const REQUEST: &str = "request";

/// A question, as a line asks it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Asked {
    text: String,
    #[serde(default)]
    choices: Vec<String>,
    default: Option<Value>,
    #[serde(default, deserialize_with = "time")]
    timeout: Option<Duration>,
    #[serde(rename = "ref")]
    own: Option<Value>,
}

/// A sub-query, as a line asks it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Wanted {
    #[serde(rename = "ref")]
    own: Value,
    query: String,
    to: Option<Name>,
    request_type: Option<String>,
    #[serde(default, deserialize_with = "time")]
    timeout: Option<Duration>,
    #[serde(flatten)]
    rest: Extra,
}

impl Asked {
    /// Asks the requester.
    pub(super) async fn reply(self, task: Task) -> Result<String, Box<Fault>> {
        let inquiry = Inquiry { text: self.text, choices: self.choices, default: self.default, within: self.timeout };
        let replied = task.question(inquiry).await.map_err(|error| Box::new(unanswered(&error)))?;
        let mut line = json!({ "type": "reply", "question": replied.question, "reply": replied.value, "by_default": replied.by_default });
        if let (Some(own), Some(fields)) = (self.own, line.as_object_mut()) {
            fields.insert("ref".to_owned(), own);
        }
        Ok(line.to_string())
    }

    /// The line that says that it is not asked.
    pub(super) fn too_many(&self) -> String {
        too_many(self.own.as_ref().unwrap_or(&Value::Null))
    }
}

impl Wanted {
    /// Asks, and waits for the ending.
    pub(super) async fn answer(self, task: Task) -> Result<String, Box<Fault>> {
        let own = self.own.clone();
        let ended = match self.query(task.agent()) {
            Ok(query) => ask(&task, query).await,
            Err(why) => return Ok(refused(&own, "schema_violation", &why)),
        };
        Ok(match ended {
            Ok(ended) => told(&own, ended),
            Err(error) => refused(&own, error.code(), &error.to_string()),
        })
    }

    /// The line that says that it is not asked.
    pub(super) fn too_many(&self) -> String {
        too_many(&self.own)
    }

    /// The query. Who asks, and on whose behalf, is not the command's to say.
    fn query(mut self, agent: &Name) -> Result<Query, String> {
        let mut payload = match self.rest.remove("payload") {
            None => Map::new(),
            Some(Value::Object(payload)) => payload,
            Some(_) => return Err("the payload is not an object".to_owned()),
        };
        payload.insert("query".to_owned(), self.query.into());
        let mut set = |field: &str, value: Option<Value>| drop(value.map(|value| self.rest.insert(field.to_owned(), value)));
        set("requesting_agent", Some(agent.as_str().into()));
        set("request_type", Some(self.request_type.unwrap_or_else(|| REQUEST.to_owned()).into()));
        set("payload", Some(payload.into()));
        set("target", self.to.map(|to| to.as_str().into()));
        set("timeout_ms", self.timeout.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1).into()));
        serde_json::from_value(Value::Object(self.rest)).map_err(|error| error.to_string())
    }
}

async fn ask(task: &Task, query: Query) -> Result<Ended, Error> {
    task.ask(query).await?.ended().await
}

/// The line that tells how a sub-query ended.
fn told(own: &Value, ended: Ended) -> String {
    if let (State::Rejected, Some(close)) = (ended.state, &ended.close) {
        return refused(own, &close.code, &close.message);
    }
    let mut line = json!({ "type": "answer", "ref": own, "id": ended.id, "state": ended.state, "delivery": ended.notification() });
    let Some(fields) = line.as_object_mut() else { return line.to_string() };
    let answer = ended.answer.and_then(|answer| serde_json::to_value(answer).ok());
    if let Some(Value::Object(mut answer)) = answer {
        let kept = ["result", "facts", "unknown", "parts", "usage", "failure"];
        fields.extend(kept.iter().filter_map(|field| answer.remove_entry(*field)));
    }
    if let Some(close) = ended.close {
        fields.insert("failure".to_owned(), json!({ "code": close.code, "message": close.message }));
    }
    line.to_string()
}

fn too_many(own: &Value) -> String {
    refused(own, "too_many_at_once", "it waits for too much already: ask again when some of it has come")
}

fn refused(own: &Value, code: &str, message: &str) -> String {
    json!({ "type": "refused", "ref": own, "code": code, "message": message }).to_string()
}

/// Why an attempt cannot go on without a reply.
fn unanswered(error: &Error) -> Fault {
    match error.code() {
        "schema_violation" | "payload_too_large" => {
            Fault::fail("bad_output", format!("the command printed a line that is not right: question: {error}"))
        }
        _ if error.is_unavailable() || error.code() == "storage_full" => Fault::retry(error.code(), error.to_string()),
        code => Fault::fail(code, error.to_string()),
    }
}

/// A time: as in "30s", or a number of milliseconds.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a time as in \"30s\", or a number of milliseconds")]
    enum Time {
        Millis(u64),
        Text(String),
    }
    let time = match Option::<Time>::deserialize(deserializer)? {
        None => return Ok(None),
        Some(Time::Millis(ms)) => Some(Duration::from_millis(ms)),
        Some(Time::Text(text)) => text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok()),
    };
    let time = time.filter(|time| !time.is_zero());
    time.map(Some).ok_or_else(|| serde::de::Error::custom("'timeout' is no time, as in \"30s\" or 30000"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn wanted(line: Value) -> Result<Wanted, String> {
        serde_json::from_value(line).map_err(|error| error.to_string())
    }

    #[test]
    fn a_line_becomes_a_query_of_this_agent() {
        let line = json!({
            "ref": "a1", "query": "Which tests fail?", "to": "qa-expert", "timeout": "30s", "context_tags": ["ci"],
            "payload": { "since": "main", "query": "not this" }, "requesting_agent": "mallory",
        });
        let query = wanted(line).unwrap().query(&"lead".parse().unwrap()).unwrap();
        assert_eq!((query.requesting_agent.as_str(), query.request_type.as_str()), ("lead", REQUEST));
        assert_eq!((query.payload.query.as_str(), &query.payload.extra["since"]), ("Which tests fail?", &json!("main")));
        assert_eq!((query.target.unwrap().as_str(), query.timeout_ms, query.context_tags.unwrap().len()), ("qa-expert", Some(30_000), 1));
    }

    #[rstest::rstest]
    #[case(json!({ "query": "?" }), "missing field `ref`")]
    #[case(json!({ "ref": 1 }), "missing field `query`")]
    #[case(json!({ "ref": 1, "query": "?", "to": "a b" }), "may not stand in a name")]
    #[case(json!({ "ref": 1, "query": "?", "timeout": "soon" }), "'timeout' is no time")]
    #[case(json!({ "ref": 1, "query": "?", "timeout": 0 }), "'timeout' is no time")]
    fn what_is_no_sub_query_is_refused(#[case] line: Value, #[case] says: &str) {
        let why = wanted(line).unwrap_err();
        assert!(why.contains(says), "{why}");
    }

    #[rstest::rstest]
    #[case(json!({ "payload": 1 }), "payload")]
    #[case(json!({ "priority": "urgent" }), "urgent")]
    fn what_does_not_fit_a_query_is_said(#[case] rest: Value, #[case] says: &str) {
        let mut line = json!({ "ref": 1, "query": "?" });
        line.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let why = wanted(line).unwrap().query(&"lead".parse().unwrap()).unwrap_err();
        assert!(why.contains(says), "{why}");
    }

    #[test]
    fn a_question_is_read_with_its_time() {
        let asked: Asked = serde_json::from_value(json!({ "text": "Which?", "choices": ["a"], "timeout": 1500, "default": "a" })).unwrap();
        assert_eq!((asked.timeout, asked.own), (Some(Duration::from_millis(1500)), None));
    }
}
