//! The three APIs: how a conversation is asked for, and what the events of a stream say. One file each, with the vendor's documentation.
//!
//! Pure. Written here rather than taken from a crate: the one that speaks all three makes serde_json keep the order of keys in the
//! whole program, on which digests and facts depend, reads refusals and lines without a bound, and makes room for as many tool calls
//! as an endpoint's largest index says.

mod anthropic;
mod ollama;
mod openai;

use agentbus::Fault;
use roster::Provider;
use serde_json::{Value, json};

use super::{
    talk::{Call, Said, Talk},
    tools::Tool,
    trouble,
};
use crate::web::{Secrets, Side, Trouble};

/// How many tools a model calls in one turn at most.
const CALLS: usize = 32;

/// What a turn may be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowed {
    pub(super) tools: bool,
    pub(super) tokens: Option<u32>,
}

/// The body of a request.
pub(super) fn request(provider: Provider, model: &str, talk: &Talk, tools: &[Tool], allowed: Allowed) -> Value {
    match provider {
        Provider::Anthropic => anthropic::request(model, talk, tools, allowed),
        Provider::OpenAi => openai::request(model, talk, tools, allowed),
        Provider::Ollama => ollama::request(model, talk, tools, allowed),
    }
}

/// What has been heard of a turn.
#[derive(Debug)]
pub(super) struct Hearing {
    provider: Provider,
    pub(super) said: Said,
    /// Whether all of it has come.
    pub(super) over: bool,
    /// How much was written, in bytes: text, thoughts and arguments.
    pub(super) size: usize,
}

impl Hearing {
    pub(super) fn new(provider: Provider) -> Self {
        Self { provider, said: Said::default(), over: false, size: 0 }
    }

    /// Takes the next line of the stream.
    pub(super) fn take(&mut self, line: &str, secrets: &Secrets) -> Result<(), Trouble> {
        let data = match self.provider {
            Provider::Ollama => line.trim(),
            // Server-sent events: the name of an event stands in its data, too; the rest is comments and pauses.
            Provider::Anthropic | Provider::OpenAi => line.strip_prefix("data:").unwrap_or_default().trim(),
        };
        if data.is_empty() {
            return Ok(());
        }
        if data == "[DONE]" {
            self.over = true;
            return Ok(());
        }
        let event: Value = serde_json::from_str(data).map_err(|error| Side::Model.malformed(&error.to_string()))?;
        if event.get("error").is_some_and(|error| !error.is_null()) {
            return Err(trouble::said(&event, secrets));
        }
        match self.provider {
            Provider::Anthropic => anthropic::hear(&event, self),
            Provider::OpenAi => openai::hear(&event, self)?,
            Provider::Ollama => ollama::hear(&event, self),
        }
        if self.said.calls.len() > CALLS {
            return Err(Fault::fail("bad_tool_calls", format!("the model called more than {CALLS} tools at once")).into());
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.size += text.len();
        self.said.text.push_str(text);
    }

    fn call(&mut self, call: Call) {
        self.size += call.arguments.len();
        self.said.calls.push(call);
    }
}

/// A text in an event; empty where there is none.
fn text_at<'a>(event: &'a Value, place: &str) -> &'a str {
    event.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

/// A count in an event.
fn count_at(event: &Value, place: &str) -> Option<u64> {
    event.pointer(place).and_then(Value::as_u64)
}

/// A tool as OpenAI and Ollama are told of it.
fn function(tool: &Tool) -> Value {
    json!({ "type": "function", "function": { "name": tool.name, "description": tool.about, "parameters": tool.schema } })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn heard(provider: Provider, lines: &[&str]) -> Result<Hearing, Trouble> {
        let mut hearing = Hearing::new(provider);
        lines.iter().try_for_each(|line| hearing.take(line, &Secrets::default()))?;
        Ok(hearing)
    }

    #[test]
    fn a_call_that_is_far_out_is_refused() {
        let line =
            r#"data: {"choices":[{"delta":{"tool_calls":[{"index":4000000000,"id":"x","function":{"name":"ask","arguments":"{}"}}]}}]}"#;
        assert_eq!(heard(Provider::OpenAi, &[line]).unwrap_err().fault.code(), "bad_response");
        let call = r#"{"function":{"name":"ask","arguments":{}}}"#;
        let many = format!("{{\"message\":{{\"tool_calls\":[{}]}}}}", vec![call; 33].join(","));
        assert_eq!(heard(Provider::Ollama, &[&many]).unwrap_err().fault.code(), "bad_tool_calls");
    }

    #[test]
    fn calls_come_in_pieces_and_side_by_side() {
        let piece =
            |index: u32, rest: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{{\"index\":{index},{rest}}}]}}}}]}}");
        let lines = [
            piece(0, r#""id":"a","function":{"name":"ask","arguments":""}"#),
            piece(1, r#""id":"b","function":{"name":"ask","arguments":"{"}"#),
            piece(0, r#""function":{"arguments":"{\"x\":1}"}"#),
            piece(1, r#""function":{"arguments":"}"}"#),
        ];
        let hearing = heard(Provider::OpenAi, &lines.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        let read: Vec<_> = hearing.said.calls.iter().map(|call| (call.id.as_str(), call.object())).collect();
        assert_eq!(read, [("a", json!({ "x": 1 })), ("b", json!({}))]);
        assert_eq!(hearing.size, 9);
    }

    #[test]
    fn numbers_without_sense_are_summed_all_the_same() {
        let most = u64::MAX;
        let usage = format!("{{\"input_tokens\":1,\"cache_creation_input_tokens\":{most},\"cache_read_input_tokens\":{most}}}");
        let hearing = heard(Provider::Anthropic, &[&format!("data: {{\"type\":\"message_delta\",\"usage\":{usage}}}")]).unwrap();
        assert_eq!(hearing.said.usage.0, most);
    }

    #[test]
    fn thoughts_are_kept_for_the_next_request() {
        let lines = [
            "event: content_block_start",
            r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
            r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm."}}"#,
            r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s1"}}"#,
            ": a comment",
            "",
        ];
        let hearing = heard(Provider::Anthropic, &lines).unwrap();
        assert_eq!(hearing.said.thoughts, [json!({ "type": "thinking", "thinking": "Hm.", "signature": "s1" })]);
        assert!(hearing.said.text.is_empty() && !hearing.over);
    }
}
