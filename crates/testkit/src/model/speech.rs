//! What a model says, in the words of three APIs. Each event is one that the vendor's documentation shows; nothing here
//! was taken down from a live service.
//!
//! | API | path ends with | documentation |
//! |---|---|---|
//! | Anthropic Messages | `/messages` | <https://platform.claude.com/docs/en/build-with-claude/streaming> |
//! | OpenAI chat completions | `/chat/completions` | <https://platform.openai.com/docs/api-reference/chat-streaming> |
//! | Ollama chat | `/api/chat` | <https://docs.ollama.com/api/chat> and <https://docs.ollama.com/api/streaming> |

use serde_json::{Value, json};

use super::End;

/// One turn of the model.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// Its text, in the pieces in which it is sent.
    pub pieces: Vec<String>,
    /// The tools that it calls: name and arguments. A string is sent as it is, though it be no JSON.
    pub calls: Vec<(String, Value)>,
    /// Tokens read and written.
    pub usage: (u64, u64),
    /// Why it stops, in the API's word; by default the one for what it did.
    pub stop: Option<String>,
    /// How the reply ends.
    pub end: End,
}

impl Turn {
    /// A text, in pieces of a word each; 10 tokens read and 5 written.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self { pieces: text.split_inclusive(' ').map(str::to_owned).collect(), usage: (10, 5), ..Self::default() }
    }

    /// A call of a tool.
    #[must_use]
    pub fn call(tool: &str, arguments: Value) -> Self {
        Self { calls: vec![(tool.to_owned(), arguments)], usage: (10, 5), ..Self::default() }
    }

    /// The same with one more call.
    #[must_use]
    pub fn and_call(mut self, tool: &str, arguments: Value) -> Self {
        self.calls.push((tool.to_owned(), arguments));
        self
    }

    /// The same, ending so.
    #[must_use]
    pub fn ending(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    /// The same, stopping for this reason.
    #[must_use]
    pub fn stopping(mut self, stop: &str) -> Self {
        self.stop = Some(stop.to_owned());
        self
    }
}

/// A turn as the frames of an API: what comes before the end, what ends it, and what the API says when it fails on the way.
pub(super) struct Frames {
    pub(super) content_type: &'static str,
    pub(super) first: Vec<String>,
    pub(super) last: Vec<String>,
    pub(super) garbage: String,
    pub(super) failure: String,
}

/// The frames of a turn for whoever asked this path; none where no API has it.
pub(super) fn frames(path: &str, turn: &Turn) -> Option<Frames> {
    let path = path.split('?').next().unwrap_or_default();
    match path {
        path if path.ends_with("/messages") => Some(anthropic(turn)),
        path if path.ends_with("/chat/completions") => Some(openai(turn)),
        path if path.ends_with("/api/chat") => Some(ollama(turn)),
        _ => None,
    }
}

/// A string is sent as it is: a model writes its arguments letter by letter, and may get them wrong.
fn written(arguments: &Value) -> String {
    arguments.as_str().map_or_else(|| arguments.to_string(), str::to_owned)
}

/// "Event types" and "Full HTTP Stream response": `message_start`, then for each block `content_block_start`, deltas and
/// `content_block_stop`, then `message_delta` with the reason and the usage, then `message_stop`. `ping` may come at any
/// time, and so may `error`.
fn anthropic(turn: &Turn) -> Frames {
    let event = |kind: &str, mut data: Value| {
        data["type"] = kind.into();
        format!("event: {kind}\ndata: {data}\n\n")
    };
    let (input, output) = turn.usage;
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "stand-in", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": input, "output_tokens": 1}});
    let mut first = vec![event("message_start", json!({"message": message})), event("ping", json!({}))];
    let mut index = 0;
    if !turn.pieces.is_empty() {
        first.push(event("content_block_start", json!({"index": 0, "content_block": {"type": "text", "text": ""}})));
        let delta = |piece: &String| event("content_block_delta", json!({"index": 0, "delta": {"type": "text_delta", "text": piece}}));
        first.extend(turn.pieces.iter().map(delta));
        index = 1;
    }
    let mut last = if turn.pieces.is_empty() { Vec::new() } else { vec![event("content_block_stop", json!({"index": 0}))] };
    for (at, (name, arguments)) in turn.calls.iter().enumerate() {
        let index = index + at;
        let block = json!({"type": "tool_use", "id": format!("toolu_{at}"), "name": name, "input": {}});
        last.push(event("content_block_start", json!({"index": index, "content_block": block})));
        for piece in halves(&written(arguments)) {
            last.push(event("content_block_delta", json!({"index": index, "delta": {"type": "input_json_delta", "partial_json": piece}})));
        }
        last.push(event("content_block_stop", json!({"index": index})));
    }
    let usual = if turn.calls.is_empty() { "end_turn" } else { "tool_use" };
    let stop = turn.stop.as_deref().unwrap_or(usual);
    last.push(event("message_delta", json!({"delta": {"stop_reason": stop, "stop_sequence": null}, "usage": {"output_tokens": output}})));
    last.push(event("message_stop", json!({})));
    let failure = event("error", json!({"error": {"type": "overloaded_error", "message": "Overloaded"}}));
    let garbage = "event: content_block_delta\ndata: {\"type\": oops\n\n".to_owned();
    Frames { content_type: "text/event-stream", first, last, garbage, failure }
}

