//! OpenAI's chat completions, which vLLM, llama.cpp, LM Studio and others speak, too:
//! <https://platform.openai.com/docs/api-reference/chat>, streamed: <https://platform.openai.com/docs/api-reference/chat-streaming>.

use agentbus::Fault;
use serde_json::{Value, json};

use super::{Allowed, Hearing, count_at, function, text_at};
use crate::{
    llm::{
        talk::{Call, Message, Stop, Talk, Tokens},
        tools::Tool,
    },
    web::Side,
};

/// Models that know a limit by its newer name only.
const NEWER: [&str; 5] = ["gpt-5", "gpt-6", "o1", "o3", "o4"];

pub(super) fn request(model: &str, talk: &Talk, tools: &[Tool], allowed: Allowed) -> Value {
    let system = json!({ "role": "system", "content": talk.system });
    let messages: Vec<_> = [system].into_iter().chain(talk.messages.iter().flat_map(messages)).collect();
    let mut body = json!({ "model": model, "stream": true, "stream_options": { "include_usage": true }, "messages": messages });
    let Some(fields) = body.as_object_mut() else { return body };
    if talk.tools {
        fields.insert("tools".to_owned(), tools.iter().map(function).collect());
        if !allowed.tools {
            fields.insert("tool_choice".to_owned(), "none".into());
        }
    }
    if let Some(tokens) = allowed.tokens {
        let newer = NEWER.iter().any(|start| model.starts_with(start));
        fields.insert(if newer { "max_completion_tokens" } else { "max_tokens" }.to_owned(), tokens.into());
    }
    body
}

fn messages(message: &Message) -> Vec<Value> {
    match message {
        Message::User(text) => vec![json!({ "role": "user", "content": text })],
        Message::Model(said) => {
            let call = |call: &Call| {
                let function = json!({ "name": call.name, "arguments": call.object().to_string() });
                json!({ "id": call.id, "type": "function", "function": function })
            };
            let mut message = json!({ "role": "assistant", "content": said.text });
            if let (false, Some(fields)) = (said.calls.is_empty(), message.as_object_mut()) {
                fields.insert("tool_calls".to_owned(), said.calls.iter().map(call).collect());
            }
            vec![message]
        }
        Message::Results(results) => {
            results.iter().map(|result| json!({ "role": "tool", "tool_call_id": result.id, "content": result.text })).collect()
        }
    }
}

/// # Errors
/// `bad_response` for a piece of a call that was never begun.
pub(super) fn hear(event: &Value, hearing: &mut Hearing) -> Result<(), Fault> {
    if let (Some(input), Some(output)) = (count_at(event, "/usage/prompt_tokens"), count_at(event, "/usage/completion_tokens")) {
        hearing.said.usage = Tokens { input: Some(input), output: Some(output) };
    }
    // One answer is asked for, which is the first; a server may send others.
    let choices = event.get("choices").and_then(Value::as_array);
    let first = |choice: &&Value| count_at(choice, "/index").unwrap_or(0) == 0;
    let Some(choice) = choices.and_then(|choices| choices.iter().find(first)) else { return Ok(()) };
    hearing.text(text_at(choice, "/delta/content"));
    // Thoughts, as some servers show them, are not wanted back.
    hearing.size += text_at(choice, "/delta/reasoning_content").len();
    for piece in choice.pointer("/delta/tool_calls").and_then(Value::as_array).into_iter().flatten() {
        call(piece, hearing)?;
    }
    if let Some(word) = choice.get("finish_reason").and_then(Value::as_str) {
        hearing.said.stop = Some(Stop::of(word));
    }
    Ok(())
}

/// A call begins with its id and name; later pieces name it by its position.
fn call(piece: &Value, hearing: &mut Hearing) -> Result<(), Fault> {
    let (id, name) = (text_at(piece, "/id"), text_at(piece, "/function/name"));
    let arguments = text_at(piece, "/function/arguments");
    let known = hearing.said.calls.len();
    let at = count_at(piece, "/index").and_then(|at| usize::try_from(at).ok());
    let at = at.unwrap_or(if id.is_empty() { known.saturating_sub(1) } else { known });
    if let Some(call) = hearing.said.calls.get_mut(at) {
        hearing.size += arguments.len();
        call.arguments.push_str(arguments);
        return Ok(());
    }
    if at != known {
        return Err(Side::Model.malformed("a piece of a tool call is out of turn"));
    }
    let id = if id.is_empty() { format!("call_{at}") } else { id.to_owned() };
    hearing.call(Call { id, name: name.to_owned(), arguments: arguments.to_owned() });
    Ok(())
}
