//! A bus with a coordinator here, experts here, and the context manager in a process of its own.

use std::{fs, sync::Arc};

use agentbus::{Agent, Bus, Card, Done, Ended, Fault, Handler, Query, QueryId, Serving, State, Task};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Process, agentbus};
use tokio::sync::{Mutex, mpsc};

use crate::bus::{TestBus, name};

pub(super) const QA: &str = "Designs test suites, measures test coverage and hunts flaky tests.";
pub(super) const SRE: &str = "Keeps error budgets and service levels, and runs the on-call rota.";
pub(super) const CALENDAR: &str = "Keeps release dates, change logs and version numbers.";

/// A bus, a folder for the context manager, and a requester.
pub(super) struct Site {
    bus: TestBus,
    folder: TempDir,
    trust: TempDir,
    host: Bus,
    serving: Mutex<Vec<Serving>>,
    pub(super) client: Bus,
}

impl Site {
    pub(super) async fn new() -> Self {
        let bus = TestBus::start().await;
        let (client, host) = (bus.client("alice").await, bus.client("expert-host").await);
        let folder = || tempfile::tempdir().expect("a folder");
        let site = Self { bus, folder: folder(), trust: folder(), host, serving: Mutex::default(), client };
        // Somebody else, so that words are not everybody's.
        site.expert("painter", "Paints walls.", says("Painted.")).await;
        site
    }

    pub(super) fn write(&self, file: &str, text: &str) {
        let path = self.folder.path().join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// An agent that a program of one's own serves.
    pub(super) async fn expert(&self, agent: &str, description: &str, handler: impl Handler) {
        self.expert_with(agent, "sdk", description, handler).await;
    }

    pub(super) async fn expert_with(&self, agent: &str, kind: &str, description: &str, handler: impl Handler) {
        let own = Agent::new(name(agent)).capacity(8);
        let card = Card { handler: kind.to_owned(), description: description.to_owned(), ..own.card.clone() };
        let mut serving = self.host.serve(Agent { card, ..own }, handler).await.expect("it serves");
        assert!(serving.known().await, "a coordinator knows of it");
        self.serving.lock().await.push(serving);
    }

    fn command(&self, words: &[&str]) -> std::process::Command {
        let mut command = agentbus(self.folder.path());
        command.env("AGENTBUS_TRUST", self.trust.path().join("trust.json")).args(words);
        command
    }

    /// The agents of the folder, the context manager among them. Returns when they are known.
    pub(super) fn manager(&self) -> Process {
        let agents = Process::start(self.command(&["serve", "agents"]).args(["--nats", &self.bus.server.url()]));
        let _ = agents.says("context-manager");
        agents
    }

    pub(super) fn run(&self, words: &[&str]) -> String {
        let bus = if words.first() == Some(&"trust") { Vec::new() } else { vec!["--nats".to_owned(), self.bus.server.url()] };
        let output = Process::run(self.command(words).args(bus));
        assert_eq!(output.code, Some(0), "{output:?}");
        output.stdout
    }

    /// A query for the context manager.
    pub(super) fn query(&self, text: &str) -> Query {
        Query { target: Some(name("context-manager")), ..Query::new(name("alice"), "get_project_context", text) }
    }

    pub(super) async fn ask(&self, text: &str) -> Ended {
        let ended = self.client.ask(self.query(text)).await.expect("posted").ended().await.expect("it ends");
        assert_eq!(ended.state, State::Completed, "{ended:?}");
        ended
    }
}

/// What a context answer says of a topic.
pub(super) fn topic(ended: &Ended, text: &str) -> Value {
    let result = ended.answer.as_ref().and_then(|answer| answer.result.as_ref()).expect("a result");
    let topics = result["topics"].as_array().expect("topics");
    topics.iter().find(|topic| topic["topic"] == text).unwrap_or_else(|| panic!("{text} in {result}")).clone()
}

/// Whom a query's agent has asked, and what those have asked.
pub(super) async fn children(client: &Bus, id: QueryId) -> Vec<(String, State, QueryId)> {
    let tree = client.tree(id).await.expect("a tree");
    let child = |branch: &protocol::Branch| {
        let agent = branch.query.agent.as_ref().map_or_else(String::new, ToString::to_string);
        (agent, branch.query.state, branch.query.id)
    };
    tree.branches.iter().skip(1).map(child).collect()
}

pub(super) fn fact(key: &str, value: u64, by: &str) -> Value {
    json!({ "key": key, "value": value, "source": "a look", "observed_by": by, "observed_at": "2026-11-01T09:00:00Z" })
}

/// Answers with a statement.
pub(super) fn says(text: &'static str) -> impl Handler {
    move |_: Task| async move { Ok(Done::new(text)) }
}

/// Answers with facts.
pub(super) fn tells(facts: Value) -> impl Handler {
    move |_: Task| {
        let facts = serde_json::from_value(facts.clone()).expect("facts");
        async move { Ok(Done { facts, ..Done::new("Looked it up.") }) }
    }
}

struct Gone(Arc<mpsc::UnboundedSender<()>>);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// Never answers. The receiver hears when a query is let go of.
pub(super) fn waits() -> (impl Handler, mpsc::UnboundedReceiver<()>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let sender = Arc::new(sender);
    let handler = move |_: Task| {
        let gone = Gone(sender.clone());
        async move {
            let _gone = gone;
            std::future::pending::<Result<Done, Fault>>().await
        }
    };
    (handler, receiver)
}