/// "The chat completion chunk object": `choices[0].delta`, tool calls in fragments by `index`, then `finish_reason`, then a
/// chunk with no choices and the usage (`stream_options.include_usage`), then `[DONE]`.
fn openai(turn: &Turn) -> Frames {
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "stand-in",
            "choices": choices, "usage": usage});
        format!("data: {chunk}\n\n")
    };
    let delta = |delta: Value| chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}]), Value::Null);
    let mut first = vec![delta(json!({"role": "assistant", "content": ""}))];
    first.extend(turn.pieces.iter().map(|piece| delta(json!({"content": piece}))));
    let mut last = Vec::new();
    for (at, (name, arguments)) in turn.calls.iter().enumerate() {
        let call = json!({"index": at, "id": format!("call_s{at}"), "type": "function", "function": {"name": name, "arguments": ""}});
        last.push(delta(json!({"tool_calls": [call]})));
        for piece in halves(&written(arguments)) {
            last.push(delta(json!({"tool_calls": [{"index": at, "function": {"arguments": piece}}]})));
        }
    }
    let usual = if turn.calls.is_empty() { "stop" } else { "tool_calls" };
    let stop = turn.stop.as_deref().unwrap_or(usual);
    last.push(chunk(json!([{"index": 0, "delta": {}, "finish_reason": stop}]), Value::Null));
    let (input, output) = turn.usage;
    last.push(chunk(json!([]), json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})));
    last.push("data: [DONE]\n\n".to_owned());
    let failure = format!("data: {}\n\n", json!({"error": {"message": "The server had an error", "type": "server_error", "code": null}}));
    Frames { content_type: "text/event-stream", first, last, garbage: "data: {\"choices\": oops\n\n".to_owned(), failure }
}

/// "Generate a chat message": one object a line, `done: false` until the last one, which has `done_reason` and the counts. A
/// tool call comes whole, its arguments an object. An error on the way is a line with `error`.
fn ollama(turn: &Turn) -> Frames {
    let line = |message: Value| {
        json!({"model": "stand-in", "created_at": "2026-11-22T10:00:00Z", "message": message, "done": false}).to_string() + "\n"
    };
    let first = turn.pieces.iter().map(|piece| line(json!({"role": "assistant", "content": piece}))).collect();
    let calls: Vec<_> = turn.calls.iter().map(|(name, arguments)| json!({"function": {"name": name, "arguments": arguments}})).collect();
    let mut last = Vec::new();
    if !calls.is_empty() {
        last.push(line(json!({"role": "assistant", "content": "", "tool_calls": calls})));
    }
    let (input, output) = turn.usage;
    let done = json!({"model": "stand-in", "created_at": "2026-11-22T10:00:01Z", "message": {"role": "assistant", "content": ""},
        "done": true, "done_reason": turn.stop.as_deref().unwrap_or("stop"), "prompt_eval_count": input, "eval_count": output});
    last.push(done.to_string() + "\n");
    let failure = json!({"error": "an error was encountered while running the model"}).to_string() + "\n";
    Frames { content_type: "application/x-ndjson", first, last, garbage: "{\"message\": oops\n".to_owned(), failure }
}

/// A text in two pieces, as a stream would divide it.
fn halves(text: &str) -> [String; 2] {
    let half = text.chars().count() / 2;
    [text.chars().take(half).collect(), text.chars().skip(half).collect()]
}
