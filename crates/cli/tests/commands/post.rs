//! `agentbus post`: the id at once, and what is wrong with a file before anything is sent.

use std::{
    fs::OpenOptions,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::bus::RunningBus;

const QUERY: &str = r#"{"requesting_agent": "mlops-engineer", "request_type": "get_mlops_context", "payload": {"query": "team size?"}}"#;

#[test]
fn posting() {
    let bus = RunningBus::start("post");
    bus.case("posted", &["post", "--type", "get_team_context", "team size"]);
    bus.case("posted_json", &["post", "--json", "--type", "get_team_context", "team size"]);
    bus.write("query.json", QUERY);
    bus.case("from_a_file", &["post", "--file", "query.json"]);
    bus.case_with("from_standard_input", &["post", "--file", "-"], "< query.json");
    bus.case("to_nobody_known_is_posted_all_the_same", &["post", "--to", "nobody", "hello"]);

    bus.case("no_such_file", &["post", "--file", "none.json"]);
    bus.case("a_folder_is_no_file", &["post", "--file", "agents"]);
    bus.write("broken.json", "{\"requesting_agent\": \"a\",");
    bus.case("a_file_that_is_no_json", &["post", "--file", "broken.json"]);
    bus.write("short.json", "{\"requesting_agent\": \"a\", \"payload\": {}}");
    bus.case("a_file_that_is_no_query", &["post", "--file", "short.json"]);
    bus.case("another_name_than_the_file", &["post", "--from", "alice", "--file", "query.json"]);
    bus.case("a_file_and_a_timeout", &["post", "--timeout", "5s", "--file", "query.json"]);
    bus.case("a_file_and_a_gathering", &["post", "--gather", "all", "--file", "query.json"]);
    bus.case("gathering", &["post", "--gather", "to=qa-expert,powershell-5.1-expert", "--gather-timeout", "5s", "--failover", "hello"]);
    bus.case("a_file_and_a_text", &["post", "--file", "query.json", "hello"]);
    bus.case("nothing_to_post", &["post"]);
}

/// A part of what a file was and a part of what it became is no file, and a pipe may never end.
#[test]
fn what_cannot_go_with_a_query() {
    let bus = RunningBus::start("post");
    let pipe = bus.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    for (what, kind) in [("pipe", "pipe"), ("/dev/null", "device"), ("agents", "folder")] {
        let refused = bus.run(&["post", "--type", "build", "--attach", what, "hello"]);
        assert!(refused.code == Some(64) && refused.stderr.contains("error[not_a_file]") && refused.stderr.contains(kind), "{refused:?}");
    }

    let size = 16 << 20;
    bus.write("log.txt", vec![b'a'; size]);
    let file = OpenOptions::new().write(true).open(bus.path().join("log.txt")).expect("the file");
    let (read, begun) = (AtomicBool::new(false), Instant::now());
    let torn = thread::scope(|scope| {
        scope.spawn(|| {
            let mut longer = 0;
            while !read.load(Ordering::Relaxed) && begun.elapsed() < Duration::from_secs(60) {
                longer = 1 - longer;
                file.set_len(size as u64 + longer).expect("another size");
                thread::yield_now();
            }
        });
        let output = bus.run(&["post", "--type", "build", "--attach", "log.txt", "hello"]);
        read.store(true, Ordering::Relaxed);
        output
    });
    assert!(torn.code == Some(1) && torn.stderr.contains("error[attachment_file]"), "{torn:?}");
    assert!(torn.stderr.contains("log.txt: it changed while it was read"), "{torn:?}");
    assert_eq!(bus.run(&["list", "--json"]).stdout.trim(), "[]", "nothing is posted");

    let whole = bus.run(&["post", "--type", "build", "--attach", "log.txt", "hello"]);
    assert_eq!(whole.code, Some(0), "{whole:?}");
}
