//! What the suite wants a server to ask its client for: a model's words, a user's input. And the schema that it wants back whole.

use agentbus::{Problem, protocol::Extra};
use gateway::mcp::Caller;
use serde_json::{Value, json};

pub(crate) async fn sampling(caller: &Caller, arguments: &Extra) -> Result<String, Problem> {
    let prompt = arguments.get("prompt").cloned().unwrap_or_default();
    let messages = json!([{ "role": "user", "content": { "type": "text", "text": prompt } }]);
    let answer = caller.request("sampling/createMessage", json!({ "messages": messages, "maxTokens": 100 })).await?;
    let said = Value::Object(answer);
    let words = said.pointer("/content/text").or_else(|| said.pointer("/content/0/text"));
    Ok(format!("LLM response: {}", words.and_then(Value::as_str).unwrap_or_default()))
}

pub(crate) async fn elicitation(caller: &Caller, arguments: &Extra) -> Result<String, Problem> {
    let schema = json!({
        "type": "object", "required": ["username", "email"],
        "properties": {
            "username": { "type": "string", "description": "User's response" },
            "email": { "type": "string", "description": "User's email address" },
        },
    });
    let message = arguments.get("message").cloned().unwrap_or_default();
    Ok(format!("User response: {}", Value::Object(input(caller, message, schema).await?)))
}

pub(crate) async fn defaults(caller: &Caller) -> Result<String, Problem> {
    let schema = json!({
        "type": "object", "required": [],
        "properties": {
            "name": { "type": "string", "default": "John Doe" },
            "age": { "type": "integer", "default": 30 },
            "score": { "type": "number", "default": 95.5 },
            "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
            "verified": { "type": "boolean", "default": true },
        },
    });
    completed(&input(caller, "Please check these values.".into(), schema).await?)
}

pub(crate) async fn enums(caller: &Caller) -> Result<String, Problem> {
    let titled = |choice: &str| {
        json!([{ "const": "value1", "title": format!("First {choice}") }, { "const": "value2", "title": format!("Second {choice}") },
               { "const": "value3", "title": format!("Third {choice}") }])
    };
    let options = json!(["option1", "option2", "option3"]);
    let schema = json!({
        "type": "object", "required": [],
        "properties": {
            "untitledSingle": { "type": "string", "enum": options },
            "titledSingle": { "type": "string", "oneOf": titled("Option") },
            "legacyEnum": { "type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"] },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": options } },
            "titledMulti": { "type": "array", "items": { "anyOf": titled("Choice") } },
        },
    });
    completed(&input(caller, "Please choose.".into(), schema).await?)
}

async fn input(caller: &Caller, message: Value, schema: Value) -> Result<Extra, Problem> {
    caller.request("elicitation/create", json!({ "message": message, "requestedSchema": schema })).await
}

fn completed(answer: &Extra) -> Result<String, Problem> {
    let field = |name: &str| answer.get(name).cloned().unwrap_or_default();
    let action = field("action");
    Ok(format!("Elicitation completed: action={}, content={}", action.as_str().unwrap_or_default(), field("content")))
}

/// Every keyword that must survive a listing.
pub(crate) fn rich() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
        "$defs": { "address": { "$anchor": "addressDef", "type": "object", "properties": { "street": { "type": "string" }, "city": { "type": "string" } } } },
        "properties": {
            "name": { "type": "string" }, "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] }, "phone": { "type": "string" }, "email": { "type": "string" },
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
        "then": { "required": ["phone"] }, "else": { "required": ["email"] },
        "additionalProperties": false,
    })
}
