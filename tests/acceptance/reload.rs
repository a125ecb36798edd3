//! Agents that follow their files (F33): what is broken keeps what there was, what changes takes its place without
//! a pause, and what is in hand is finished as it was begun. Real files, the real binary.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use agentbus::{Bus, Options, Query};
use serde_json::Value;
use tempfile::TempDir;
use testkit::{Output, Process, agentbus, eventually};

use crate::bus::{TestBus, name};

/// How often a file is rewritten under questions.
const REWRITES: usize = 20;

/// A repository with agents, and a record of trust that is its own.
struct Repository {
    folder: TempDir,
    trust: TempDir,
}

impl Repository {
    fn new() -> Self {
        let this = Self { folder: tempfile::tempdir().expect("a folder"), trust: tempfile::tempdir().expect("a folder") };
        // It says who does it, with which version, and waits for a file where it is told to.
        let script = r#"#!/bin/sh
            read query
            case "$query" in *'slowly'*) while [ ! -e go ]; do sleep 0.02; done;; esac
            echo "{\"type\":\"answer\",\"delivery\":\"done by $VERSION\"}""#;
        this.write("work.sh", script);
        fs::set_permissions(this.folder.path().join("work.sh"), fs::Permissions::from_mode(0o755)).expect("executable");
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// An agent that answers from facts, described so.
    fn agent(&self, name: &str, description: &str) {
        self.write(&file(name), &format!("---\nname: {name}\ndescription: {description}\n---\n"));
    }

    /// An agent that runs the script.
    fn worker(&self, name: &str, version: &str, keys: &str) {
        let block = format!("{{handler: exec, command: [./work.sh], env: {{VERSION: {version}}}{keys}}}");
        self.write(&file(name), &format!("---\nname: {name}\ndescription: Works.\nbus: {block}\n---\n"));
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = agentbus(self.folder.path());
        command.env("AGENTBUS_TRUST", self.trust.path().join("agentbus/trust.json")).args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        Process::run(&mut self.command(args))
    }

    fn trust(&self) {
        let trusted = self.run(&["trust", "."]);
        assert_eq!(trusted.code, Some(0), "{trusted:?}");
    }

    fn up(&self) -> Process {
        let up = Process::start(&mut self.command(&["up"]));
        let _ = up.says("Ctrl-C drains");
        up
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {output:?}"))
    }

    /// How a question to this agent ends, and what it delivers.
    fn ask(&self, agent: &str, text: &str) -> (String, String) {
        let ended = self.json(&["ask", "--json", "--to", agent, text]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&ended["state"]), text(&ended["answer"]["delivery"]))
    }

    /// Posts a query that is worked on until the file `go` is there. Returns its id.
    fn post_slow(&self, agent: &str) -> String {
        self.run(&["post", "--to", agent, "slowly"]).stdout.trim().to_owned()
    }

    fn status(&self, id: &str) -> Value {
        self.json(&["status", "--json", id])
    }

    fn describes(&self, agent: &str) -> Value {
        self.json(&["agents", "--json", agent])["card"]["description"].clone()
    }
}

fn file(name: &str) -> String {
    format!(".claude/agents/{name}.md")
}

/// Waits until a process has said something on stderr, this many times.
fn says(process: &Process, text: &str, times: usize) {
    eventually(&format!("{text:?} on stderr"), || {
        let said = process.stderr();
        if said.matches(text).count() >= times { Ok(()) } else { Err(said) }
    });
}

