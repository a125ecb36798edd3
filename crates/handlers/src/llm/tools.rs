//! What a model can do on the bus: ask others, report, put down facts, ask its requester.
//!
//! A call that is not right gets an error as its result, and the model goes on; after a few of them the attempt fails. What others
//! cannot or will not do is a result like any other.

use std::{sync::LazyLock, time::Duration};

use agentbus::{Ended, Error, Fact, FactKind, Fault, Inquiry, Query, Task, protocol::Extra};
use futures::{StreamExt, stream};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    reports::say,
    talk::{Call, CallResult},
};
use crate::{
    exec::{self, nests_too_deeply, said::Told},
    web::Secrets,
};

/// How many calls are under way at once.
const AT_ONCE: usize = 4;

/// How many wrong calls an attempt survives.
const WRONG: usize = 3;

/// How many facts an answer has at most.
const FACTS: usize = 256;

/// How much of what others answered the model is told, in characters.
const TOLD: usize = 24 << 10;

/// A tool as a model is told of it.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) schema: Value,
}

/// The tools.
pub(super) static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(|| {
    let text = |about: &str| json!({ "type": "string", "description": about });
    let seconds = json!({ "type": "integer", "minimum": 1, "description": "How long to wait, in seconds." });
    let tool = |name, about, fields: Value, required: &[&str]| {
        let schema = json!({ "type": "object", "properties": fields, "required": required });
        Tool { name, about, schema }
    };
    vec![
        tool(
            "ask",
            "Put a question to another agent of the bus, and wait for the answer with its provenance.",
            json!({
                "question": text("The question, complete in itself."),
                "to": text("The agent's name. Leave it out to let the bus find who answers best."),
                "request_type": text("The type of the request, where an agent is registered for one."),
                "timeout_seconds": seconds,
            }),
            &["question"],
        ),
        tool(
            "report_progress",
            "Tell the requester how far you are.",
            json!({ "status": text("What you are doing, in a few words."), "details": { "type": "object", "description": "Names and values." } }),
            &["status"],
        ),
        tool(
            "set_fact",
            "Put down a fact that the answer rests on.",
            json!({
                "key": text("Dotted words of a-z, 0-9, _ and -, as in team.size."),
                "value": { "description": "What is so: any JSON value." },
                "source": text("Where it comes from: a file, a document, a person, an agent's answer."),
                "kind": { "type": "string", "enum": ["value", "evidence"], "description": "Whether it settles its key, or only bears on it." },
                "topics": { "type": "array", "items": { "type": "string" }, "description": "What it bears on, beside its key." },
            }),
            &["key", "value"],
        ),
        tool(
            "question",
            "Ask the requester, and wait for the reply.",
            json!({
                "text": text("The question."),
                "choices": { "type": "array", "items": { "type": "string" }, "description": "Replies to choose from." },
                "default": text("What you go on with when nobody replies in time."),
                "timeout_seconds": seconds,
            }),
            &["text"],
        ),
    ]
});

#[derive(Deserialize)]
struct Ask {
    question: String,
    to: Option<String>,
    request_type: Option<String>,
    timeout_seconds: Option<u64>,
}

#[derive(Deserialize)]
struct Report {
    status: String,
    #[serde(default)]
    details: Extra,
}

#[derive(Deserialize)]
struct Question {
    text: String,
    #[serde(default)]
    choices: Vec<String>,
    default: Option<String>,
    timeout_seconds: Option<u64>,
}

/// A model's hands on the bus, for one attempt.
#[derive(Debug)]
pub(super) struct Hands<'a> {
    task: &'a Task,
    secrets: &'a Secrets,
    /// Who tells: stands in each fact.
    told: String,
    pub(super) facts: Vec<Fact>,
    /// Tokens that others spent on its questions.
    pub(super) spent: u64,
    wrong: usize,
}

/// What came of a call.
#[derive(Default)]
struct Outcome {
    result: Value,
    fact: Option<Fact>,
    spent: u64,
    wrong: bool,
}

impl Outcome {
    fn new(result: Value) -> Self {
        Self { result, ..Self::default() }
    }

    fn wrong(code: &str, message: impl Into<String>) -> Self {
        Self { result: json!({ "error": code, "message": message.into() }), wrong: true, ..Self::default() }
    }

    fn failed(error: &Error) -> Self {
        Self::new(json!({ "error": error.code(), "message": error.to_string() }))
    }
}

