//! A repository whose agents work elsewhere: behind a model's endpoint, or behind a URL.

use std::{fs, path::Path, time::Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Output, Process, agentbus, eventually};

/// What nobody may see. It is in the bus's environment, as `MODEL_KEY`.
pub(crate) const KEY: &str = "sk-test-7f3a9c51e0d24b68";

/// A repository with agents, a record of trust of its own, and a bus with a key in its environment.
pub(crate) struct Site {
    folder: TempDir,
    trust: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        let folder = || tempfile::tempdir().expect("a folder");
        Self { folder: folder(), trust: folder() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// An agent with these keys in its block, and this body.
    pub(crate) fn agent(&self, name: &str, block: &str, body: &str) {
        self.write(&format!("agents/{name}.md"), &format!("---\nname: {name}\ndescription: A test.\nbus: {{{block}}}\n---\n{body}\n"));
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = agentbus(self.path());
        for name in ["ANTHROPIC_API_KEY", "OPENAI_API_KEY"] {
            command.env_remove(name);
        }
        command.env("AGENTBUS_TRUST", self.trust.path().join("trust.json")).args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        Process::run(&mut self.command(args))
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {output:?}"))
    }

    /// Starts the bus with the key in its environment and everything logged, and returns when it says that it is up.
    pub(crate) fn up(&self) -> Process {
        let up = Process::start(self.command(&["up", "--agents", "agents"]).env("MODEL_KEY", KEY).env("RUST_LOG", "trace"));
        let _ = up.says("Ctrl-C drains");
        up
    }

    /// Asks, and returns the record.
    pub(crate) fn ask(&self, agent: &str, text: &str) -> Value {
        self.ask_with(agent, text, &json!({}))
    }

    /// The same with more fields in the query, and one attempt unless they say otherwise.
    pub(crate) fn ask_with(&self, agent: &str, text: &str, more: &Value) -> Value {
        let id = self.post(agent, text, more);
        self.ended(&id)
    }

    /// Posts a query, and returns its id.
    pub(crate) fn post(&self, agent: &str, text: &str, more: &Value) -> String {
        let mut query = json!({"requesting_agent": "alice", "request_type": "request", "target": agent, "attempts": 1,
            "timeout_ms": 60_000, "payload": {"query": text}});
        for (name, value) in more.as_object().expect("fields") {
            query[name] = value.clone();
        }
        self.write("query.json", &query.to_string());
        let posted = self.run(&["post", "--from", "alice", "--file", "query.json"]);
        assert_eq!(posted.code, Some(0), "{posted:?}");
        posted.stdout.trim().to_owned()
    }

    /// The record of a query that has ended.
    pub(crate) fn ended(&self, id: &str) -> Value {
        eventually("the end of the query", || {
            let record = self.record(id);
            if record["end_seq"].is_null() { Err(record["state"].clone()) } else { Ok(record) }
        })
    }

    /// The whole ledger as `watch` shows it, once it shows an answer or a close of each of these.
    pub(crate) fn watched(&self, ids: &[String]) -> String {
        let watch = Process::start(&mut self.command(&["watch", "--json", "--from-seq", "1"]));
        eventually("the whole ledger", || {
            let shown = watch.stdout();
            let ended = |id: &&String| shown.lines().any(|line| line.contains(id.as_str()) && line.contains("\"answer\""));
            if ids.iter().all(|id| ended(&id)) { Ok(shown) } else { Err(shown.lines().count()) }
        })
    }

    pub(crate) fn record(&self, id: &str) -> Value {
        self.json(&["history", "--json", id])
    }
}

pub(crate) fn stop(up: Process) -> Output {
    up.signal("TERM");
    let ended = up.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    ended
}

/// Why the last attempt failed.
pub(crate) fn failure(record: &Value) -> Value {
    let attempts = record["attempts"].as_array().cloned().unwrap_or_default();
    attempts.last().map_or(Value::Null, |attempt| attempt["failure"].clone())
}

/// The bodies of the messages of a kind.
pub(crate) fn bodies(record: &Value, kind: &str) -> Vec<Value> {
    let messages = record["messages"].as_array().expect("messages");
    messages.iter().filter(|message| message["kind"] == kind).map(|message| message["body"].clone()).collect()
}

/// What an agent said word by word, put together.
pub(crate) fn streamed(record: &Value) -> String {
    let reports = bodies(record, "progress");
    let of_an_answer = reports.iter().filter(|report| report["status"] == "answering");
    of_an_answer.filter_map(|report| report["progress"]["_text"].as_str()).collect()
}

/// How long it takes, in seconds.
pub(crate) fn seconds<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let begun = Instant::now();
    (work(), begun.elapsed().as_secs_f64())
}
