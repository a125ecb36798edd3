//! How what is offered looks on the wire, as far as it is ours.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use agentbus::{Problem, protocol::Extra};
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{About, Caller, Content, Contents, Output, Server, SessionId, Tool, http::Door};

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

/// A server that says which sessions called and which were left.
struct Watched {
    called: Mutex<Vec<Option<SessionId>>>,
    left: mpsc::UnboundedSender<SessionId>,
}

impl Server for Watched {
    fn about(&self) -> About {
        About::default()
    }

    fn tools(&self) -> Vec<Tool> {
        Vec::new()
    }

    fn call<'a>(&'a self, _: &'a str, _: Extra, caller: &'a Caller) -> BoxFuture<'a, Option<Output>> {
        self.called.lock().unwrap().push(caller.session());
        Box::pin(async { Some(Output::text("called")) })
    }

    fn left(&self, session: SessionId) {
        let _ = self.left.send(session);
    }
}

/// Sends a request over HTTP, and returns all that comes.
async fn sent(door: &str, method: &str, session: Option<&str>, body: &str) -> String {
    let session = session.map(|session| format!("Mcp-Session-Id: {session}\r\n")).unwrap_or_default();
    let head = format!(
        "{method} /mcp HTTP/1.1\r\nHost: {door}\r\nConnection: close\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: {}\r\n{session}\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(door).await.unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut came = String::new();
    timeout(Duration::from_secs(20), stream.read_to_string(&mut came)).await.unwrap().unwrap();
    came
}

#[tokio::test]
async fn a_session_that_ends_says_so_and_calls_know_theirs() {
    let (left, mut told) = mpsc::unbounded_channel();
    let server = Arc::new(Watched { called: Mutex::default(), left });
    let door = Door::open("127.0.0.1:0".parse().unwrap(), &[]).await.unwrap();
    let (at, stop) = (door.address().unwrap().to_string(), CancellationToken::new());
    let serving = tokio::spawn(door.serve(server.clone(), stop.clone()));
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "a-test", "version": "1" } } });
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "any", "arguments": {} } });
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let came = sent(&at, "POST", None, &hello.to_string()).await;
        let session = came.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).unwrap_or_else(|| panic!("{came}")).to_owned();
        sent(&at, "POST", Some(&session), &ready.to_string()).await;
        for _ in 0..2 {
            assert!(sent(&at, "POST", Some(&session), &call.to_string()).await.contains("called"));
        }
        sessions.push(session);
    }
    let called = server.called.lock().unwrap().clone();
    assert!(called[0].is_some() && called[0] == called[1] && called[2] == called[3] && called[1] != called[2], "{called:?}");
    assert!(told.try_recv().is_err(), "both are there");
    let deleted = sent(&at, "DELETE", Some(&sessions[1]), "").await;
    assert!(deleted.starts_with("HTTP/1.1 202"), "{deleted}");
    assert_eq!(timeout(Duration::from_secs(20), told.recv()).await.unwrap(), called[2]);
    stop.cancel();
    serving.await.unwrap().unwrap();
    assert_eq!(timeout(Duration::from_secs(20), told.recv()).await.unwrap(), called[0], "the end of the server ends all");
}

/// The newest revision has no sessions over HTTP.
#[tokio::test]
async fn a_call_without_a_session_belongs_to_none() {
    let server = Arc::new(Watched { called: Mutex::default(), left: mpsc::unbounded_channel().0 });
    let door = Door::open("127.0.0.1:0".parse().unwrap(), &[]).await.unwrap();
    let (at, stop) = (door.address().unwrap().to_string(), CancellationToken::new());
    let serving = tokio::spawn(door.serve(server.clone(), stop.clone()));
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "any", "arguments": {}, "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "a-test", "version": "1" } } } });
    let headers = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: any\r\n";
    let body = call.to_string();
    let mut stream = TcpStream::connect(&at).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut came = String::new();
    timeout(Duration::from_secs(20), stream.read_to_string(&mut came)).await.unwrap().unwrap();
    assert_eq!(*server.called.lock().unwrap(), [None], "{came}");
    stop.cancel();
    serving.await.unwrap().unwrap();
}
