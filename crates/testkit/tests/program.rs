//! The laboratory's own program, as agents and tests start it. That it is tested here is also what builds it
//! for the acceptance tests.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

fn work(log: &Path, text: &str, attempt: u64) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_testkit"))
        .args(["work", "--log"])
        .arg(log)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let query = json!({ "type": "query", "id": "q", "attempt": attempt, "agent": "worker", "payload": { "query": text } });
    writeln!(child.stdin.take().expect("its input"), "{query}").expect("it reads");
    child.wait_with_output().expect("it ends")
}

fn said(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn work_does_as_it_is_told_and_notes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("works");
    let echoed = said(&work(&log, "echo hello", 1));
    assert_eq!((&echoed[0]["type"], &echoed[0]["result"]["text"]), (&json!("answer"), &json!("echo hello")));
    assert_eq!(said(&work(&log, "progress 3", 1)).len(), 4);
    assert_eq!(work(&log, "fail", 1).status.code(), Some(1));
    assert_eq!(work(&log, "retry", 1).status.code(), Some(75));
    assert_eq!((work(&log, "flaky 1", 1).status.code(), work(&log, "flaky 1", 2).status.code()), (Some(75), Some(0)));
    assert_eq!((work(&log, "crash 1", 1).status.code(), work(&log, "crash 1", 2).status.code()), (None, Some(0)));
    let notes = testkit::checker::lines(&log);
    let count = |event: &str| notes.iter().filter(|note| note["event"] == event && note["id"] == "q").count();
    assert_eq!((count("start"), count("end")), (8, 7), "all but the crash came to their end");
}
