//! Running as services: the parts as processes of their own against a server that they did not
//! start, told to stop as a supervisor tells them, with logs and words that programs read.

use std::{os::unix::net::UnixDatagram, path::Path, process::Command, time::Duration};

use agentbus::{Agent, Bus, Done, Options, Query, State, Task};
use serde_json::Value;
use tempfile::TempDir;
use testkit::{NatsServer, Output, Process, Store, agentbus, eventually};

use crate::bus::name;

/// A folder to run in, a server, and the options that lead to one bus on it.
struct Site {
    folder: TempDir,
    server: NatsServer,
}

impl Site {
    async fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), server: NatsServer::start().await }
    }

    fn command(&self, words: &[&str], space: &str) -> Command {
        let mut command = agentbus(self.folder.path());
        command.args(words).args(["--nats", &self.server.url(), "--space", space]);
        command
    }

    fn coordinator(&self, space: &str) -> Process {
        let coordinator = Process::start(&mut self.command(&["serve", "coordinator"], space));
        let _ = coordinator.says(&format!("serves the bus '{space}'"));
        coordinator
    }

    fn run(&self, words: &[&str], space: &str) -> Output {
        Process::run(&mut self.command(words, space))
    }

    fn json(&self, words: &[&str], space: &str) -> Value {
        let output = self.run(words, space);
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}: {output:?}"))
    }

    async fn client(&self, who: &str) -> Bus {
        Bus::connect(Options::new(self.server.url(), name(who))).await.expect("the bus is there")
    }
}

/// Tells a part to stop as a supervisor does, and expects it to end well.
fn stop(part: Process) -> Output {
    part.signal("TERM");
    let ended = part.finish();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended
}

#[tokio::test]
async fn two_coordinators_share_the_work_and_one_may_leave_in_the_middle() {
    const QUERIES: usize = 40;
    let site = Site::new().await;
    let staying = site.coordinator("bus");
    let host = Process::start(&mut site.command(&["serve", "agents"], "bus"));
    let _ = host.says("1 agent;");

    let (worker, client) = (site.client("worker").await, site.client("alice").await);
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let open = gate.clone();
    let handler = move |_: Task| {
        let gate = open.clone();
        async move {
            let _permit = gate.acquire().await;
            Ok(Done::new("Worked."))
        }
    };
    let agent = Agent::new(name("worker")).answers("work_*").capacity(8);
    let mut serving = worker.serve(agent, handler).await.expect("it serves");
    assert!(serving.known().await, "a coordinator knows of it");
    // From the start it knows the agents that the first one has met.
    let leaving = site.coordinator("bus");
    let mut asked = Vec::new();
    for _ in 0..QUERIES {
        asked.push(client.ask(Query::new(name("alice"), "work_hard", "now")).await.expect("posted"));
    }
    let context = client.ask(Query::new(name("alice"), "get_project_context", "languages")).await.expect("posted");

    // Some are in hand, the others wait for room; then one of the coordinators goes.
    stop(leaving);
    gate.add_permits(QUERIES);
    for query in asked {
        let ended = query.ended().await.expect("it ends");
        assert_eq!(ended.state, State::Completed, "{ended:?}");
    }
    assert_eq!(context.ended().await.expect("it ends").state, State::Completed);
    stop(host);
    stop(staying);
    let ready = site.run(&["doctor", "--ready"], "bus");
    assert_eq!(ready.code, Some(2), "nobody is left: {ready:?}");
}

#[tokio::test]
async fn an_agent_host_that_is_told_to_stop_finishes_what_it_has_in_hand() {
    let site = Site::new().await;
    let early = site.run(&["serve", "agents"], "bus");
    assert!(early.code == Some(2) && early.stderr.contains("error[no_ledger]"), "no coordinator has run yet: {early:?}");
    let coordinator = site.coordinator("bus");
    let host = Process::start(&mut site.command(&["serve", "agents"], "bus"));
    let _ = host.says("1 agent;");
    let client = site.client("alice").await;
    let asking = client.ask(Query::new(name("alice"), "get_project_context", "languages")).await.expect("posted");
    stop(host);
    let other = Process::start(&mut site.command(&["serve", "agents"], "bus"));
    let _ = other.says("1 agent;");
    let ended = asking.ended().await.expect("it ends");
    assert_eq!(ended.state, State::Completed, "answered by the first, or handed to the second: {ended:?}");
    for part in [other, coordinator] {
        stop(part);
    }
}

