//! The programs in `examples/`, run as a user runs them: agents and requesters, in Rust and in Python,
//! each with each, against a real bus.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use protocol::Heartbeat;
use serde_json::json;
use testkit::{Process, eventually_async};

use crate::bus::{TestBus, name};

#[derive(Clone, Copy)]
enum Language {
    Rust,
    Python,
}

impl Language {
    /// One of the examples as a command.
    fn program(self, name: &str) -> Command {
        match self {
            Self::Rust => Command::new(built(name)),
            Self::Python => {
                let mut command = Command::new("python3");
                command.arg(folder().join(name).with_extension("py")).env("PYTHONPATH", &*NATS_PY);
                command
            }
        }
    }

    /// How its agent ends at a SIGTERM: the SDK's takes leave of the bus first.
    fn code_when_told_to_end(self) -> Option<i32> {
        match self {
            Self::Rust => Some(0),
            Self::Python => None,
        }
    }

    /// Who its requester is.
    fn requester(self) -> &'static str {
        match self {
            Self::Rust => "alice",
            Self::Python => "bob",
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// This profile's folder: the test that runs is `target/PROFILE/deps/TEST`.
fn profile() -> PathBuf {
    let test = env::current_exe().expect("this test's own path");
    test.parent().and_then(Path::parent).expect("the profile's folder").to_owned()
}

fn built(name: &str) -> PathBuf {
    let program = profile().join("examples").join(name);
    assert!(program.exists(), "{} is not built: run the tests with 'cargo test --workspace'", program.display());
    program
}

/// Where nats-py is: fetched once, as it is pinned, below `target`.
static NATS_PY: LazyLock<PathBuf> = LazyLock::new(|| {
    let wanted = folder().join("requirements.txt");
    let place = profile().with_file_name("examples-python");
    let lock = fs::File::create(place.with_extension("lock")).expect("a lock file");
    lock.lock().expect("the only one that installs");
    let stamp = place.join("requirements.txt");
    let is_there = fs::read(&stamp).is_ok_and(|there| there == fs::read(&wanted).expect("requirements"));
    if !is_there {
        let _ = fs::remove_dir_all(&place);
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"]);
        let output = pip.arg("--target").arg(&place).arg("--requirement").arg(&wanted).output().expect("python3 runs");
        assert!(output.status.success(), "pip: {}", String::from_utf8_lossy(&output.stderr));
        fs::copy(&wanted, &stamp).expect("a stamp");
    }
    place
});

/// Whether one agent is there, and live.
async fn live(client: &agentbus::Bus) -> Result<(), String> {
    let agents = client.agents().await.map_err(|error| error.to_string())?;
    if agents.iter().any(|agent| agent.instances.len() == 1) { Ok(()) } else { Err(format!("{agents:?}")) }
}

/// Runs an agent and a requester, and looks at what the ledger has of it.
async fn meet(agent: Language, requester: Language) {
    let bus = TestBus::start().await;
    let url = bus.server.url();
    let client = bus.client("observer").await;
    let serving = Process::start(agent.program("agent").arg(&url));
    eventually_async("a live agent", || live(&client)).await;

    let asked = Process::run(requester.program("requester").arg(&url));
    assert_eq!((asked.code, asked.stdout.as_str()), (Some(0), "progress: counting\ncompleted: Counted 5 words.\n"), "{asked:?}");

    let listed = client.list(None, None, 10).await.expect("the queries");
    let record = client.history(listed[0].id).await.expect("a record");
    assert_eq!((listed.len(), &record.query["requesting_agent"]), (1, &json!(requester.requester())));
    let messages: Vec<_> = record.messages.iter().map(|logged| json!([logged.kind, logged.verdict])).collect();
    assert_eq!(messages, ["query", "assign", "accept", "progress", "answer"].map(|kind| json!([kind, "counted"])));
    assert_eq!(record.answer.and_then(|answer| answer.result), Some(json!({ "words": 5 })));

    serving.signal("TERM");
    let ended = serving.finish();
    assert_eq!(ended.code, agent.code_when_told_to_end(), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_asks_rust() {
    meet(Language::Rust, Language::Rust).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_asks_python() {
    meet(Language::Python, Language::Python).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_asks_python() {
    meet(Language::Python, Language::Rust).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_asks_rust() {
    meet(Language::Rust, Language::Python).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reviewer_has_the_words_counted_by_another() {
    let bus = TestBus::start().await;
    let client = bus.client("alice").await;
    let _counter = Process::start(Language::Rust.program("agent").arg(bus.server.url()));
    let _reviewer = Process::start(Language::Rust.program("reviewer").arg(bus.server.url()));
    eventually_async("two agents", || async {
        let agents = client.agents().await.map_err(|error| error.to_string())?;
        if agents.len() == 2 { Ok(()) } else { Err(format!("{agents:?}")) }
    })
    .await;
    let query = agentbus::Query::new(name("alice"), "review_text", "How long is this?");
    let ended = client.ask(query).await.expect("it is posted").ended().await.expect("it ends");
    assert_eq!(ended.notification(), "It is short.");
    assert_eq!(ended.answer.and_then(|answer| answer.result), Some(json!({ "words": 4 })));
    let tree = client.tree(ended.id).await.expect("a tree");
    let agents: Vec<_> = tree.branches.iter().filter_map(|branch| branch.query.agent.as_ref().map(agentbus::Name::as_str)).collect();
    assert_eq!(agents, ["reviewer", "word-counter"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_agent_lets_go_of_what_was_cancelled() {
    let bus = TestBus::start().await;
    let client = bus.client("alice").await;
    // The example as it stands, but for the work, which never ends by itself.
    let source = fs::read_to_string(folder().join("agent.py")).expect("the example");
    let endless = source.replace("words = len(text.split())", "words = await asyncio.Event().wait()");
    assert_ne!(source, endless);
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("agent.py"), endless.replace("asyncio.sleep(5)", "asyncio.sleep(0.1)")).expect("a file");
    let _agent =
        Process::start(Command::new("python3").arg(dir.path().join("agent.py")).arg(bus.server.url()).env("PYTHONPATH", &*NATS_PY));
    eventually_async("a live agent", || live(&client)).await;
    let mut beats = client.connection().subscribe(client.space().heartbeats()).await.expect("its heartbeats");
    let asked = client.ask(agentbus::Query::new(name("alice"), "count_words", "How many?")).await.expect("it is posted");
    wait_for_leases(&mut beats, 1).await;
    client.cancel(asked.id(), None).await.expect("it is cancelled");
    assert_eq!(asked.ended().await.expect("it ends").state, agentbus::State::Cancelled);
    wait_for_leases(&mut beats, 0).await;
}

/// Returns at a heartbeat of the agent that names so many leases.
async fn wait_for_leases(beats: &mut nats::Subscription, leases: usize) {
    let found = async {
        while let Some(beat) = beats.next().await {
            let beat = beat.body::<Heartbeat>("heartbeat").expect("a heartbeat");
            if beat.agent == name("word-counter") && beat.leases.len() == leases {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), found).await.unwrap_or_else(|_| panic!("never {leases} in hand"));
}

#[test]
fn they_are_short() {
    for (file, limit) in [("agent.rs", 30), ("requester.rs", 20), ("reviewer.rs", 20), ("agent.py", 30), ("requester.py", 20)] {
        let text = fs::read_to_string(folder().join(file)).expect("an example");
        // Lines of code: what is neither empty nor says what the file is.
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("\"\"\"")).count();
        assert!(lines <= limit, "{file} has {lines} lines");
    }
}
