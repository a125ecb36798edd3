//! Anthropic's Messages API: <https://platform.claude.com/docs/en/api/messages>, streamed:
//! <https://platform.claude.com/docs/en/build-with-claude/streaming>.

use serde_json::{Value, json};

use super::{Allowed, Hearing, count_at, text_at};
use crate::llm::{
    talk::{Call, Message, Stop, Talk},
    tools::Tool,
};

/// How many tokens a turn may write where nothing is said: the API wants a number.
const TOKENS: u32 = 8192;

pub(super) fn request(model: &str, talk: &Talk, tools: &[Tool], allowed: Allowed) -> Value {
    let messages: Vec<_> = talk.messages.iter().map(message).collect();
    let tokens = allowed.tokens.unwrap_or(TOKENS);
    let mut body = json!({ "model": model, "max_tokens": tokens, "stream": true, "system": talk.system, "messages": messages });
    if let (true, Some(fields)) = (talk.tools, body.as_object_mut()) {
        let tool = |tool: &Tool| json!({ "name": tool.name, "description": tool.about, "input_schema": tool.schema });
        fields.insert("tools".to_owned(), tools.iter().map(tool).collect());
        if !allowed.tools {
            fields.insert("tool_choice".to_owned(), json!({ "type": "none" }));
        }
    }
    body
}

fn message(message: &Message) -> Value {
    match message {
        Message::User(text) => json!({ "role": "user", "content": text }),
        Message::Model(said) => {
            let mut content = said.thoughts.clone();
            if !said.text.is_empty() {
                content.push(json!({ "type": "text", "text": said.text }));
            }
            let call = |call: &Call| json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": call.object() });
            content.extend(said.calls.iter().map(call));
            json!({ "role": "assistant", "content": content })
        }
        Message::Results(results) => {
            let result = results
                .iter()
                .map(|result| json!({ "type": "tool_result", "tool_use_id": result.id, "content": result.text, "is_error": result.wrong }));
            json!({ "role": "user", "content": result.collect::<Vec<_>>() })
        }
    }
}

/// A delta names the block that it adds to by its index; thoughts come one after the other.
pub(super) fn hear(event: &Value, hearing: &mut Hearing) {
    match text_at(event, "/type") {
        "message_start" => used(event.pointer("/message/usage"), hearing),
        "content_block_start" => match text_at(event, "/content_block/type") {
            "tool_use" => {
                let (id, name) = (text_at(event, "/content_block/id").to_owned(), text_at(event, "/content_block/name").to_owned());
                hearing.blocks.push(count_at(event, "/index"));
                hearing.call(Call { id, name, arguments: String::new() });
            }
            "thinking" | "redacted_thinking" => {
                let thought = event.get("content_block").cloned().unwrap_or_default();
                hearing.size += thought.to_string().len();
                hearing.said.thoughts.push(thought);
            }
            _ => hearing.text(text_at(event, "/content_block/text")),
        },
        "content_block_delta" => delta(event, hearing),
        "message_delta" => {
            if let Some(word) = event.pointer("/delta/stop_reason").and_then(Value::as_str) {
                hearing.said.stop = Some(Stop::of(word));
            }
            used(event.get("usage"), hearing);
        }
        "message_stop" => hearing.over = true,
        _ => {}
    }
}

fn delta(event: &Value, hearing: &mut Hearing) {
    match text_at(event, "/delta/type") {
        "text_delta" => hearing.text(text_at(event, "/delta/text")),
        "input_json_delta" => {
            let piece = text_at(event, "/delta/partial_json");
            hearing.size += piece.len();
            let block = count_at(event, "/index");
            let at = hearing.blocks.iter().rposition(|begun| *begun == block);
            if let Some(call) = at.and_then(|at| hearing.said.calls.get_mut(at)) {
                call.arguments.push_str(piece);
            }
        }
        "thinking_delta" => think(hearing, "thinking", text_at(event, "/delta/thinking")),
        "signature_delta" => think(hearing, "signature", text_at(event, "/delta/signature")),
        _ => {}
    }
}

fn think(hearing: &mut Hearing, field: &str, piece: &str) {
    hearing.size += piece.len();
    if let Some(Value::String(text)) = hearing.said.thoughts.last_mut().and_then(|thought| thought.get_mut(field)) {
        text.push_str(piece);
    }
}

/// Counts are of the whole message so far. What is read from a cache, or written to one, was read, too.
fn used(usage: Option<&Value>, hearing: &mut Hearing) {
    let Some(usage) = usage else { return };
    let cached = ["/cache_creation_input_tokens", "/cache_read_input_tokens"]
        .iter()
        .filter_map(|place| count_at(usage, place))
        .fold(0, u64::saturating_add);
    if let Some(input) = count_at(usage, "/input_tokens") {
        hearing.said.usage.input = Some(input.saturating_add(cached));
    }
    if let Some(output) = count_at(usage, "/output_tokens") {
        hearing.said.usage.output = Some(output);
    }
}