#[tokio::test]
async fn two_spaces_on_one_server_do_not_meet() {
    let site = Site::new().await;
    let parts = ["east", "west"].map(|space| {
        let coordinator = site.coordinator(space);
        let host = Process::start(&mut site.command(&["serve", "agents"], space));
        let _ = host.says("1 agent;");
        (coordinator, host)
    });
    let watching = Process::start(&mut site.command(&["watch", "--json", "--from-seq", "1"], "west"));
    assert_eq!(site.run(&["context", "set", "team.size", "12", "--source", "list"], "east").code, Some(0));
    let asked = site.json(&["ask", "--json", "--type", "get_project_context", "Context needed: team size"], "east");
    assert_eq!(asked["answer"]["result"]["topics"][0]["status"], "known", "{asked:#}");
    let id = asked["id"].as_str().expect("an id");

    let other = site.json(&["ask", "--json", "--type", "get_project_context", "Context needed: team size"], "west");
    assert_eq!(other["answer"]["unknown"][0], "team size", "{other:#}");
    assert_eq!(site.json(&["status", "--json", id], "west")["error"]["code"], "not_found");
    for (space, mine) in [("east", id), ("west", other["id"].as_str().expect("an id"))] {
        let listed = site.json(&["list", "--json"], space);
        let ids: Vec<_> = listed.as_array().expect("a list").iter().filter_map(|query| query["id"].as_str()).collect();
        assert_eq!(ids, [mine]);
    }
    let seen = watching.says("\"answer\"");
    assert!(!seen.contains(id), "{seen}");
    assert_eq!(site.run(&["doctor", "--ready"], "north").code, Some(2));
    stop(watching);
    for (coordinator, host) in parts {
        stop(host);
        stop(coordinator);
    }
}

#[test]
fn several_buses_fit_on_a_small_disk_and_one_that_does_not_is_told_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Store::memory(&folder.path().join("disk"), 1024);
    let up = Process::start(agentbus(disk.path()).arg("up"));
    let _ = up.says("Ctrl-C drains");
    let said = up.stdout();
    let url = said.split_whitespace().find(|word| word.starts_with("nats://")).expect("the server's address").to_owned();
    let serve = |space: &str| {
        let mut command = agentbus(disk.path());
        command.args(["serve", "coordinator", "--nats", &url, "--space", space]);
        command
    };
    let others = ["second", "third"].map(|space| {
        let coordinator = Process::start(&mut serve(space));
        let _ = coordinator.says(&format!("serves the bus '{space}'"));
        let known = ["context", "set", "team.size", "12", "--source", "list", "--nats", &url, "--space", space];
        assert_eq!(Process::run(agentbus(disk.path()).args(known)).code, Some(0), "there is room for facts, too");
        coordinator
    });
    let large = Process::run(serve("large").args(["--max-size", "4GiB"]));
    assert_eq!(large.code, Some(2), "{large:?}");
    let told = ["error[storage_full]", "cannot set 3686 MiB aside for the ledger", "--max-size"];
    assert!(told.iter().all(|part| large.stderr.contains(part)), "{large:?}");
    for part in others.into_iter().chain([up]) {
        stop(part);
    }

    let tiny = Store::memory(&folder.path().join("tiny"), 64);
    let told = Process::run(agentbus(tiny.path()).arg("up"));
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stderr.contains("error[storage_full]") && told.stderr.contains("32 MiB aside for facts with provenance"), "{told:?}");
}

