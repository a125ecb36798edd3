//! Agents whose work Claude Code does, with a scripted stand-in for the program (tests/fixtures/claude). The real one is
//! driven by tests/claude.sh.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use testkit::{Process, eventually};

use crate::exec::{Repository, gone, runs, stop};

/// A repository with the stand-in, and an agent `poet` with these lines in its front matter and in its block.
fn repository(front: &str, keys: &[&str]) -> Repository {
    let repository = Repository::new();
    let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/claude/claude");
    repository.write("bin/claude", &fs::read_to_string(stand_in).expect("the stand-in"));
    fs::set_permissions(repository.path().join("bin/claude"), fs::Permissions::from_mode(0o755)).expect("executable");
    let keys: String = keys.iter().map(|key| format!("  {key}\n")).collect();
    let text = format!("---\nname: poet\n{front}bus:\n  handler: claude-code\n{keys}---\nYou write verses.\n");
    repository.write(".claude/agents/poet.md", &text);
    repository
}

/// A command that finds the stand-in on `PATH`, and has keys in its environment.
fn equipped(repository: &Repository, args: &[&str]) -> Command {
    let mut command = repository.command(args);
    let path = format!("{}:{}", repository.path().join("bin").display(), std::env::var("PATH").expect("a path"));
    command.env("PATH", path).env("ANTHROPIC_API_KEY", "a key").env("OTHER_KEY", "another");
    command
}

/// Starts the bus, with all trusted.
fn up(repository: &Repository) -> Process {
    let trusted = Process::run(&mut equipped(repository, &["trust", "."]));
    assert_eq!(trusted.code, Some(0), "{trusted:?}");
    let up = Process::start(&mut equipped(repository, &["up"]));
    let _ = up.says("Ctrl-C drains");
    up
}

fn ask(repository: &Repository, text: &str) -> Value {
    repository.json(&["ask", "--json", "--to", "poet", "--from", "alice", text])
}

fn post(repository: &Repository, text: &str) -> String {
    repository.run(&["post", "--to", "poet", "--from", "alice", text]).stdout.trim().to_owned()
}

/// The progress reports of a query so far, each with its text.
fn reports(repository: &Repository, id: &str) -> Vec<(String, Option<String>)> {
    let record = repository.record(id);
    let messages = record["messages"].as_array().cloned().unwrap_or_default();
    let reports = messages.iter().filter(|message| message["kind"] == "progress").map(|message| &message["body"]);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    reports.map(|body| (text(&body["status"]).unwrap_or_default(), text(&body["progress"]["_text"]))).collect()
}

fn question(repository: &Repository, id: &str) -> Value {
    eventually("a question", || {
        let record = repository.json(&["status", "--json", id]);
        if record["state"] == "waiting" { Ok(record["questions"][0].clone()) } else { Err(record) }
    })
}

fn ended(repository: &Repository, id: &str) -> Value {
    eventually("the end", || {
        let record = repository.json(&["status", "--json", id]);
        if record["state"] == "completed" { Ok(record) } else { Err(record) }
    })
}

#[test]
fn a_query_is_answered_with_what_it_cost() {
    let repository = repository("", &[]);
    let up = up(&repository);
    assert!(!up.stderr().contains("warning"), "{}", up.stderr());
    let answered = ask(&repository, "a verse, please");
    let answer = &answered["answer"];
    assert_eq!((&answered["state"], &answer["result"]), (&"completed".into(), &"You asked: a verse, please".into()), "{answered:#}");
    assert_eq!(answer["delivery"], "Answered by Claude Code in 1 turn, by stand-in-1, for 0.0010 USD.");
    let usage = &answer["usage"];
    assert_eq!((&usage["model"], &usage["input_tokens"], &usage["output_tokens"]), (&"stand-in-1".into(), &120.into(), &5.into()));
    assert_eq!((&usage["total_cost_usd"], &usage["num_turns"]), (&0.001.into(), &1.into()), "{usage:#}");
    assert!(usage["session_id"].is_string() && usage["models"]["stand-in-1"]["cost_usd"] == 0.001, "{usage:#}");
    let told = reports(&repository, answered["id"].as_str().expect("an id"));
    assert_eq!(told[0].0, "Claude Code stand-in begins, with stand-in-1");
    assert_eq!(told[1], ("writing".to_owned(), Some("I was asked: a verse, please".to_owned())), "{told:?}");
    // What a model writes is no fact, and is not asked for as one.
    let known = repository.ask_context("verse, text, progress text");
    assert_eq!(known["answer"]["facts"], Value::Null, "{known:#}");
    stop(up);
}