impl<'a> Hands<'a> {
    pub(super) fn new(task: &'a Task, secrets: &'a Secrets, model: &str) -> Self {
        let told = format!("told by model {model}, for query {}", task.id());
        Self { task, secrets, told, facts: Vec::new(), spent: 0, wrong: 0 }
    }

    /// Does what the calls say, and gives back what came of each, in their order.
    ///
    /// # Errors
    /// `bad_tool_calls`.
    pub(super) async fn act(&mut self, calls: &[Call]) -> Result<Vec<CallResult>, Fault> {
        let this = &*self;
        let acting = stream::iter(calls.to_vec()).map(|call| this.call(call)).buffered(AT_ONCE);
        let outcomes: Vec<Outcome> = acting.collect().await;
        let mut responses = Vec::new();
        for (call, mut outcome) in calls.iter().zip(outcomes) {
            self.spent = self.spent.saturating_add(outcome.spent);
            match outcome.fact {
                Some(_) if self.facts.len() >= FACTS => {
                    outcome = Outcome::wrong("too_many_facts", format!("an answer has {FACTS} at most"))
                }
                Some(fact) => self.facts.push(fact),
                None => {}
            }
            self.wrong += usize::from(outcome.wrong);
            if self.wrong > WRONG {
                let last = outcome.result.get("message").and_then(Value::as_str).unwrap_or_default();
                return Err(Fault::fail("bad_tool_calls", format!("the model called tools wrongly {} times; at last: {last}", self.wrong)));
            }
            let text = short(outcome.result.to_string());
            responses.push(CallResult { id: call.id.clone(), name: call.name.clone(), text, wrong: outcome.wrong });
        }
        Ok(responses)
    }

    async fn call(&self, call: Call) -> Outcome {
        let arguments = match arguments(&call, self.secrets) {
            Ok(arguments) => arguments,
            Err(why) => return Outcome::wrong("bad_arguments", why),
        };
        if nests_too_deeply(&arguments) {
            return Outcome::wrong("bad_arguments", "the arguments nest too deeply");
        }
        let done = match call.name.as_str() {
            "ask" => match read(arguments) {
                Ok(ask) => self.ask(ask).await,
                Err(why) => Outcome::wrong("bad_arguments", why),
            },
            "report_progress" => match read::<Report>(arguments) {
                Ok(report) => self.report(report).await,
                Err(why) => Outcome::wrong("bad_arguments", why),
            },
            "set_fact" => match read(arguments) {
                Ok(told) => self.fact(told).await,
                Err(why) => Outcome::wrong("bad_arguments", why),
            },
            "question" => match read(arguments) {
                Ok(question) => self.question(question).await,
                Err(why) => Outcome::wrong("bad_arguments", why),
            },
            other => Outcome::wrong("no_such_tool", format!("there is no tool '{}'", short(self.secrets.hide(other)))),
        };
        tracing::debug!(agent = %self.task.agent(), id = %self.task.id(), wrong = done.wrong, "the model used a tool");
        done
    }

    async fn ask(&self, ask: Ask) -> Outcome {
        let request_type = ask.request_type.filter(|kind| !kind.trim().is_empty()).unwrap_or_else(|| "request".to_owned());
        let mut query = Query::new(self.task.agent().clone(), request_type, ask.question.clone());
        if let Some(to) = ask.to.filter(|to| !to.trim().is_empty()) {
            match to.trim().parse() {
                Ok(name) => query.target = Some(name),
                Err(why) => return Outcome::wrong("bad_arguments", format!("to: {why}")),
            }
        }
        query.timeout_ms = ask.timeout_seconds.map(|seconds| seconds.clamp(1, 604_800) * 1000);
        let whom = query.target.as_ref().map_or_else(|| "the bus".to_owned(), ToString::to_string);
        say(self.task, &format!("asking {whom}: {}", ask.question), Extra::new()).await;
        let asked = async { self.task.ask(query).await?.ended().await };
        match asked.await {
            Ok(ended) => answered(&ended),
            Err(error) if error.code() == "schema_violation" => Outcome::wrong("bad_arguments", error.to_string()),
            Err(error) => Outcome::failed(&error),
        }
    }

