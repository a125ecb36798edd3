//! A plain MCP client over standard input and output: what it sends is written here, line by line, so that it can also be wrong.

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// How long anything may take that a session says.
const PATIENCE: Duration = Duration::from_secs(30);

/// A session with the real binary.
pub(super) struct Session {
    pub(super) child: Child,
    pub(super) input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    _folder: Option<tempfile::TempDir>,
    next: u64,
    /// What came while something else was waited for: answers, and notifications in their order.
    answers: Vec<Value>,
    pub(super) notifications: Vec<Value>,
}

impl Session {
    /// A session that has shaken hands.
    pub(super) async fn start(url: &str, name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut session = Self::silent(folder.path(), &["--as", name, "--nats", url]);
        session._folder = Some(folder);
        session.shake_hands().await;
        session
    }

    /// The same in a folder, whose bus it finds by itself.
    pub(super) async fn within(folder: &Path, name: &str) -> Self {
        let mut session = Self::silent(folder, &["--as", name]);
        session.shake_hands().await;
        session
    }

    async fn shake_hands(&mut self) {
        let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "a-test", "version": "1" } });
        let id = self.begin("initialize", hello).await;
        let answer = self.answer(id).await;
        assert_eq!(answer["result"]["serverInfo"]["name"], "agentbus", "{answer}");
        self.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    }

    /// A session that has said nothing yet.
    fn silent(folder: &Path, args: &[&str]) -> Self {
        let mut command = Command::from(testkit::agentbus(folder));
        command.arg("mcp").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("agentbus starts");
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("its output"));
        let lines = BufReader::new(output).lines();
        Self { child, input, lines, _folder: None, next: 0, answers: Vec::new(), notifications: Vec::new() }
    }

    pub(super) async fn raw(&mut self, line: &str) {
        let input = self.input.as_mut().expect("it is open");
        let written = async {
            input.write_all(line.as_bytes()).await?;
            input.write_all(b"\n").await?;
            input.flush().await
        };
        timeout(PATIENCE, written).await.expect("it is read").expect("it is written");
    }

    pub(super) async fn send(&mut self, message: Value) {
        self.raw(&message.to_string()).await;
    }

    /// Sends a request; returns its id.
    pub(super) async fn begin(&mut self, method: &str, params: Value) -> u64 {
        self.next += 1;
        self.send(json!({ "jsonrpc": "2.0", "id": self.next, "method": method, "params": params })).await;
        self.next
    }

    /// Calls a tool that tells of its progress; returns the request's id.
    pub(super) async fn calling(&mut self, tool: &str, arguments: Value) -> u64 {
        let token = self.next + 1;
        self.begin("tools/call", json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": token } })).await
    }

    /// Calls a tool, and returns its result.
    pub(super) async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let id = self.calling(tool, arguments).await;
        self.answer(id).await["result"].clone()
    }

    /// Calls a tool that fails, and returns the problem's code.
    pub(super) async fn refused(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments).await;
        assert_eq!(result["isError"], true, "{result}");
        result["structuredContent"]["error"]["code"].as_str().unwrap_or_else(|| panic!("{result}")).to_owned()
    }

    /// The answer to a request. Every line must be one message.
    pub(super) async fn answer(&mut self, id: u64) -> Value {
        loop {
            if let Some(at) = self.answers.iter().position(|answer| answer["id"] == id) {
                return self.answers.remove(at);
            }
            self.hear().await;
        }
    }

    /// Waits for a notification whose message contains this.
    pub(super) async fn told(&mut self, text: &str) {
        while !self.messages().any(|message| message.contains(text)) {
            self.hear().await;
        }
    }

    /// What it was told of progress.
    pub(super) fn messages(&self) -> impl Iterator<Item = &str> {
        self.notifications.iter().filter_map(|notification| notification["params"]["message"].as_str())
    }

    pub(super) async fn hear(&mut self) {
        let line = timeout(PATIENCE, self.lines.next_line()).await.expect("it says something").expect("it can be read");
        let line = line.expect("it has not ended");
        let message: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if message["method"].is_string() { self.notifications.push(message) } else { self.answers.push(message) }
    }

    /// Whether it still answers.
    pub(super) async fn is_well(&mut self) {
        let id = self.begin("ping", json!({})).await;
        assert_eq!(self.answer(id).await["result"], json!({}));
    }

    /// Closes its input, and returns its exit code.
    pub(super) async fn end(mut self) -> Option<i32> {
        self.input = None;
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("it ran");
        status.code()
    }
}
