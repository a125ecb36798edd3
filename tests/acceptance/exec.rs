//! Agents whose work a command does, and probes: how each way to end is told, that nothing of a command
//! is left, and that nothing runs which the user has not allowed.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;
use testkit::{Output, Process, agentbus, eventually};

/// A repository with agents, and a record of trust that is its own.
pub(crate) struct Repository {
    folder: TempDir,
    trust: TempDir,
}

impl Repository {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), trust: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// A script below the repository's folder.
    pub(crate) fn script(&self, name: &str, lines: &str) {
        self.write(name, &format!("#!/bin/sh\n{lines}\n"));
        fs::set_permissions(self.path().join(name), fs::Permissions::from_mode(0o755)).expect("executable");
    }

    /// An agent with these keys in its block, one a line.
    pub(crate) fn agent(&self, name: &str, keys: &[&str]) {
        let keys: String = keys.iter().map(|key| format!("  {key}\n")).collect();
        self.write(&format!(".claude/agents/{name}.md"), &format!("---\nname: {name}\ndescription: A test.\nbus:\n{keys}---\n"));
    }

    pub(crate) fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = agentbus(self.path());
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

    pub(crate) fn trust(&self) -> String {
        let trusted = self.run(&["trust", "."]);
        assert_eq!(trusted.code, Some(0), "{trusted:?}");
        trusted.stdout
    }

    /// Starts the bus, and returns when it says that it is up.
    pub(crate) fn up(&self) -> Process {
        let up = Process::start(&mut self.command(&["up"]));
        let _ = up.says("Ctrl-C drains");
        up
    }

    pub(crate) fn ask(&self, agent: &str) -> Value {
        self.json(&["ask", "--json", "--to", agent, "--from", "alice", "please"])
    }

    pub(crate) fn ask_context(&self, text: &str) -> Value {
        self.json(&["ask", "--json", "--to", "context-manager", text])
    }

    pub(crate) fn record(&self, id: &str) -> Value {
        self.json(&["history", "--json", id])
    }
}

