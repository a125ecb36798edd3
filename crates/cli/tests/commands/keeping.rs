//! `agentbus verify`, `backup`, `restore` and `erase`: what a bus keeps, and what it no longer does.

use std::fs;

use agentbus::{Done, Fault, Task};
use testkit::{NatsServer, Process};

use crate::{bus::RunningBus, case::Folder};

const FIRST: &str = "0192f0c1-2d3e-7a4b-8c5d-000000000001";
const SECOND: &str = "0192f0c1-2d3e-7a4b-8c5d-000000000002";
const OPEN: &str = "0192f0c1-2d3e-7a4b-8c5d-000000000003";
const NONE: &str = "0192f0c1-2d3e-7a4b-8c5d-00000000000f";

#[tokio::test(flavor = "multi_thread")]
async fn verifying() {
    let bus = RunningBus::start("verify");
    let _builder = bus.builder().await;
    bus.run(&["ask", "--id", FIRST, "--type", "build", "server and client"]);
    bus.case("clean", &["verify"]);
    bus.case("clean_json", &["verify", "--json"]);

    let raw = nats::Raw::connect(bus.url()).await.expect("the server");
    raw.publish("bus.query.7.alice.any".to_owned(), "{}".into()).await.expect("stored");
    raw.publish(format!("bus.progress.{NONE}.alice.all"), "junk".into()).await.expect("stored");
    let close = r#"{"reason":"dead","code":"so","message":"So.","coordinator":"c"}"#;
    bus.run(&["ask", "--id", SECOND, "--to", "nobody", "hello"]);
    raw.publish(format!("bus.close.{SECOND}.cli.cli"), close.into()).await.expect("stored");
    // Somebody removes a record past the bus.
    let client = bus.client("mallory").await;
    let first = FIRST.parse().expect("an id");
    nats::Archive::of(client.connection().clone()).remove_from_ledger(first, 2).await.expect("removed");
    bus.case("findings", &["verify"]);
    bus.case("findings_json", &["verify", "--json"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_left_the_ledger_is_found_again() {
    let bus = RunningBus::start_with("archive", &["--archive-after", "1s"]);
    let _builder = bus.builder().await;
    let _tired = bus.serve("tired", "fetch", |_: Task| async { Err::<Done, _>(Fault::retry("cache_away", "No cache.")) }).await;
    bus.run(&["ask", "--id", FIRST, "--type", "build", "server and client"]);
    bus.run(&["ask", "--id", SECOND, "--type", "fetch", "the models"]);
    let history = bus.run(&["history", "--json", FIRST]);
    // Both leave it a second after their end; their list is of what is in it.
    testkit::eventually("the ledger is empty", || {
        let listed = bus.run(&["list", "--json"]);
        if listed.stdout.trim() == "[]" { Ok(()) } else { Err(listed.stdout) }
    });
    assert_eq!(bus.run(&["history", "--json", FIRST]).stdout, history.stdout, "it is what it was");
    bus.case("answer_of_an_archived_query", &["ask", "--id", FIRST]);
    bus.case("the_same_again_is_the_same_query", &["ask", "--id", FIRST, "--type", "build", "server and client"]);
    bus.case("verify", &["verify"]);
    let dead = bus.run(&["dead", "list"]).stdout;
    assert!(dead.contains(SECOND), "{dead}");
    bus.case("dead_with_the_archive", &["dead", "list", "--archived"]);
    let watch = Process::start(&mut bus.command(&["watch", "--from-seq", "1"]));
    let _ = watch.says("fetch: the models");
    watch.signal("INT");
    bus.keep("watch_from_the_beginning", &["watch", "--from-seq", "1"], "(Ctrl-C)", &watch.finish());
    // Coordinators may come and go: one that has just started knows nothing of what is not in the ledger.
    let mut copy = bus.run(&["backup", "copy"]);
    copy.stdout = without_sizes(&copy.stdout);
    assert_eq!(copy.code, Some(0), "{copy:?}");
    let server = NatsServer::start().await;
    bus.run(&["restore", "copy", "--nats", &server.url()]);
    let coordinator = Process::start(&mut bus.command(&["serve", "coordinator", "--nats", &server.url()]));
    let _ = coordinator.says("serves the bus");
    let with = |args: &[&str]| bus.run(&[args, &["--nats", &server.url()]].concat()).stdout;
    assert_eq!(with(&["history", "--json", FIRST]), history.stdout, "backed up and restored");
    assert_eq!(with(&["dead", "list"]), "");
    assert!(with(&["dead", "list", "--archived"]).contains(SECOND));
    assert!(with(&["verify"]).contains("clean"));
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing() {
    let bus = RunningBus::start("erase");
    let (_builder, _sleeper) = (bus.builder().await, bus.sleeper().await);
    bus.run(&["ask", "--id", FIRST, "--from", "alice", "--type", "build", "server and client"]);
    bus.run(&["ask", "--id", SECOND, "--from", "alice", "--type", "build", "server and client"]);
    bus.run(&["post", "--id", OPEN, "--from", "alice", "--type", "wait", "for nothing"]);
    bus.until(&["status", OPEN], "the last: accepted");
    bus.case("not_confirmed", &["erase", FIRST]);
    bus.case("somebody_elses", &["erase", "--yes", "--from", "bob", FIRST]);
    bus.case("one_that_is_open", &["erase", "--yes", OPEN]);
    bus.case("as_its_requester", &["erase", "--yes", FIRST]);
    bus.case("json", &["erase", "--yes", "--json", SECOND]);
    bus.case("status_afterwards", &["status", FIRST]);
    bus.case("history_afterwards", &["history", FIRST]);
    bus.case("once_more", &["erase", "--yes", FIRST]);
    bus.case("posting_under_its_id", &["post", "--from", "alice", "--id", FIRST, "--type", "build", "server and client"]);
    bus.case("of_no_query", &["erase", "--yes", NONE]);
    bus.case("verify_afterwards", &["verify"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn backing_up_and_restoring() {
    let bus = RunningBus::start("backup");
    let _builder = bus.builder().await;
    bus.run(&["ask", "--id", FIRST, "--type", "build", "server and client"]);
    bus.run(&["context", "set", "team.size", "12", "--source", "the staff list"]);
    let mut taken = bus.run(&["backup", "copy"]);
    taken.stdout = without_sizes(&taken.stdout);
    bus.keep("backup", &["backup", "copy"], "", &taken);
    bus.case("into_a_folder_that_is_not_empty", &["backup", "copy"]);
    bus.case("into_a_file", &["backup", "agents/qa-expert.md"]);
    bus.case("restore_over_a_bus", &["restore", "copy", "--nats", bus.url()]);
    bus.case("restore_into_a_folder_that_is_in_use", &["restore", "copy"]);

    // Into an empty server: everything is as it was.
    let server = NatsServer::start().await;
    let mut restored = bus.run(&["restore", "copy", "--nats", &server.url()]);
    restored.stdout = without_sizes(&restored.stdout);
    bus.keep("restore", &["restore", "copy", "--nats", &server.url()], "", &restored);
    let coordinator = Process::start(&mut bus.command(&["serve", "coordinator", "--nats", &server.url()]));
    let _ = coordinator.says("serves the bus");
    for command in [&["history", "--json", FIRST][..], &["list", "--json"], &["context", "list", "--json"]] {
        let there = bus.run(&[command, &["--nats", &server.url()]].concat());
        assert_eq!((bus.run(command).stdout, Some(0)), (there.stdout, there.code), "{command:?}");
    }
    drop(coordinator);

    // Into a data folder, which a bus then takes up.
    let folder = Folder::new("backup");
    let copy = bus.path().join("copy").display().to_string();
    let mut restored = folder.run(&["restore", &copy]);
    restored.stdout = without_sizes(&restored.stdout);
    folder.keep("restore_into_a_folder", &["restore", "copy"], "", &restored);
    let up = Process::start(&mut folder.command(&["up", "--fsync", "2m"]));
    let _ = up.says("Ctrl-C drains");
    assert_eq!(folder.run(&["history", "--json", FIRST]).stdout, bus.run(&["history", "--json", FIRST]).stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_that_are_not_whole() {
    let bus = RunningBus::start("backup");
    assert_eq!(bus.run(&["backup", "copy"]).code, Some(0));
    let server = NatsServer::start().await;
    let copy = bus.path().join("copy");
    bus.case("of_another_space", &["restore", "copy", "--nats", &server.url(), "--space", "lab"]);
    bus.case("too_many_copies_for_one_server", &["restore", "copy", "--nats", &server.url(), "--replicas", "3"]);

    let ledger = copy.join("bus-ledger.snapshot");
    let mut bytes = fs::read(&ledger).expect("the ledger");
    *bytes.last_mut().expect("a byte") ^= 1;
    fs::write(&ledger, bytes).expect("written");
    bus.case("a_bit_that_was_turned", &["restore", "copy", "--nats", &server.url()]);
    fs::remove_file(&ledger).expect("removed");
    bus.case("a_file_that_is_missing", &["restore", "copy", "--nats", &server.url()]);
    fs::remove_file(copy.join("manifest.json")).expect("removed");
    bus.case("without_a_manifest", &["restore", "copy", "--nats", &server.url()]);
    bus.case("of_no_folder", &["restore", "nowhere"]);
    bus.case("of_no_bus", &["backup", "another", "--nats", &server.url()]);
}

#[test]
fn wrong_use() {
    let folder = Folder::new("backup");
    folder.case("without_a_bus", &["backup", "copy"]);
    let folder = Folder::new("verify");
    folder.case("without_a_bus", &["verify"]);
    let folder = Folder::new("up");
    folder.case("copies_without_a_cluster", &["up", "--replicas", "3"]);
    folder.case("an_even_number_of_copies", &["up", "--nats", "nats://127.0.0.1:1", "--replicas", "2"]);
    folder.case("bad_size", &["up", "--max-size", "4 elephants"]);
    folder.case("archived_at_once", &["up", "--archive-after", "0s"]);
}

/// How large a snapshot is depends on its times, which compress differently.
fn without_sizes(table: &str) -> String {
    let line = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let sized = words.last().is_some_and(|unit| ["B", "KiB", "MiB"].contains(unit));
        let kept = if sized { words.len() - 2 } else { words.len() };
        words.iter().take(kept).copied().collect::<Vec<_>>().join(" ")
    };
    table.lines().map(line).collect::<Vec<_>>().join("\n") + "\n"
}
