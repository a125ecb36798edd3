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
use crate::{
    exec::process::MAX_LINE,
    web::{Secrets, Side, Trouble},
};

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
    /// How much was written, in bytes: text, thoughts and calls.
    pub(super) size: usize,
    /// The data of an event that goes over several lines.
    data: String,
    /// The index under which each call was begun, where its API has such.
    blocks: Vec<Option<u64>>,
}

impl Hearing {
    pub(super) fn new(provider: Provider) -> Self {
        Self { provider, said: Said::default(), over: false, size: 0, data: String::new(), blocks: Vec::new() }
    }

    /// Takes the next line of the stream.
    pub(super) fn take(&mut self, line: &str, secrets: &Secrets) -> Result<(), Trouble> {
        match self.provider {
            Provider::Ollama if line.trim().is_empty() => Ok(()),
            Provider::Ollama => self.hear(&parsed(line)?, secrets),
            // Server-sent events: the name of an event stands in its data, too; the rest is comments.
            Provider::Anthropic | Provider::OpenAi => match line.strip_prefix("data:") {
                Some(data) => self.data(data.trim(), secrets),
                None if line.trim().is_empty() && !self.data.is_empty() => {
                    let event = parsed(&std::mem::take(&mut self.data))?;
                    self.hear(&event, secrets)
                }
                None => Ok(()),
            },
        }
    }

    /// Takes a line of data. It nearly always is a whole event; where it is none, more of it follows, up to an empty line.
    fn data(&mut self, data: &str, secrets: &Secrets) -> Result<(), Trouble> {
        if data.is_empty() {
            return Ok(());
        }
        if data == "[DONE]" {
            self.over = self.said.stop.is_some();
            let early = || Side::Model.malformed("it is over, and does not say why the model stopped").into();
            return if self.over { Ok(()) } else { Err(early()) };
        }
        if self.data.is_empty()
            && let Ok(event) = serde_json::from_str(data)
        {
            return self.hear(&event, secrets);
        }
        if self.data.len() + data.len() > MAX_LINE {
            return Err(Side::Model.malformed(&format!("an event is longer than {MAX_LINE} bytes")).into());
        }
        self.data.push_str(data);
        self.data.push('\n');
        Ok(())
    }

    fn hear(&mut self, event: &Value, secrets: &Secrets) -> Result<(), Trouble> {
        if event.get("error").is_some_and(|error| !error.is_null()) {
            return Err(trouble::said(event, secrets));
        }
        match self.provider {
            Provider::Anthropic => anthropic::hear(event, self),
            Provider::OpenAi => openai::hear(event, self)?,
            Provider::Ollama => ollama::hear(event, self),
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
        self.size += call.id.len() + call.name.len() + call.arguments.len();
        self.said.calls.push(call);
    }
}

fn parsed(text: &str) -> Result<Value, Fault> {
    serde_json::from_str(text).map_err(|error| Side::Model.malformed(&error.to_string()))
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
        assert_eq!(hearing.size, "a".len() + "b".len() + 2 * "ask".len() + 9);
    }

    #[test]
    fn numbers_without_sense_are_summed_all_the_same() {
        let most = u64::MAX;
        let usage = format!("{{\"input_tokens\":1,\"cache_creation_input_tokens\":{most},\"cache_read_input_tokens\":{most}}}");
        let hearing = heard(Provider::Anthropic, &[&format!("data: {{\"type\":\"message_delta\",\"usage\":{usage}}}")]).unwrap();
        assert_eq!(hearing.said.usage.input, Some(most));
    }

    #[test]
    fn an_event_may_go_over_several_lines() {
        let lines = [
            "data: {\"choices\":[{\"index\":0,",
            "data: \"delta\":{\"content\":\"x\"}}]}",
            "",
            "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"y\"}}]}",
        ];
        assert_eq!(heard(Provider::OpenAi, &lines).unwrap().said.text, "x", "and another answer than the first is none of it");
        assert_eq!(heard(Provider::OpenAi, &["data: {oops", ""]).unwrap_err().fault.code(), "bad_response");
    }

    #[test]
    fn calls_are_told_apart_by_their_index() {
        let begin = |index: u32| {
            format!(
                "data: {{\"type\":\"content_block_start\",\"index\":{index},\"content_block\":{{\"type\":\"tool_use\",\"id\":\"{index}\",\"name\":\"ask\"}}}}"
            )
        };
        let piece = |index: u32, piece: &str| json!({"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": piece}});
        let piece = |index, json| format!("data: {}", piece(index, json));
        let lines = [begin(1), begin(2), piece(1, "{\"x\":"), piece(2, "{}"), piece(1, "1}")];
        let hearing = heard(Provider::Anthropic, &lines.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        assert_eq!(hearing.said.calls.iter().map(Call::object).collect::<Vec<_>>(), [json!({ "x": 1 }), json!({})]);
    }

    #[test]
    fn a_stream_that_is_over_says_why_the_model_stopped() {
        assert_eq!(heard(Provider::OpenAi, &["data: [DONE]"]).unwrap_err().fault.code(), "bad_response");
        let stopped = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}";
        assert!(heard(Provider::OpenAi, &[stopped, "data: [DONE]"]).unwrap().over);
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