#[tokio::test]
async fn one_of_several_servers_is_enough() {
    let site = Site::new().await;
    let coordinator = site.coordinator("bus");
    let several = format!("nats://127.0.0.1:1, {}", site.server.url());
    let ready = Process::run(agentbus(site.folder.path()).args(["doctor", "--ready", "--nats", &several]));
    assert_eq!(ready.code, Some(0), "{ready:?}");
    stop(coordinator);
}

/// Every line on stderr as JSON, each with the fields that a log collector needs.
fn log(output: &Output) -> Vec<Value> {
    let read = |line: &str| -> Value {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?} in {output:?}"));
        let time = line["timestamp"].as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok());
        assert!(time.is_some(), "no timestamp: {line}");
        assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].iter().any(|level| line["level"] == *level), "no level: {line}");
        assert!(["target", "message"].iter().all(|field| line[field].is_string()), "no message: {line}");
        line
    };
    output.stderr.lines().map(read).collect()
}

#[tokio::test]
async fn with_json_logs_everything_on_stderr_is_json() {
    let mut site = Site::new().await;
    let json = ["--log-format", "json"];
    let coordinator = Process::start(site.command(&["serve", "coordinator"], "bus").args(json));
    let _ = coordinator.says("serves the bus");
    // A definition with a fault in it, so that there is something to warn of.
    std::fs::create_dir(site.folder.path().join("agents")).expect("a folder");
    std::fs::write(site.folder.path().join("agents/broken.md"), "---\nname: broken\n").expect("a file");
    let host = Process::start(site.command(&["serve", "agents"], "bus").args(json));
    let _ = host.says("1 agent;");
    let asked = Process::run(site.command(&["ask", "--type", "get_project_context", "languages"], "bus").args(json));
    assert!(log(&asked).iter().any(|line| line["message"].as_str().is_some_and(|text| text.contains("posted"))), "{asked:?}");
    site.server.restart().await;
    eventually("the bus after a restart of its server", || {
        let ready = site.run(&["doctor", "--ready"], "bus");
        if ready.code == Some(0) { Ok(()) } else { Err(ready) }
    });

    let (host, coordinator) = (stop(host), stop(coordinator));
    assert!(log(&host).iter().any(|line| line["message"].as_str().is_some_and(|text| text.contains("broken.md"))), "{host:?}");
    let lost = |line: &Value| line["level"] == "WARN" && line["message"].as_str().is_some_and(|text| text.contains("connection"));
    assert!(log(&coordinator).iter().any(lost), "{coordinator:?}");

    for words in [&["status", "01a200a1-e922-751d-b3d5-55219bfe98f9"][..], &["ask", "--timeout", "soon", "x"], &["nonsense"], &["context"]]
    {
        let failed = Process::run(site.command(words, "bus").args(json));
        assert_ne!(failed.code, Some(0), "{failed:?}");
        let told = log(&failed);
        assert!(told.iter().any(|line| line["level"] == "ERROR" && line["code"].is_string()), "{words:?}: {failed:?}");
    }
}

/// What a service tells its supervisor next.
fn told(socket: &UnixDatagram) -> String {
    let mut text = [0; 64];
    let length = socket.recv(&mut text).expect("the service tells something");
    String::from_utf8_lossy(&text[..length]).into_owned()
}

#[tokio::test]
async fn a_supervisor_is_told_when_a_service_is_ready_and_when_it_stops() {
    let site = Site::new().await;
    let at: &Path = &site.folder.path().join("notify");
    let supervisor = UnixDatagram::bind(at).expect("a socket");
    supervisor.set_read_timeout(Some(Duration::from_secs(30))).expect("a deadline");
    let mut running = Vec::new();
    for words in [&["serve", "coordinator"][..], &["serve", "agents"]] {
        running.push(Process::start(site.command(words, "bus").env("NOTIFY_SOCKET", at)));
        assert_eq!(told(&supervisor), "READY=1");
        assert_eq!(site.run(&["doctor", "--ready"], "bus").code, Some(0));
    }
    while let Some(service) = running.pop() {
        stop(service);
        assert_eq!(told(&supervisor), "STOPPING=1");
    }
}