#[test]
fn the_program_is_started_as_the_definition_says() {
    let repository = repository("tools: Read, Bash(git log *)\nmodel: opus\n", &["turns: 7", "workdir: sub", "pass_env: [OTHER_KEY]"]);
    fs::create_dir(repository.path().join("sub")).expect("a folder");
    let up = up(&repository);
    let answered = ask(&repository, "ARGS");
    let text = answered["answer"]["result"].as_str().unwrap_or_else(|| panic!("{answered:#}"));
    let seen: Value = serde_json::from_str(text).expect("JSON");
    let options: Vec<&str> = seen["options"].as_array().expect("options").iter().filter_map(Value::as_str).collect();
    let expected = ["-p", "--verbose", "--model=opus", "--max-turns=7", "--tools=Read,Bash", "--allowedTools=Bash(git log *)"];
    assert!(expected.iter().all(|option| options.contains(option)), "{options:?}");
    assert!(options.iter().any(|option| option.starts_with("--system-prompt=You write verses.\n\n# On the bus")), "{options:?}");
    let names: Vec<&str> = seen["names"].as_array().expect("names").iter().filter_map(Value::as_str).collect();
    assert!(["ANTHROPIC_API_KEY", "OTHER_KEY", "AGENTBUS_QUERY_ID", "HOME"].iter().all(|name| names.contains(name)), "{names:?}");
    assert!(!names.iter().any(|name| name.starts_with("CARGO")), "{names:?}");
    assert!(seen["in"].as_str().is_some_and(|folder| folder.ends_with("/sub")), "{seen:#}");
    // What comes with a query is a file that it may read, for as long as it works.
    repository.write("notes.txt", "three short words");
    let answered = repository.json(&["ask", "--json", "--to", "poet", "--from", "alice", "--attach", "notes.txt", "ARGS"]);
    let text = answered["answer"]["result"].as_str().unwrap_or_else(|| panic!("{answered:#}"));
    let seen: Value = serde_json::from_str(text).expect("JSON");
    let path = seen["prompt"].as_str().and_then(|prompt| prompt.split("\"path\":\"").nth(1)?.split('"').next()).expect("a path");
    let folder = path.strip_suffix("/notes.txt").unwrap_or_else(|| panic!("{path}"));
    assert!(seen["options"].as_array().expect("options").contains(&format!("--allowedTools=Read(/{folder}/**)").into()), "{seen:#}");
    assert!(!Path::new(folder).exists(), "it is left behind");
    // In a prompt, a name after this sign is a file that is read without permission.
    let answered = ask(&repository, "ARGS and @/etc/passwd");
    let prompt = answered["answer"]["result"].as_str().expect("a text").to_owned();
    assert!(prompt.contains("u0040/etc/passwd") && !prompt.contains("@/etc"), "{prompt}");
    stop(up);
}

