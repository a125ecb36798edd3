//! What a line of Claude Code's output means (`--output-format stream-json`).
//!
//! Pure. Knows the shapes that were seen of the real program, and passes over everything else: another version says
//! more, or says it differently. Next: `report` (what becomes progress), `permission`, `outcome`.

use agentbus::protocol::Extra;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

/// Something that Claude Code says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    /// The session begins.
    Began(Began),
    /// The model writes.
    Text(String),
    /// The model uses a tool.
    Tool { id: String, name: String, input: Value },
    /// A tool has ended.
    ToolEnded { id: String, text: String, failed: bool },
    /// The API was asked in vain, and is asked again.
    Retrying(Retrying),
    /// A word for what is wrong with the API, as in `overloaded`.
    Trouble(String),
    /// It asks whether it may use a tool.
    May(Box<May>),
    /// It asks its host for something else.
    Control(String),
    /// A turn of the conversation is over.
    Ended(Box<Ended>),
}

/// The session, as it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Began {
    pub(super) model: String,
    pub(super) session_id: String,
    pub(super) claude_code_version: String,
}

/// The API was asked in vain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Retrying {
    pub(super) attempt: u64,
    pub(super) max_retries: u64,
    pub(super) error: String,
    pub(super) error_status: Option<u16>,
}

/// A request to use a tool.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct May {
    pub(super) request_id: String,
    pub(super) tool: String,
    pub(super) input: Value,
    /// Why it must ask, if it says so.
    pub(super) reason: Option<String>,
}

/// The end of a turn, of which nothing is lost because some number in it is none. Its costs are those of the whole session so far, its `usage` only that of the turn.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Ended {
    /// `success`, or the kind of error.
    #[serde(deserialize_with = "lenient")]
    pub(super) subtype: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) is_error: bool,
    #[serde(deserialize_with = "lenient")]
    pub(super) result: Option<String>,
    /// The status of the API's error, if that is what it was.
    #[serde(deserialize_with = "lenient")]
    pub(super) api_error_status: Option<u16>,
    #[serde(deserialize_with = "lenient")]
    pub(super) errors: Vec<Value>,
    #[serde(deserialize_with = "lenient")]
    pub(super) session_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) num_turns: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) duration_ms: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) total_cost_usd: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) usage: Extra,
    #[serde(rename = "modelUsage", deserialize_with = "lenient")]
    pub(super) models: std::collections::BTreeMap<String, ModelUsage>,
    #[serde(deserialize_with = "lenient")]
    pub(super) permission_denials: Vec<Extra>,
}

/// What one model was used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ModelUsage {
    #[serde(deserialize_with = "lenient")]
    pub(super) input_tokens: u64,
    #[serde(deserialize_with = "lenient")]
    pub(super) output_tokens: u64,
    #[serde(deserialize_with = "lenient")]
    pub(super) cache_read_input_tokens: u64,
    #[serde(deserialize_with = "lenient")]
    pub(super) cache_creation_input_tokens: u64,
    #[serde(rename = "costUSD", deserialize_with = "lenient")]
    pub(super) cost_usd: f64,
}

/// Reads a field; what it cannot be is as if it were not there.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(deserializer: D) -> Result<T, D::Error> {
    Value::deserialize(deserializer).map(|value| T::deserialize(value).unwrap_or_default())
}