    async fn report(&self, report: Report) -> Outcome {
        if report.status.trim().is_empty() {
            return Outcome::wrong("bad_arguments", "status: it is empty");
        }
        // In passing: what a model says on the way is no fact.
        let details = (!report.details.is_empty()).then(|| ("_details".to_owned(), Value::Object(report.details)));
        say(self.task, &report.status, details.into_iter().collect()).await;
        Outcome::new(json!({ "reported": true }))
    }

    async fn fact(&self, mut told: Told) -> Outcome {
        let sourced = told.source.as_ref().is_some_and(|source| !source.trim().is_empty());
        if !sourced {
            told.kind = FactKind::Evidence;
        }
        let fact = told.told(self.task.agent(), &self.told, exec::now());
        say(self.task, &format!("puts down {}", fact.key), Extra::new()).await;
        let result = json!({ "key": fact.key, "kind": fact.kind, "source": fact.source });
        Outcome { result, fact: Some(fact), ..Outcome::default() }
    }

    async fn question(&self, question: Question) -> Outcome {
        if question.text.trim().is_empty() {
            return Outcome::wrong("bad_arguments", "text: it is empty");
        }
        let mut inquiry = Inquiry::new(question.text).choices(question.choices);
        if let Some(default) = question.default {
            inquiry = inquiry.default(default);
        }
        if let Some(seconds) = question.timeout_seconds {
            inquiry = inquiry.within(Duration::from_secs(seconds.max(1)));
        }
        match self.task.question(inquiry).await {
            Ok(replied) => Outcome::new(json!({ "reply": replied.value, "nobody_replied_in_time": replied.by_default })),
            Err(error) if error.code() == "schema_violation" => Outcome::wrong("bad_arguments", error.to_string()),
            Err(error) => Outcome::failed(&error),
        }
    }
}

/// The arguments of a call without the secrets. An error quotes nothing of them.
fn arguments(call: &Call, secrets: &Secrets) -> Result<Value, String> {
    if call.arguments.trim().is_empty() {
        return Ok(Value::Object(Extra::new()));
    }
    match serde_json::from_str(&call.arguments) {
        Ok(Value::Object(arguments)) => Ok(secrets.hide_in(Value::Object(arguments))),
        Ok(_) => Err("the arguments are no JSON object".to_owned()),
        Err(error) => Err(format!("the arguments are no JSON object: {error}")),
    }
}

fn read<T: DeserializeOwned>(arguments: Value) -> Result<T, String> {
    serde_json::from_value(arguments).map_err(|error| error.to_string())
}

/// What another agent answered, as the model is told: with who observed what, and when.
fn answered(ended: &Ended) -> Outcome {
    let mut told = json!({ "query": ended.id, "state": ended.state, "message": ended.notification() });
    let mut set = |name: &str, value: Value| {
        if let Some(fields) = told.as_object_mut() {
            fields.insert(name.to_owned(), value);
        }
    };
    let mut spent = 0;
    if let Some(answer) = &ended.answer {
        set("agent", json!(answer.agent));
        if let Some(result) = &answer.result {
            set("result", result.clone());
        }
        if !answer.facts.is_empty() {
            set("facts", json!(answer.facts));
        }
        if !answer.unknown.is_empty() {
            set("unknown", json!(answer.unknown));
        }
        if let Some(failure) = &answer.failure {
            set("failure", json!(failure.code));
        }
        let usage = answer.usage.clone().unwrap_or_default();
        spent = usage.input_tokens.unwrap_or(0).saturating_add(usage.output_tokens.unwrap_or(0));
    }
    if let Some(close) = &ended.close {
        set("failure", json!(close.code));
    }
    Outcome { spent, ..Outcome::new(told) }
}

/// What a model can be told at once.
fn short(text: String) -> String {
    match text.char_indices().nth(TOLD) {
        Some((end, _)) => format!("{} … [cut here; it goes on]", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_wrong_with_arguments_is_said_without_quoting_them() {
        let read = |text: &str| {
            let call = Call { arguments: text.to_owned(), ..Call::default() };
            arguments(&call, &Secrets::default())
        };
        assert_eq!(read(" "), Ok(json!({})));
        assert_eq!(read("{\"a\":1}"), Ok(json!({ "a": 1 })));
        for wrong in ["\"sk-secret\"", "[\"sk-secret\"]", "{\"sk-secret", "sk-secret"] {
            let why = read(wrong).unwrap_err();
            assert!(why.contains("the arguments are no JSON object") && !why.contains("secret"), "{why}");
        }
    }
}