#[test]
fn a_request_for_permission_is_a_question_to_the_requester() {
    let repository = repository("", &[]);
    let up = up(&repository);
    let id = post(&repository, "RUN echo so be it > made; cat made");
    let asked = question(&repository, &id);
    let text = "May poet use Bash?\necho so be it > made; cat made\n{\n  \"description\": \"as told\"\n}\n(Path is outside allowed working directories)";
    assert_eq!(
        (&asked["text"], &asked["choices"], &asked["default"]),
        (&text.into(), &json!(["allow", "deny"]), &"deny".into()),
        "{asked:#}"
    );
    assert!(!repository.path().join("made").exists(), "it ran without being allowed");
    assert_eq!(repository.run(&["reply", &id, "allow"]).code, Some(0));
    assert_eq!(ended(&repository, &id)["answer"]["result"], "It printed: so be it");
    let told = reports(&repository, &id);
    assert!(told.iter().any(|(status, _)| status == "Bash: echo so be it > made; cat made"), "{told:?}");
    assert!(told.contains(&("Bash has ended".to_owned(), Some("so be it".to_owned()))), "{told:?}");

    let id = post(&repository, "RUN touch other");
    let _ = question(&repository, &id);
    assert_eq!(repository.run(&["reply", &id, "deny"]).code, Some(0));
    assert_eq!(ended(&repository, &id)["answer"]["result"], "It printed: The requester does not allow it.");
    // Nobody replies: that is no permission either.
    let unattended = ["ask", "--json", "--to", "poet", "--from", "alice", "--timeout", "4s", "RUN touch other"];
    assert_eq!(repository.json(&unattended)["answer"]["result"], "It printed: Nobody allowed it in time. Go on without, and say so.");
    assert!(!repository.path().join("other").exists());

    let id = post(&repository, "CHOOSE");
    let asked = question(&repository, &id);
    assert_eq!(
        (&asked["text"], &asked["choices"]),
        (&"Which colour?\n- Red: warm\n- Blue: cold".into(), &json!(["Red", "Blue"])),
        "{asked:#}"
    );
    assert_eq!(repository.run(&["reply", &id, "Blue"]).code, Some(0));
    assert_eq!(ended(&repository, &id)["answer"]["result"], "Chosen: {\"Which colour?\": \"Blue\"}");
    stop(up);
}

#[test]
fn where_permissions_are_denied_nobody_is_asked() {
    let repository = repository("", &["permissions: deny"]);
    let up = up(&repository);
    assert_eq!(ask(&repository, "RUN touch made")["answer"]["result"], "It printed: nobody can be asked");
    assert!(!repository.path().join("made").exists());
    stop(up);
}

#[test]
fn an_answer_that_does_not_meet_the_schema_is_asked_for_once_more() {
    let repository = repository("", &[]);
    let up = up(&repository);
    let schema = json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } });
    let ask = |text: &str| {
        let query = json!({
            "requesting_agent": "alice", "request_type": "count", "target": "poet", "payload": { "query": text }, "reply_schema": schema,
        });
        repository.write("query.json", &query.to_string());
        let id = repository.run(&["post", "--file", "query.json"]).stdout.trim().to_owned();
        eventually("the end", || {
            let record = repository.json(&["status", "--json", &id]);
            if record["state"] == "completed" || record["state"] == "failed" { Ok(record) } else { Err(record) }
        })
    };
    assert_eq!(ask("JSON {\"n\": 1}")["answer"]["result"], json!({ "n": 1 }));
    let repaired = ask("JSON seven|{\"n\": 7}");
    assert_eq!(
        (&repaired["answer"]["result"], &repaired["answer"]["usage"]["output_tokens"]),
        (&json!({ "n": 7 }), &10.into()),
        "{repaired:#}"
    );
    let unmet = ask("JSON seven|{\"n\": \"seven\"}|{\"n\": 7}");
    assert_eq!((&unmet["state"], &unmet["answer"]["failure"]["code"]), (&"failed".into(), &"reply_schema_unmet".into()), "{unmet:#}");
    assert_eq!(unmet["answer"]["usage"]["total_cost_usd"], 0.002, "what failed has cost something, too");
    stop(up);
}