fn stop(process: Process) {
    process.signal("TERM");
    let ended = process.finish();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_half_written_file_keeps_its_definition_until_the_rest_comes() {
    let repository = Repository::new();
    repository.agent("qa", "one");
    let up = repository.up();
    assert_eq!(repository.describes("qa"), "one");

    // Each is what a writer that stops half-way may leave.
    for (half, code) in [("---\nname: qa\ndescription: tw", "front_matter_unclosed"), ("", "no_definition")] {
        repository.write(&file("qa"), half);
        says(&up, &format!("error[{code}]"), 1);
        assert_eq!((repository.ask("qa", "tests?").0, repository.describes("qa")), ("completed".to_owned(), "one".into()));
    }
    says(&up, "qa goes on as it was defined before, until its file is mended", 1);
    repository.agent("qa", "two");
    says(&up, "reloaded: qa changed", 1);
    assert_eq!(repository.describes("qa"), "two");
    // Back to what it was: the coordinator has seen this card before.
    repository.agent("qa", "one");
    says(&up, "reloaded: qa changed", 2);
    assert_eq!(repository.describes("qa"), "one");
    assert_eq!(up.stderr().matches("error[").count(), 2, "each mistake is said once: {}", up.stderr());
    stop(up);
}

#[test]
fn files_that_come_go_and_move_are_followed() {
    let repository = Repository::new();
    repository.agent("qa", "one");
    let up = repository.up();

    // As editors do it: a new file takes the place of the old one.
    repository.write(".claude/agents/.qa.md.swp", "---\nname: qa\ndescription: renamed over\n---\n");
    fs::rename(repository.path(".claude/agents/.qa.md.swp"), repository.path(&file("qa"))).expect("renamed");
    says(&up, "reloaded: qa changed", 1);
    assert_eq!(repository.describes("qa"), "renamed over");

    // A folder of the usual names that was not there, and a folder in a folder.
    repository.write("agents/team/deep/sre.md", "---\nname: sre\ndescription: new\n---\n");
    says(&up, "reloaded: sre started", 1);
    assert_eq!(repository.ask("sre", "tests?").0, "completed");

    // The same agent in another file is the same agent.
    fs::rename(repository.path("agents/team/deep/sre.md"), repository.path("agents/sre.md")).expect("moved");
    says(&up, "reloaded: sre changed", 1);

    fs::remove_file(repository.path("agents/sre.md")).expect("removed");
    says(&up, "reloaded: sre stopped", 1);
    let gone = eventually("nobody of it", || {
        let gone = repository.json(&["agents", "--json", "sre"]);
        if gone["instances"].as_array().is_some_and(Vec::is_empty) { Ok(gone) } else { Err(gone) }
    });
    assert_eq!(gone["card"]["description"], "new", "it is away, and not unknown");
    let posted = repository.run(&["post", "--to", "sre", "tests?"]).stdout.trim().to_owned();
    eventually("that it waits", || {
        let status = repository.status(&posted);
        if status["waiting_for"] == "a live instance of sre" { Ok(()) } else { Err(status) }
    });
    repository.write("agents/sre.md", "---\nname: sre\ndescription: back\n---\n");
    says(&up, "reloaded: sre started", 2);
    eventually("its end", || {
        let status = repository.status(&posted);
        if status["state"] == "completed" { Ok(()) } else { Err(status) }
    });
    stop(up);
}

#[test]
fn work_in_hand_keeps_its_version_and_a_new_command_waits_for_trust() {
    let repository = Repository::new();
    repository.worker("worker", "one", "");
    repository.trust();
    let up = repository.up();
    let slow = repository.post_slow("worker");
    let state = |id: &str| repository.status(id)["state"].clone();
    eventually("that it is worked on", || if state(&slow) == "accepted" { Ok(()) } else { Err(state(&slow)) });

    repository.worker("worker", "two", "");
    says(&up, "worker goes on as it was defined before: its commands have changed since they were trusted: the variable VERSION", 1);
    assert_eq!(repository.ask("worker", "quickly").1, "done by one", "what was allowed may go on");
    // The record of trust did not change: only now does it.
    repository.trust();
    says(&up, "reloaded: worker changed", 1);
    assert_eq!(repository.ask("worker", "quickly").1, "done by two");
    let leaving = repository.run(&["agents", "worker"]).stdout;
    assert!(leaving.contains("leaving, 1 in hand"), "{leaving}");

    // The old instance leaves when its work is done, and not before.
    fs::remove_file(repository.path(&file("worker"))).expect("removed");
    says(&up, "reloaded: worker stopped", 1);
    assert_eq!(state(&slow), "accepted");
    repository.write("go", "");
    let ended = eventually("its end", || {
        let ended = repository.json(&["history", "--json", &slow]);
        if ended["state"] == "completed" { Ok(ended) } else { Err(ended) }
    });
    assert_eq!(ended["answer"]["delivery"], "done by one");
    assert_eq!(ended["attempts"].as_array().map(Vec::len), Some(1), "{ended:#}");
    stop(up);
}

#[test]
fn the_configuration_is_followed_and_a_broken_one_is_not() {
    let repository = Repository::new();
    repository.agent("qa", "one");
    let up = repository.up();
    assert_eq!(repository.ask("qa-lead", "tests?").0, "unroutable");

    repository.write("agentbus.toml", "[aliases]\n\"qa-lead\" = \"qa\"\n");
    says(&up, "reloaded: qa changed", 1);
    assert_eq!(repository.ask("qa-lead", "tests?").0, "completed");

    repository.write("agentbus.toml", "[aliases]\n\"qa-lead\" = \n");
    says(&up, "agentbus.toml:2:", 1);
    says(&up, "the configuration goes on as it was", 1);
    assert_eq!(repository.ask("qa-lead", "tests?").0, "completed");

    repository.write("agentbus.toml", "[aliases]\n\"qa-boss\" = \"qa\"\n\"other\" = \"nobody\"\n");
    says(&up, "agentbus.toml:3:11: warning[unknown_agent]: there is no agent 'nobody'", 1);
    says(&up, "reloaded: qa changed", 2);
    assert_eq!((repository.ask("qa-boss", "tests?").0, repository.ask("qa-lead", "tests?").0), ("completed".into(), "unroutable".into()));

    fs::remove_file(repository.path("agentbus.toml")).expect("removed");
    says(&up, "reloaded: qa changed", 3);
    assert_eq!(repository.ask("qa-boss", "tests?").0, "unroutable");
    stop(up);
}

fn client(url: &str, from: &str) -> impl Future<Output = Bus> {
    let options = Options::new(url.to_owned(), name(from));
    async { Bus::connect(options).await.expect("the bus is there") }
}

/// Asks again and again until it is told to stop; returns how long each took, and who answered.
async fn keep_asking(bus: Bus, stop: Arc<AtomicBool>) -> Vec<(Duration, String)> {
    let mut answers = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let mut query = Query::new(bus.name().clone(), "request", "quickly");
        query.target = Some(name("quick"));
        let ended = bus.ask(query).await.expect("it is posted").ended().await.expect("it ends");
        let answer = ended.answer.unwrap_or_else(|| panic!("it was not answered: {:?}", ended.close));
        assert_eq!((answer.delivery.as_str(), answer.attempt), ("done by one", 1), "the first instance that was given it does it");
        answers.push((begun.elapsed(), answer.instance.to_string()));
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_rewritten_under_questions_makes_nobody_wait() {
    let bus = TestBus::start().await;
    let repository = Repository::new();
    repository.worker("quick", "one", "");
    repository.trust();
    let agents = Process::start(&mut repository.command(&["serve", "agents", "--watch", "--nats", &bus.server.url()]));
    let _ = agents.says("quick");
    let stop = Arc::new(AtomicBool::new(false));
    let mut asking = Vec::new();
    for one in 0..4 {
        asking.push(tokio::spawn(keep_asking(client(&bus.server.url(), &format!("asker-{one}")).await, stop.clone())));
    }
    let text = fs::read_to_string(repository.path(&file("quick"))).expect("the file");
    for time in 1..=REWRITES {
        // Only the text below the front matter: its command is still the one that is trusted.
        repository.write(&file("quick"), &format!("{text}\nVersion {time}.\n"));
        tokio::task::block_in_place(|| says(&agents, "reloaded: quick changed", time));
    }
    stop.store(true, Ordering::Relaxed);
    let mut answers = Vec::new();
    for asked in asking {
        answers.extend(asked.await.expect("every query was answered"));
    }
    let instances: std::collections::BTreeSet<_> = answers.iter().map(|(_, instance)| instance).collect();
    assert!(instances.len() > REWRITES / 2, "{} instances answered", instances.len());
    let mut times: Vec<_> = answers.iter().map(|(time, _)| *time).collect();
    times.sort();
    let (usual, longest) = (times[times.len() / 2], times[times.len() - 1]);
    eprintln!("{} queries, {} instances, usual {usual:?}, longest {longest:?}", times.len(), instances.len());
    // A query that went to an instance that had left would wait for the time to accept it, half a second here.
    assert!(longest < usual * 20 + Duration::from_millis(250), "usual {usual:?}, longest {longest:?}");
}

/// Whether this folder's agent has so many instances with so much in hand, and so many wait.
fn in_hand(repository: &Repository, url: &str, agent: &str, loads: &[u64], waiting: u64) -> Value {
    eventually("the load", || {
        let presence = repository.json(&["agents", "--json", "--nats", url, agent]);
        let instances = presence["instances"].as_array().cloned().unwrap_or_default();
        let mut found: Vec<_> = instances.iter().filter_map(|one| one["load"].as_u64()).collect();
        found.sort();
        if found == loads && presence["waiting"] == waiting { Ok(presence.clone()) } else { Err(presence) }
    })
}

fn serve(repository: &Repository, url: &str) -> Process {
    let agents = Process::start(&mut repository.command(&["serve", "agents", "--nats", url]));
    let _ = agents.says("worker");
    agents
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_of_a_saturated_agent_is_shown_and_instances_share_the_work() {
    let bus = TestBus::start().await;
    let url = bus.server.url();
    let repository = Repository::new();
    repository.worker("worker", "one", ", capacity: 3");
    repository.trust();
    tokio::task::block_in_place(|| {
        let first = serve(&repository, &url);
        let ids: Vec<_> =
            (0..5).map(|_| repository.run(&["post", "--nats", &url, "--to", "worker", "slowly"]).stdout.trim().to_owned()).collect();
        in_hand(&repository, &url, "worker", &[3], 2);
        let table = repository.run(&["agents", "--nats", &url]).stdout;
        let row = table.lines().find(|line| line.contains("worker")).unwrap_or_else(|| panic!("{table}"));
        assert_eq!(row.split_whitespace().take(5).collect::<Vec<_>>(), ["worker", "exec", "1", "3/3", "2"], "{table}");
        let last = repository.json(&["status", "--json", "--nats", &url, ids.last().expect("an id")]);
        assert_eq!(last["waiting_for"], "a free hand of worker: its instance is busy, 2 waiting");

        // Another instance takes what waits; what comes then goes to whoever has less to do.
        let second = serve(&repository, &url);
        in_hand(&repository, &url, "worker", &[2, 3], 0);
        repository.write("go", "");
        for id in ids {
            let ended = repository.run(&["ask", "--nats", &url, "--id", &id]);
            assert_eq!(ended.code, Some(0), "{ended:?}");
        }
        fs::remove_file(repository.path("go")).expect("removed");
        in_hand(&repository, &url, "worker", &[0, 0], 0);
        for _ in 0..4 {
            assert_eq!(repository.run(&["post", "--nats", &url, "--to", "worker", "slowly"]).code, Some(0));
        }
        let shared = in_hand(&repository, &url, "worker", &[2, 2], 0);
        assert_eq!(shared["instances"][0]["capacity"], 3);
        let one = repository.run(&["agents", "--nats", &url, "worker"]).stdout;
        assert_eq!(one.matches("2 of 3 in hand").count(), 2, "{one}");
        repository.write("go", "");
        stop(first);
        stop(second);
    });
}
