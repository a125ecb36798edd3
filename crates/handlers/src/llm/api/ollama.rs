//! Ollama's chat: <https://docs.ollama.com/api/chat>, streamed: <https://docs.ollama.com/api/streaming>.

use serde_json::{Value, json};

use super::{Allowed, Hearing, count_at, function, text_at};
use crate::llm::{
    talk::{Call, Message, Stop, Talk, Tokens},
    tools::Tool,
};

pub(super) fn request(model: &str, talk: &Talk, tools: &[Tool], allowed: Allowed) -> Value {
    let system = json!({ "role": "system", "content": talk.system });
    let messages: Vec<_> = [system].into_iter().chain(talk.messages.iter().flat_map(messages)).collect();
    let mut body = json!({ "model": model, "stream": true, "messages": messages });
    let Some(fields) = body.as_object_mut() else { return body };
    // It knows no way to forbid what it was told of.
    if talk.tools && allowed.tools {
        fields.insert("tools".to_owned(), tools.iter().map(function).collect());
    }
    if let Some(tokens) = allowed.tokens {
        fields.insert("options".to_owned(), json!({ "num_predict": tokens }));
    }
    body
}

fn messages(message: &Message) -> Vec<Value> {
    match message {
        Message::User(text) => vec![json!({ "role": "user", "content": text })],
        Message::Model(said) => {
            let call = |call: &Call| json!({ "function": { "name": call.name, "arguments": call.object() } });
            let mut message = json!({ "role": "assistant", "content": said.text });
            if let (false, Some(fields)) = (said.calls.is_empty(), message.as_object_mut()) {
                fields.insert("tool_calls".to_owned(), said.calls.iter().map(call).collect());
            }
            vec![message]
        }
        Message::Results(results) => {
            results.iter().map(|result| json!({ "role": "tool", "tool_name": result.name, "content": result.text })).collect()
        }
    }
}

/// A call comes whole, and has no id.
pub(super) fn hear(event: &Value, hearing: &mut Hearing) {
    hearing.text(text_at(event, "/message/content"));
    hearing.size += text_at(event, "/message/thinking").len();
    for call in event.pointer("/message/tool_calls").and_then(Value::as_array).into_iter().flatten() {
        let id = format!("call_{}", hearing.said.calls.len());
        let name = text_at(call, "/function/name").to_owned();
        let arguments = call.pointer("/function/arguments").map(ToString::to_string).unwrap_or_default();
        hearing.call(Call { id, name, arguments });
    }
    if event.get("done").and_then(Value::as_bool) == Some(true) {
        hearing.over = true;
        // Older versions give no reason.
        hearing.said.stop = Some(Stop::of(text_at(event, "/done_reason")));
        hearing.said.usage = Tokens { input: count_at(event, "/prompt_eval_count"), output: count_at(event, "/eval_count") };
    }
}