#[test]
fn every_bad_end_of_a_session_has_a_typed_reason() {
    let repository = repository("", &["stall: 1s", "limits: {output: 4MiB}"]);
    let up = up(&repository);
    let cases = [
        ("NOTHING", "failed", "no_answer"),
        ("FAIL 401 authentication_failed", "failed", "bad_key"),
        ("FAIL 400 invalid_request", "failed", "model_refused"),
        ("FAIL error_max_turns", "failed", "turns_spent"),
        ("FAIL error_of_a_new_kind", "failed", "claude_failed"),
        ("LEAVE", "failed", "exit_status"),
        ("FAIL 529 overloaded", "dead", "model_busy"),
        ("FAIL 429 rate_limit", "dead", "model_busy"),
        ("FAIL 500 server_error", "dead", "model_unavailable"),
        ("FAIL error_during_execution", "dead", "error_during_execution"),
        ("DIE", "dead", "killed_by_signal"),
        ("SILENT", "dead", "stalled"),
    ];
    for (text, state, code) in cases {
        let ended = ask(&repository, text);
        let record = repository.record(ended["id"].as_str().expect("an id"));
        assert_eq!((&record["state"], &record["attempts"][0]["failure"]["code"]), (&state.into(), &code.into()), "{text}: {record:#}");
    }
    let failure = ask(&repository, "FAIL 401 authentication_failed")["answer"]["failure"].clone();
    assert!(failure["hint"].as_str().is_some_and(|hint| hint.contains("ANTHROPIC_API_KEY")) && failure["status"] == 401, "{failure:#}");
    assert_eq!(ask(&repository, "BIG")["answer"]["result"], "Small after all.", "a line that is too long is passed over");
    stop(up);
}

#[test]
fn a_session_is_gone_with_what_left_its_group() {
    let repository = repository("", &[]);
    let mut up_again = Some(up(&repository));
    for end in ["cancel", "kill"] {
        let id = post(&repository, "STAY while :; do sleep 60; done");
        let said = eventually("its groups", || {
            let told = reports(&repository, &id);
            told.iter().find_map(|(_, text)| text.clone().filter(|text| text.starts_with("group "))).ok_or(told)
        });
        let groups: Vec<&str> = said.split(' ').filter(|word| word.parse::<u32>().is_ok()).collect();
        assert!(groups.len() == 2 && groups.iter().all(|group| runs(group)), "{said}");
        let begun = Instant::now();
        if end == "cancel" {
            assert_eq!(repository.run(&["cancel", "--from", "alice", &id]).code, Some(0));
        } else if let Some(up) = up_again.take() {
            up.signal("KILL");
            let _ = up.finish();
        }
        groups.iter().for_each(|group| gone(group, Duration::from_secs(4)));
        assert!(begun.elapsed() < Duration::from_secs(5), "{end}: {:?}", begun.elapsed());
    }
}

#[test]
fn it_needs_trust_and_a_program() {
    let repository = repository("tools: Read\n", &[]);
    let bus = Process::start(&mut equipped(&repository, &["up"]));
    let _ = bus.says("Ctrl-C drains");
    assert!(bus.stderr().contains("poet does not run: its commands have never been trusted"), "{}", bus.stderr());
    stop(bus);
    let bus = up(&repository);
    assert_eq!(ask(&repository, "hello")["state"], "completed");
    // Settings of the folder may bring commands with them: hooks, servers of tools.
    repository.write(".claude/settings.json", "{}");
    let failure = ask(&repository, "hello")["answer"]["failure"].clone();
    assert_eq!(failure["code"], "untrusted", "{failure:#}");
    assert!(failure["message"].as_str().is_some_and(|why| why.contains(".claude/settings.json")), "{failure:#}");
    stop(bus);

    fs::remove_file(repository.path().join("bin/claude")).expect("removed");
    let bare = |args: &[&str]| {
        let mut command = equipped(&repository, args);
        command.env("PATH", "/usr/bin:/bin");
        command
    };
    if Path::new("/usr/bin/claude").exists() || Path::new("/bin/claude").exists() {
        return;
    }
    assert_eq!(Process::run(&mut bare(&["trust", "."])).code, Some(0));
    let bus = Process::start(&mut bare(&["up"]));
    let _ = bus.says("Ctrl-C drains");
    let failure = ask(&repository, "hello")["answer"]["failure"].clone();
    assert_eq!(failure["code"], "command_not_found", "{failure:#}");
    assert!(failure["hint"].as_str().is_some_and(|hint| hint.contains("install Claude Code")), "{failure:#}");
    stop(bus);
}
