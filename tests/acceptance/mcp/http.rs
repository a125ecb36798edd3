//! The same over HTTP: who may call, how many, how much; and that it ends when it is told to.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Process, agentbus};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::World;

const HELLO: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"a-test","version":"1"}}}"#;

struct Door {
    process: Process,
    address: String,
    _folder: tempfile::TempDir,
}

/// What came back.
struct Came {
    status: u16,
    head: String,
    body: String,
}

impl Door {
    fn open(world: &World) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = world.url();
        let process = Process::start(agentbus(folder.path()).args(["mcp", "--as", "alice", "--http", "127.0.0.1:0", "--nats", &url]));
        let said = process.says("/mcp\n");
        let address = said.split("http://").nth(1).and_then(|rest| rest.split("/mcp").next()).expect("an address").to_owned();
        Self { process, address, _folder: folder }
    }

    /// Sends a request with these headers, and reads all that comes.
    async fn send(&self, headers: &[(&str, &str)], body: &str) -> Came {
        let host = headers.iter().find(|(name, _)| *name == "Host").map_or(self.address.as_str(), |(_, host)| host);
        let mut head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: {}\r\n",
            body.len()
        );
        headers.iter().filter(|(name, _)| *name != "Host").for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        let whole = async {
            let mut stream = TcpStream::connect(&self.address).await?;
            stream.write_all(format!("{head}\r\n{body}").as_bytes()).await?;
            let mut came = Vec::new();
            stream.read_to_end(&mut came).await?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&came).into_owned())
        };
        let came = timeout(Duration::from_secs(30), whole).await.expect("it answers").expect("it can be read");
        let (head, body) = came.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{came}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Came { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// A session; its id.
    async fn session(&self) -> String {
        let hello = self.send(&[], HELLO).await;
        assert_eq!(hello.status, 200, "{} {}", hello.head, hello.body);
        let id = hello.head.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).expect("a session").to_owned();
        let ready = self.send(&[("Mcp-Session-Id", &id)], r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        assert_eq!(ready.status, 202, "{}", ready.head);
        id
    }
}

impl Came {
    /// The messages of an event stream.
    fn messages(&self) -> Vec<Value> {
        self.body.lines().filter_map(|line| line.strip_prefix("data: ")).filter_map(|data| serde_json::from_str(data).ok()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_streams_its_progress_and_its_answer() {
    let world = World::start().await;
    let door = Door::open(&world);
    let session = door.session().await;
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
        "name": "ask", "arguments": { "text": "count to 50", "to": "counter" }, "_meta": { "progressToken": "p" } } });
    let came = door.send(&[("Mcp-Session-Id", &session)], &call.to_string()).await;
    let messages = came.messages();
    let told: Vec<_> =
        messages.iter().filter_map(|message| message["params"]["message"].as_str()).filter(|text| text.starts_with("counter: ")).collect();
    assert_eq!(told, (1..=50).map(|n| format!("counter: counting n={n}")).collect::<Vec<_>>());
    let last = messages.last().expect("an answer");
    assert_eq!(last["result"]["structuredContent"]["answer"]["result"], json!({ "counted": 50 }), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_a_browser_does_not_get_through() {
    let world = World::start().await;
    let door = Door::open(&world);
    for headers in [
        [("Host", "evil.example.org")],
        [("Origin", "http://evil.example.org")],
        [("Origin", "null")],
        [("Host", "127.0.0.1.evil.example.org")],
    ] {
        let came = door.send(&headers, HELLO).await;
        assert_eq!(came.status, 403, "{headers:?}: {}", came.head);
    }
    assert_eq!(door.send(&[("Origin", "http://localhost:3000")], HELLO).await.status, 200);
    assert_eq!(door.send(&[("Mcp-Session-Id", "0192f0c1")], r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await.status, 404);
    let large = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "x".repeat(17 << 20));
    assert_eq!(door.send(&[], &large).await.status, 413);
    assert_eq!(door.send(&[], "{").await.status, 415);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_so_many_sessions_and_no_more() {
    let world = World::start().await;
    let door = Door::open(&world);
    let first = door.session().await;
    for _ in 1..64 {
        door.session().await;
    }
    let refused = door.send(&[], HELLO).await;
    assert_eq!(refused.status, 503, "{}", refused.head);
    let ping = door.send(&[("Mcp-Session-Id", &first)], r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#).await;
    assert_eq!(ping.messages().last().map(|message| message["id"].clone()), Some(json!(9)), "those that are there go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_it_is_told_to_with_calls_under_way() {
    let world = World::start().await;
    let door = Door::open(&world);
    let session = door.session().await;
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "ask", "arguments": { "text": "wait", "to": "counter" } } });
    let (headers, call) = ([("Mcp-Session-Id", session.as_str())], call.to_string());
    let stop = async {
        world.newest(agentbus::State::Working).await;
        door.process.signal("TERM");
    };
    let (came, ()) = tokio::join!(door.send(&headers, &call), stop);
    let last = came.messages().pop().expect("what it had");
    assert_eq!(last["result"]["structuredContent"]["ended"], false, "{last}");
    let output = door.process.finish();
    assert_eq!(output.code, Some(0), "{output:?}");
    // The query goes on without it.
    world.newest(agentbus::State::Working).await;
}

#[test]
fn an_address_that_others_reach_wants_a_host() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Process::run(agentbus(folder.path()).args(["mcp", "--as", "alice", "--http", "0.0.0.0:0"]));
    assert_eq!(output.code, Some(64), "{output:?}");
    assert!(output.stderr.contains("speaks as alice"), "{output:?}");
}