/// Reads a line. What is no event of the program's means nothing.
pub(super) fn read(line: &str) -> Vec<Said> {
    let Ok(Value::Object(event)) = serde_json::from_str(line) else { return Vec::new() };
    let text = |field: &str| event.get(field).and_then(Value::as_str);
    let whole = || Value::Object(event.clone());
    match (text("type"), text("subtype")) {
        (Some("system"), Some("init")) => Began::deserialize(whole()).map(Said::Began).into_iter().collect(),
        (Some("system"), Some("api_retry")) => Retrying::deserialize(whole()).map(Said::Retrying).into_iter().collect(),
        (Some("assistant" | "user"), _) => {
            let trouble = text("error").map(|word| Said::Trouble(word.to_owned()));
            // What it writes itself then says what went wrong, and is no text of a model's.
            let blocks = if trouble.is_some() { Vec::new() } else { blocks(&event) };
            trouble.into_iter().chain(blocks).collect()
        }
        (Some("control_request"), _) => control(&event).into_iter().collect(),
        (Some("result"), _) => Ended::deserialize(whole()).map(|ended| Said::Ended(Box::new(ended))).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Whether the beginning of a line that is too long is that of the end of a turn.
pub(super) fn begins_an_end(start: &str) -> bool {
    start.split_once("\"type\"").is_some_and(|(_, rest)| rest.trim_start_matches([' ', ':']).starts_with("\"result\""))
}

/// The blocks of a message, of the model or of a tool.
fn blocks(event: &Extra) -> Vec<Said> {
    let blocks = event.get("message").and_then(|message| message.get("content")).and_then(Value::as_array);
    let is_model = event.get("type").is_some_and(|kind| kind == "assistant");
    blocks.into_iter().flatten().filter_map(|each| block(each, is_model)).collect()
}

fn block(block: &Value, is_model: bool) -> Option<Said> {
    let text = |field: &str| block.get(field).and_then(Value::as_str).map(str::to_owned);
    match text("type")?.as_str() {
        // Text that is not the model's is what was told to it.
        "text" if is_model => Some(Said::Text(text("text")?)),
        "tool_use" => Some(Said::Tool { id: text("id")?, name: text("name")?, input: block.get("input").cloned().unwrap_or_default() }),
        "tool_result" => Some(Said::ToolEnded {
            id: text("tool_use_id")?,
            text: block.get("content").map(plain).unwrap_or_default(),
            failed: block.get("is_error").and_then(Value::as_bool).unwrap_or(false),
        }),
        _ => None,
    }
}

/// The text of a tool's result: a string, or blocks of which some are text.
fn plain(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().filter_map(|block| block.get("text")?.as_str()).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

fn control(event: &Extra) -> Option<Said> {
    let id = event.get("request_id")?.as_str()?.to_owned();
    let request = event.get("request")?;
    let text = |field: &str| request.get(field).and_then(Value::as_str);
    match (text("subtype"), text("tool_name")) {
        (Some("can_use_tool"), Some(tool)) => Some(Said::May(Box::new(May {
            request_id: id,
            tool: tool.to_owned(),
            input: request.get("input").cloned().unwrap_or_default(),
            reason: text("decision_reason").map(str::to_owned),
        }))),
        _ => Some(Said::Control(id)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn said(line: &Value) -> Vec<Said> {
        read(&line.to_string())
    }

    #[test]
    fn a_session_is_read() {
        let began =
            said(&json!({ "type": "system", "subtype": "init", "model": "m", "session_id": "s", "claude_code_version": "2", "tools": [] }));
        assert!(matches!(&*began, [Said::Began(began)] if began.model == "m" && began.session_id == "s"), "{began:?}");
        let blocks = json!([
            { "type": "thinking", "thinking": "…" },
            { "type": "text", "text": "I look." },
            { "type": "tool_use", "id": "t1", "name": "Bash", "input": { "command": "ls" } },
        ]);
        let written = said(&json!({ "type": "assistant", "message": { "content": blocks } }));
        let tool = Said::Tool { id: "t1".to_owned(), name: "Bash".to_owned(), input: json!({ "command": "ls" }) };
        assert_eq!(written, [Said::Text("I look.".to_owned()), tool]);
        let content =
            json!([{ "type": "tool_result", "tool_use_id": "t1", "content": [{ "type": "text", "text": "a" }], "is_error": true }]);
        let ended = said(&json!({ "type": "user", "message": { "content": content } }));
        assert_eq!(ended, [Said::ToolEnded { id: "t1".to_owned(), text: "a".to_owned(), failed: true }]);
    }

    #[test]
    fn an_end_with_numbers_that_are_none_is_one_all_the_same() {
        let ended = json!({
            "type": "result", "subtype": "success", "result": "Done.", "usage": null, "num_turns": "3", "total_cost_usd": [],
            "permission_denials": null, "modelUsage": { "m": { "inputTokens": -1, "outputTokens": 2.5, "costUSD": 1.5 } },
        });
        let said = said(&ended);
        let [Said::Ended(ended)] = &*said else { panic!("{said:?}") };
        assert_eq!((ended.result.as_deref(), ended.num_turns, ended.models["m"].cost_usd), (Some("Done."), None, 1.5));
    }

    #[test]
    fn a_request_for_permission_is_read() {
        let request =
            json!({ "subtype": "can_use_tool", "tool_name": "Read", "input": { "file_path": "/x" }, "decision_reason": "outside" });
        let said = said(&json!({ "type": "control_request", "request_id": "r1", "request": request }));
        let [Said::May(may)] = &*said else { panic!("{said:?}") };
        assert_eq!((may.tool.as_str(), may.reason.as_deref(), &may.input), ("Read", Some("outside"), &json!({ "file_path": "/x" })));
    }

    #[test]
    fn trouble_with_the_api_is_no_text() {
        let content = json!([{ "type": "text", "text": "API Error: 529" }]);
        let said = said(&json!({ "type": "assistant", "message": { "content": content }, "error": "overloaded" }));
        assert_eq!(said, [Said::Trouble("overloaded".to_owned())]);
    }

    #[rstest::rstest]
    #[case("")]
    #[case("null")]
    #[case("warning: something")]
    #[case(r#"{"type":"user","message":{"content":[{"type":"text","text":"told"}]}}"#)]
    #[case(r#"{"type":"user","message":{"content":"told"}}"#)]
    #[case(r#"{"type":"assistant"}"#)]
    #[case(r#"{"type":"rate_limit_event","x":1}"#)]
    fn the_rest_is_passed_over(#[case] line: &str) {
        assert_eq!(read(line), []);
    }

    proptest! {
        #[test]
        fn any_line_is_read(line in any::<String>()) {
            let _ = read(&line);
        }
    }
}
