//! How what is offered looks on the wire, as far as it is ours.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use agentbus::Problem;
use schemars::JsonSchema;
use serde_json::json;

use super::{Content, Contents, Output, Tool};

/// Arguments that refer to a type of their own.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Arguments {
    /// Which way.
    way: Way,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Way {
    north: bool,
}

#[test]
fn a_schema_has_no_references() {
    let tool = serde_json::to_value(Tool::of::<Arguments>("walk", "Walks.").reads_only()).unwrap();
    assert_eq!(tool["inputSchema"]["properties"]["way"]["properties"]["north"]["type"], "boolean", "{tool}");
    assert!(!tool.to_string().contains("$ref"), "{tool}");
    assert_eq!((&tool["name"], &tool["annotations"]), (&json!("walk"), &json!({ "readOnlyHint": true })));
}

#[test]
fn a_problem_is_text_and_data() {
    let output = Output::problem(&Problem::new("unavailable", "no bus").hint("Start it."));
    let expected = json!({
        "content": [{ "type": "text", "text": "error: no bus (unavailable)\nhint: Start it." }], "isError": true,
        "structuredContent": { "error": { "code": "unavailable", "message": "no bus", "hint": "Start it." } },
    });
    assert_eq!(serde_json::to_value(output).unwrap(), expected);
}

#[test]
fn content_has_the_names_of_the_protocol() {
    let sound = Content::Audio { data: "AA==".to_owned(), mime_type: "audio/wav".to_owned() };
    let resource = Content::Resource { resource: Contents::json("a:b", &json!({})) };
    assert_eq!(serde_json::to_value(sound).unwrap(), json!({ "type": "audio", "data": "AA==", "mimeType": "audio/wav" }));
    let expected = json!({ "type": "resource", "resource": { "uri": "a:b", "mimeType": "application/json", "text": "{}" } });
    assert_eq!(serde_json::to_value(resource).unwrap(), expected);
}