pub(crate) fn stop(up: Process) {
    up.signal("TERM");
    let ended = up.finish();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

/// Whether somebody in this process group runs. A zombie does not.
pub(crate) fn runs(group: &str) -> bool {
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let stats = processes.filter_map(|process| fs::read_to_string(process.path().join("stat")).ok());
    stats.filter_map(|stat| Some(stat.rsplit_once(") ")?.1.to_owned())).any(|stat| {
        let fields: Vec<_> = stat.split(' ').collect();
        fields[0] != "Z" && fields[2] == group
    })
}

pub(crate) fn gone(group: &str, within: Duration) {
    let begun = Instant::now();
    eventually("the end of the group", || if runs(group) { Err(group.to_owned()) } else { Ok(()) });
    assert!(begun.elapsed() < within, "it took {:?}", begun.elapsed());
}

#[test]
fn a_command_reports_tells_facts_and_answers() {
    let repository = Repository::new();
    repository.script(
        "count.sh",
        r#"read query; echo starting
           echo '{"type":"progress","status":"counting","progress":{"files_counted":7}}'
           echo '{"type":"fact","key":"tests.count","value":7,"topics":["tests"],"source":"the test folder"}'
           echo "{\"type\":\"answer\",\"delivery\":\"Counted.\",\"result\":$query,\"unknown\":[\"budget\"]}""#,
    );
    repository.agent("counter", &["handler: exec", "command: [./count.sh]", "env: {GREETING: hello}"]);
    repository.trust();
    let up = repository.up();
    assert!(up.stdout().contains("2 agents; 1 answers from facts only, 1 runs a command"), "{}", up.stdout());

    let ended = repository.ask("counter");
    assert_eq!((&ended["state"], &ended["answer"]["delivery"]), (&"completed".into(), &"Counted.".into()), "{ended:#}");
    let line = &ended["answer"]["result"];
    assert_eq!((&line["type"], &line["from"], &line["agent"]), (&"query".into(), &"alice".into(), &"counter".into()), "{line:#}");
    assert_eq!((&line["id"], &line["attempt"], &line["payload"]["query"]), (&ended["id"], &1.into(), &"please".into()));
    assert_eq!(line["deadline"], ended["deadline"]);
    assert!(line["definition"].as_str().is_some_and(|path| path.ends_with("/.claude/agents/counter.md")), "{line:#}");
    assert_eq!(ended["answer"]["unknown"][0], "budget");
    let fact = &ended["answer"]["facts"][0];
    assert_eq!((&fact["key"], &fact["value"], &fact["observed_by"]), (&"tests.count".into(), &7.into(), &"counter".into()));
    assert_eq!(fact["source"], "the test folder; told by the command: ./count.sh");
    assert!(fact["observed_at"].is_string());
    let history = repository.record(ended["id"].as_str().expect("an id"));
    let progress = history["messages"].as_array().expect("messages").iter().find(|message| message["kind"] == "progress").cloned();
    assert_eq!(progress.expect("a report")["body"]["progress"]["files_counted"], 7);
    stop(up);
}

#[test]
fn what_an_answer_tells_is_known_from_then_on() {
    let repository = Repository::new();
    repository.script(
        "count.sh",
        r#"echo '{"type":"fact","key":"desks.count","value":7,"topics":["seats"],"source":"a walk through the office"}'
           echo '{"type":"answer","delivery":"Counted."}'"#,
    );
    repository.agent("walker", &["handler: exec", "command: [./count.sh]"]);
    repository.trust();
    let up = repository.up();
    let known = |text: &str| repository.ask_context(text)["answer"]["facts"].clone();
    assert_eq!(known("desks count"), Value::Null, "nobody has counted yet");

    let ended = repository.ask("walker");
    let mut told = ended["answer"]["facts"][0].clone();
    assert_eq!((&told["value"], &told["observed_by"]), (&7.into(), &"walker".into()), "{ended:#}");
    told["ledger_seq"] = ended["end_seq"].clone();
    let told = Value::Array(vec![told]);
    assert_eq!(known("desks count"), told, "the same fact, with the same provenance");
    assert_eq!(known("seats"), told, "by its topic, too; to quote it is not to observe it");
    stop(up);

    let up = repository.up();
    assert_eq!(known("desks count"), told, "it is as it was");
    let again = repository.ask("walker");
    assert_eq!(known("desks count")[0]["ledger_seq"], again["end_seq"], "who looks again observes it again");
    stop(up);
}

#[test]
fn every_bad_end_has_a_typed_reason() {
    let repository = Repository::new();
    repository.script("exits.sh", "echo 'first' >&2; echo 'no room left' >&2; exit 3");
    repository
        .script("again.sh", "test -e tried && echo '{\"type\":\"answer\",\"delivery\":\"At last.\"}' && exit 0; touch tried; exit 75");
    repository.write("plain.sh", "echo hello");
    let cases = [
        ("missing", "command: [./no-such-program]", "command_not_found"),
        ("unable", "command: [./plain.sh]", "command_not_executable"),
        ("misspelt", "command: no-such-program --x", "command_not_found"),
        ("garbage", "command: 'printf \"\\377\\376 %s\" garbage'", "no_answer"),
        ("broken", r#"command: 'echo ''{"type":"answer", oops'''"#, "bad_output"),
        ("mistaken", r#"command: 'echo ''{"type":"fact","key":"A B","value":1}'''"#, "bad_output"),
        ("exits", "command: [./exits.sh]", "exit_status"),
        ("fails-after-all", r#"command: 'echo ''{"type":"answer","delivery":"Done."}''; exit 1'"#, "exit_status"),
        ("hangs", "command: [sleep, '600']\n  limits: {time: 300ms}", "time_limit"),
        ("floods", "command: ['yes']\n  limits: {output: 64KiB}", "output_limit"),
        ("asks", r#"command: 'echo ''{"type":"question","text":"Which?"}''; sleep 600'"#, "not_interactive"),
    ];
    for (name, command, _) in cases {
        repository.agent(name, &["handler: exec", command]);
    }
    repository.agent("again", &["handler: exec", "command: [./again.sh]"]);
    repository.agent("dies", &["handler: exec", "command: 'kill -SEGV $$'"]);
    repository.trust();
    let up = repository.up();
    for (name, _, code) in cases {
        let ended = repository.ask(name);
        let failure = &ended["answer"]["failure"];
        assert_eq!((&ended["state"], &failure["code"]), (&"failed".into(), &code.into()), "{name}: {ended:#}");
    }
    let failure = &repository.ask("exits")["answer"]["failure"];
    assert_eq!((&failure["exit_code"], &failure["stderr_tail"]), (&3.into(), &"first\nno room left\n".into()), "{failure:#}");
    assert!(failure["message"].as_str().is_some_and(|message| message.ends_with("no room left")), "{failure:#}");

    let ended = repository.ask("again");
    assert_eq!((&ended["state"], &ended["answer"]["delivery"]), (&"completed".into(), &"At last.".into()), "{ended:#}");
    assert_eq!(ended["answer"]["attempt"], 2);
    let history = repository.record(ended["id"].as_str().expect("an id"));
    assert_eq!(history["attempts"][0]["failure"]["code"], "temporary_failure", "{history:#}");

    let ended = repository.ask("dies");
    assert_eq!(ended["state"], "dead", "{ended:#}");
    let history = repository.record(ended["id"].as_str().expect("an id"));
    let failure = &history["attempts"][0]["failure"];
    assert_eq!((&failure["code"], &failure["signal"]), (&"killed_by_signal".into(), &11.into()), "{history:#}");
    stop(up);
}

#[test]
fn a_cancelled_command_is_gone_with_all_that_it_started() {
    let repository = Repository::new();
    let deaf = "trap '' TERM\nsh -c 'trap \"\" TERM; while :; do sleep 60; done' &\n";
    repository.script(
        "deaf.sh",
        &format!("{deaf}echo \"{{\\\"type\\\":\\\"progress\\\",\\\"status\\\":\\\"group $$\\\"}}\"\nwhile :; do sleep 60; done"),
    );
    repository.agent("deaf", &["handler: exec", "command: [./deaf.sh]"]);
    repository.trust();
    let up = repository.up();
    let begin = || {
        let posted = repository.run(&["post", "--to", "deaf", "--from", "alice", "please"]);
        let id = posted.stdout.trim().to_owned();
        let group = eventually("the first report", || {
            let history = repository.record(&id);
            let reports = history["messages"].as_array().into_iter().flatten();
            let status = reports.filter_map(|message| message["body"]["status"].as_str()).find_map(|status| status.strip_prefix("group "));
            status.map(str::to_owned).ok_or(history)
        });
        assert!(runs(&group));
        (id, group)
    };

    let (id, group) = begin();
    let begun = Instant::now();
    assert_eq!(repository.run(&["cancel", "--from", "alice", &id]).code, Some(0));
    gone(&group, Duration::from_secs(2));
    // Told at once, and killed 0.7 s later; the rest is what a busy machine adds.
    assert!(begun.elapsed() < Duration::from_millis(1000 + 800), "{:?}", begun.elapsed());

    let (_, group) = begin();
    up.signal("TERM");
    up.signal("TERM");
    let _ = up.finish();
    gone(&group, Duration::from_secs(2));

    let up = repository.up();
    let (_, group) = begin();
    up.signal("KILL");
    gone(&group, Duration::from_secs(2));
}

#[test]
fn nothing_runs_that_was_not_allowed() {
    let repository = Repository::new();
    repository.script("work.sh", "touch mark; echo '{\"type\":\"answer\",\"delivery\":\"Worked.\"}'");
    repository.agent("worker", &["handler: exec", "command: [./work.sh]"]);
    repository.agent("other", &["handler: context"]);
    repository
        .write("agentbus.toml", "[agents.other]\nprobes = { \"team.size\" = { command = \"touch mark; echo 3\" } }\n[agents.nobody]\n");

    let up = repository.up();
    let said = up.stderr();
    assert!(said.contains("warning: worker does not run: its commands have never been trusted"), "{said}");
    assert!(said.contains("warning: other runs without its probes: its commands have never been trusted"), "{said}");
    assert!(said.contains("run 'agentbus trust .'") && said.contains("agentbus.toml:3:9: warning[unknown_agent]"), "{said}");
    assert_eq!(repository.ask("worker")["state"], "unroutable");
    assert_eq!(repository.ask_context("team size")["answer"]["unknown"][0], "team size");
    assert!(!repository.path().join("mark").exists(), "a command ran that nobody allowed");
    stop(up);

    let shown = repository.trust();
    assert!(["./work.sh", "touch mark; echo 3", "team.size", "file     work.sh"].iter().all(|part| shown.contains(part)), "{shown}");
    assert!(!repository.path().join("mark").exists(), "showing what would run runs nothing");
    assert_eq!(repository.run(&["trust", "--list"]).stdout, shown);
    let up = repository.up();
    assert_eq!(up.stderr().matches("trust").count(), 0, "{}", up.stderr());
    assert_eq!(repository.ask("worker")["answer"]["delivery"], "Worked.");

    // A script that changes is another script, behind a link as well.
    repository.script("evil.sh", "touch evil-mark; echo '{\"type\":\"answer\",\"delivery\":\"Evil.\"}'");
    fs::remove_file(repository.path().join("work.sh")).expect("removed");
    std::os::unix::fs::symlink("evil.sh", repository.path().join("work.sh")).expect("a link");
    let refused = repository.ask("worker");
    assert_eq!((&refused["state"], &refused["answer"]["failure"]["code"]), (&"failed".into(), &"untrusted".into()), "{refused:#}");
    let failure = &refused["answer"]["failure"];
    assert!(failure["message"].as_str().is_some_and(|why| why.contains("the file work.sh")), "{refused:#}");
    assert!(failure["hint"].as_str().is_some_and(|hint| hint.contains("'agentbus trust DIR'")), "{refused:#}");
    let shown = repository.run(&["ask", "--to", "worker", "please"]).stdout;
    assert!(shown.contains("hint") && shown.contains("'agentbus trust DIR'"), "{shown}");
    assert!(!repository.path().join("evil-mark").exists());
    repository.trust();
    assert_eq!(repository.ask("worker")["answer"]["delivery"], "Evil.", "what is allowed again runs at once");
    assert_eq!(repository.run(&["trust", ".", "--revoke"]).code, Some(0));
    assert_eq!(repository.ask("worker")["answer"]["failure"]["code"], "untrusted");
    stop(up);
}

#[test]
fn a_probe_observes_a_fact_for_as_long_as_it_is_good() {
    let repository = Repository::new();
    repository.script("count.sh", "test -e broken && exit 1; echo x >> $1.log; wc -l < $1.log");
    repository.agent(
        "surveyor",
        &[
            "probes:",
            "  team.size: {command: [./count.sh, long], ttl: 1h, topics: [head count]}",
            "  queue.depth: {command: [./count.sh, none], kind: evidence}",
            "  disk.usage: {command: [./count.sh, short], ttl: 1s}",
            "  never.asked: {command: [touch, mark]}",
        ],
    );
    repository.trust();
    let up = repository.up();
    let fact = |text: &str| repository.ask_context(text)["answer"]["facts"][0].clone();

    let first = fact("team size");
    assert_eq!((&first["value"], &first["observed_by"]), (&1.into(), &"surveyor".into()), "{first:#}");
    assert_eq!(first["source"], "probe: ./count.sh long (agent surveyor)");
    assert_eq!(fact("team size"), first, "it is good for an hour");
    assert_eq!(fact("head count"), first);
    let answer = repository.ask_context("queue depth")["answer"].clone();
    assert_eq!((&answer["result"]["topics"][0]["status"], &answer["facts"][0]["value"]), (&"evidence".into(), &1.into()), "{answer:#}");
    assert_eq!(fact("queue depth")["value"], 2, "without a time to live it is good for one answer");
    assert_eq!(fact("disk usage")["value"], 1);
    eventually("another look", || Some(fact("disk usage")["value"].clone()).filter(|value| *value == 2).ok_or("the same"));

    repository.write("broken", "");
    assert_eq!(repository.ask_context("queue depth")["answer"]["unknown"][0], "queue depth", "what is old is not passed off as new");
    assert_eq!(fact("team size"), first, "what is good is good");
    assert!(!repository.path().join("mark").exists(), "a probe that nobody asks for does not run");
    stop(up);
}

#[test]
fn a_configuration_with_a_mistake_starts_nothing() {
    let repository = Repository::new();
    repository.write("agentbus.toml", "[defaults]\ncapacty = 3\n");
    for args in [&["up"][..], &["trust", "."]] {
        let output = repository.run(args);
        assert_eq!(output.code, Some(64), "{output:?}");
        assert!(
            output.stderr.contains("agentbus.toml:2:1: error[unknown_key]") && output.stderr.contains("error[bad_config]"),
            "{output:?}"
        );
    }
    let output = repository.run(&["up", "--config", "away.toml"]);
    assert!(output.code == Some(64) && output.stderr.contains("away.toml:1:1: error[unreadable]"), "{output:?}");
}
