//! Wrong use and trouble at the command line: a clear message, a hint, the right exit code.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use testkit::{Output, Process, agentbus};

fn run(dir: &Path, args: &[&str]) -> Output {
    Process::run(agentbus(dir).args(args))
}

#[test]
fn wrong_use_exits_64_and_says_what_is_wrong() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("query.json"), "{\"requesting_agent\": \"alice\", \"request_type\": \"x\", \"payload\": {}}")
        .expect("a file");
    let cases: &[(&[&str], &str)] = &[
        (&["ask", "--from", "a b", "hello"], "' '"),
        (&["ask", "--from", "*", "hello"], "'*'"),
        (&["ask", "--from", "coordinator", "hello"], "reserved"),
        (&["ask", "--to", "../etc", "hello"], "'.'"),
        (&["ask", "--id", "NOT-A-UUID", "hello"], "UUID"),
        (&["ask", "--timeout", "soon", "hello"], "30s"),
        (&["ask", "--no-such-option", "hello"], "--no-such-option"),
        (&["ask"], "<TEXT>"),
        (&["frobnicate"], "frobnicate"),
        (&["list", "--space", "a.b"], "letters"),
        (&["post", "--file", "query.json"], "/payload/query"),
        (&["post", "--file", "missing.json"], "missing.json"),
        (&["up", "--agents", "missing"], "there is no folder missing"),
        (&["up", "--workdir", "missing"], "there is no folder missing"),
        (&["up", "--listen", "everywhere"], "everywhere"),
        (&["schema", "querry"], "query"),
    ];
    for (args, says) in cases {
        let output = run(dir.path(), args);
        assert_eq!(output.code, Some(64), "{args:?}: {output:?}");
        assert!(output.stderr.contains(says), "{args:?} should say {says:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{args:?}: {output:?}");
    }
}

#[test]
fn a_bus_that_is_not_there_exits_2_with_a_hint() {
    let dir = tempfile::tempdir().expect("a folder");
    for args in [&["list"][..], &["ask", "hello"], &["watch"], &["context", "list"], &["agents"], &["serve", "coordinator"]] {
        let output = Process::run(agentbus(dir.path()).args(args).args(["--nats", "nats://127.0.0.1:1"]));
        assert_eq!(output.code, Some(2), "{args:?}: {output:?}");
        assert!(output.stderr.contains("error[unavailable]") && output.stderr.contains("agentbus up"), "{args:?}: {output:?}");
    }
    let json = Process::run(agentbus(dir.path()).args(["list", "--json", "--nats", "nats://127.0.0.1:1"]));
    let body: serde_json::Value = serde_json::from_str(&json.stdout).expect("a failure is data, too");
    assert_eq!(body["error"]["code"], "unavailable");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let output = run(dir.path(), &["up", "--listen", &address]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("error[port_in_use]") && output.stderr.contains("hint"), "{output:?}");
}

#[test]
fn a_server_that_was_named_and_is_too_old_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let old = dir.path().join("nats-server");
    fs::write(&old, "#!/bin/sh\necho 'nats-server: v2.9.10'\n").expect("a script");
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).expect("executable");
    let output = Process::run(agentbus(dir.path()).arg("up").env("AGENTBUS_NATS_SERVER", &old));
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("2.9.10") && output.stderr.contains("2.12.3") && output.stderr.contains("hint"), "{output:?}");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("file"), "").expect("a file");
    let output = run(dir.path(), &["up", "--data", "file/data"]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("file/data") && output.stderr.contains("--data"), "{output:?}");
}

#[test]
fn broken_agent_files_are_reported_and_the_others_load() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        fs::create_dir_all(dir.path().join("agents")).expect("a folder");
        fs::write(dir.path().join("agents").join(name), text).expect("a file");
    };
    write("good.md", "---\nname: good\ndescription: A good one.\n---\nBody.\n");
    write("open.md", "---\nname: open\n");
    write("hostile.md", "---\nname: \"a b\"\n---\n");
    let output = run(dir.path(), &["lint", "agents"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    let up = Process::start(agentbus(dir.path()).arg("up"));
    let said = up.says("Ctrl-C drains");
    assert!(said.contains("2 agents") && said.contains("good"), "{said}");
    assert!(up.stderr().contains("agents/hostile.md:2:") && up.stderr().contains("agents/open.md:1:"), "{}", up.stderr());
    up.signal("TERM");
    assert_eq!(up.finish().code, Some(0));
}
