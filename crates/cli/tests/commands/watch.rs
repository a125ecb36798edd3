//! `agentbus watch`: what happens, from a point in the past and then live; also by a watcher that keeps its place,
//! and by one that is read too slowly.

use std::{
    io::{BufRead, BufReader, Read},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;
use testkit::{Process, eventually};

use crate::{bus::RunningBus, case::Folder};

const ID: &str = "0192f0c1-2d3e-7a4b-8c5d-000000000001";

#[tokio::test(flavor = "multi_thread")]
async fn watching() {
    let bus = RunningBus::start("watch");
    let _builder = bus.builder().await;
    bus.run(&["ask", "--id", ID, "--type", "build", "server and client"]);
    bus.run(&["notify", "--agent", "qa-expert", "All tests pass."]);
    let cases: &[(&str, &[&str], &str)] = &[
        ("from_the_beginning", &["watch", "--from-seq", "1"], "All tests pass."),
        ("since_an_hour", &["watch", "--since", "1h"], "All tests pass."),
        ("json", &["watch", "--from-seq", "1", "--json"], "All tests pass."),
        ("one_query", &["watch", "--query", ID, "--from-seq", "1"], "completed"),
        ("one_agent", &["watch", "--agent", "builder", "--from-seq", "1"], "completed"),
        ("one_kind", &["watch", "--kind", "notice", "--from-seq", "1"], "All tests pass."),
    ];
    for (name, args, last) in cases {
        let watch = Process::start(&mut bus.command(args));
        let _ = watch.says(last);
        watch.signal("INT");
        bus.keep(name, args, "(Ctrl-C)", &watch.finish());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_keeps_its_place() {
    let bus = RunningBus::start("watch");
    let args = ["watch", "--durable", "night", "--from-seq", "1"];
    for text in ["one", "two", "three"] {
        bus.run(&["notify", "--agent", "qa-expert", text]);
    }
    let first = Process::start(&mut bus.command(&args));
    let _ = first.says("three");
    first.signal("INT");
    bus.keep("durable", &args, "(Ctrl-C)", &first.finish());
    bus.run(&["notify", "--agent", "qa-expert", "four"]);
    let args = ["watch", "--durable", "night"];
    let second = Process::start(&mut bus.command(&args));
    let _ = second.says("four");
    second.signal("INT");
    bus.keep("durable_goes_on", &args, "(Ctrl-C)", &second.finish());

    bus.case("durable_with_another_filter", &["watch", "--durable", "night", "--kind", "notice"]);
    bus.case("durable_with_another_beginning", &["watch", "--durable", "night", "--since", "1h"]);
    bus.case("forget", &["watch", "--forget", "night"]);
    bus.case("forget_what_is_not_there", &["watch", "--forget", "night"]);
    bus.case("forget_and_watch", &["watch", "--forget", "night", "--kind", "notice"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_is_killed_again_and_again_leaves_nothing_out() {
    let bus = RunningBus::start("watch");
    let worker = bus.client("worker").await;
    let mut seen: Vec<u64> = Vec::new();
    for round in 0..4_u64 {
        for number in 0..300 {
            worker.notify(format!("{round} {number}")).await.expect("stored");
        }
        let watch = Process::start(
            &mut bus.command(&["watch", "--durable", "night", "--from-seq", "1", "--json"][..if round == 0 { 6 } else { 3 }]),
        );
        // Somewhere in the middle: how much it has shown by then is different each time.
        let shown = || watch.stdout().lines().count();
        eventually("it shows something", || {
            if shown() > 40 * (1 + usize::try_from(round).expect("small")) { Ok(()) } else { Err(watch.stderr()) }
        });
        watch.signal("KILL");
        let output = watch.finish();
        let mut sequences: Vec<u64> = output.stdout.lines().filter_map(sequence).collect();
        let begun = *sequences.first().expect("something was shown");
        assert!(begun <= seen.last().map_or(1, |last| last + 1), "after {:?} it went on at {begun}", seen.last());
        seen.retain(|seq| *seq < begun);
        seen.append(&mut sequences);
    }
    let watch = Process::start(&mut bus.command(&["watch", "--durable", "night"]));
    // The one that was killed last may have shown all there was.
    worker.notify("the last").await.expect("stored");
    let rest = watch.says("the last");
    let rest: Vec<u64> = rest.lines().filter_map(sequence).collect();
    seen.retain(|seq| Some(seq) < rest.first());
    seen.extend(rest);
    assert_eq!(seen, (1..=1201).collect::<Vec<_>>());
}

/// The sequence of a line that is whole: of JSON, or of text.
fn sequence(line: &str) -> Option<u64> {
    if line.starts_with('{') {
        return serde_json::from_str::<Value>(line).ok()?.get("seq")?.as_u64();
    }
    line.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_read_too_slowly_says_so_and_leaves_nothing_out() {
    let bus = RunningBus::start("watch");
    let worker = bus.client("worker").await;
    let mut watch = bus.command(&["watch", "--json"]);
    let mut watch = watch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut said = BufReader::new(watch.stderr.take().expect("its stderr"));
    let mut line = String::new();
    while !line.contains("watching") {
        line.clear();
        assert!(said.read_line(&mut line).expect("a line") > 0, "it ended");
    }
    // Its first message is read at once: then it is live.
    worker.notify("begin").await.expect("stored");
    let mut lines = BufReader::new(watch.stdout.take().expect("its stdout")).lines();
    let first = lines.next().expect("a line").expect("text");
    let mut next = sequence(&first).expect("a sequence") + 1;
    // Now nobody reads, and there is more than a pipe holds.
    let begun = Instant::now();
    for number in 0..2000 {
        worker.notify(format!("{number} {}", "x".repeat(100))).await.expect("stored");
    }
    eventually("it has been stuck for more than a second", || {
        if begun.elapsed() > Duration::from_millis(2500) { Ok(()) } else { Err(begun.elapsed()) }
    });
    let mut behind = 0;
    for line in lines {
        let line: Value = serde_json::from_str(&line.expect("text")).expect("JSON");
        if let Some(messages) = line.get("behind") {
            behind = messages.as_u64().expect("a number");
            continue;
        }
        assert_eq!(line["seq"], next);
        next += 1;
        if line["body"]["delivery"].as_str().is_some_and(|delivery| delivery.starts_with("1999 ")) {
            break;
        }
    }
    watch.kill().expect("killed");
    watch.wait().expect("ended");
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("text");
    assert!(behind > 0 && rest.contains("messages behind"), "{behind}: {rest}");
}

#[test]
fn wrong_use() {
    let folder = Folder::new("watch");
    folder.case("unknown_kind", &["watch", "--kind", "answers"]);
    folder.case("two_beginnings", &["watch", "--from-seq", "1", "--since", "1h"]);
    folder.case("no_such_sequence", &["watch", "--from-seq", "0"]);
    folder.case("bad_watcher", &["watch", "--durable", "a b"]);
    folder.case("without_a_bus", &["watch"]);
}
