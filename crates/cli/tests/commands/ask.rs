//! `agentbus ask`: progress, the answer, and every way in which there is none.

use testkit::{Process, eventually};

use crate::{bus::RunningBus, case::Folder};

const ID: &str = "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3";

#[tokio::test(flavor = "multi_thread")]
async fn asking() {
    let bus = RunningBus::start("ask");
    let (_builder, _clumsy) = (bus.builder().await, bus.clumsy().await);

    bus.case("completed", &["ask", "--type", "build", "server and client"]);
    bus.case("completed_json", &["ask", "--json", "--type", "build", "server and client"]);
    bus.case("to_an_agent_by_name", &["ask", "--to", "builder", "--from", "alice", "--tag", "ci", "--priority", "high", "go"]);
    bus.case("failed", &["ask", "--type", "break", "anything"]);
    bus.case("failed_json", &["ask", "--json", "--type", "break", "anything"]);
    bus.case("unknown_agent_with_near_names", &["ask", "--to", "bilder", "go"]);
    bus.case("nobody_answers_that", &["ask", "--type", "paint", "the shed"]);
    bus.run(&["context", "set", "team.size", "12", "--source", "the staff list"]);
    bus.case("answered_from_facts", &["ask", "--type", "get_team_context", "Context needed: team size, pain points"]);
    bus.write("question.txt", "server and client\n");
    bus.case_with("text_from_standard_input", &["ask", "--type", "build", "-"], "< question.txt");

    bus.case("an_id_of_ones_own", &["ask", "--id", ID, "--type", "build", "once"]);
    bus.case("the_same_again_is_the_same_query", &["ask", "--id", ID, "--type", "build", "once"]);
    bus.case("the_id_alone_asks_for_the_answer", &["ask", "--id", ID]);
    bus.case("the_id_of_another_query", &["ask", "--id", ID, "--type", "build", "something else"]);
    bus.case("the_id_of_no_query", &["ask", "--id", "0192f0c1-2d3e-7a4b-8c5d-000000000000"]);
    bus.case("an_empty_question", &["ask", ""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_several() {
    let bus = RunningBus::start("ask");
    let _all = (bus.builder().await, bus.clumsy().await);
    let both = ["ask", "--gather", "to=builder,clumsy", "--type", "build"];
    bus.case("gathered", &[&both[..], &["server and client"]].concat());
    bus.case("gathered_json", &[&both[..], &["--json", "server and client"]].concat());
    bus.case("gathered_from_too_few", &["ask", "--gather", "to=clumsy,bilder", "--budget", "tokens=5000", "server and client"]);
    bus.case("gathered_from_the_best", &["ask", "--gather", "top=2", "--type", "build", "--until", "first", "server and client"]);
    bus.case("gathered_from_nobody_known", &["ask", "--gather", "to=builder,bilder", "--type", "build", "server and client"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_come() {
    let bus = RunningBus::start("ask");
    let _sleeper = bus.sleeper().await;
    bus.case("expired", &["ask", "--type", "wait", "--timeout", "3s", "for nothing"]);

    for (name, json) in [("interrupted", false), ("interrupted_json", true)] {
        let mut args = vec!["ask", "--type", "wait", "for nothing"];
        args.extend(json.then_some("--json"));
        let waiting = Process::start(&mut bus.command(&args));
        eventually("the query is taken", || if waiting.stderr().contains("has taken it") { Ok(()) } else { Err(waiting.stderr()) });
        waiting.signal("INT");
        bus.keep(name, &args, "(Ctrl-C)", &waiting.finish());
    }
    // Both run on: a heading and two lines.
    eventually("both are on record as accepted", || {
        let running = bus.run(&["list", "--state", "accepted"]);
        if running.stdout.lines().count() == 3 { Ok(()) } else { Err(running) }
    });
}

#[test]
fn wrong_use() {
    let folder = Folder::new("ask");
    folder.case("no_question", &["ask"]);
    folder.case("no_bus", &["ask", "hello"]);
    folder.case("no_bus_json", &["ask", "--json", "hello"]);
    folder.case("bad_duration", &["ask", "--timeout", "soon", "hello"]);
    folder.case("bad_id", &["ask", "--id", "7", "hello"]);
    folder.case("bad_name", &["ask", "--from", "a b", "hello"]);
    folder.case("reserved_name", &["ask", "--from", "coordinator", "hello"]);
    folder.case("bad_priority", &["ask", "--priority", "urgent", "hello"]);
    folder.case("too_long_a_timeout", &["ask", "--timeout", "8d", "hello"]);
    folder.case("bad_gather", &["ask", "--gather", "everybody", "hello"]);
    folder.case("gathering_from_one_twice", &["ask", "--gather", "to=qa,qa", "hello"]);
    folder.case("gathering_from_none", &["ask", "--gather", "top=0", "hello"]);
    folder.case("gathering_and_one_agent", &["ask", "--gather", "all", "--to", "qa", "hello"]);
    folder.case("until_without_gathering", &["ask", "--until", "first", "hello"]);
    folder.case("bad_until", &["ask", "--gather", "all", "--until", "2", "hello"]);
    folder.case("more_answers_than_are_asked", &["ask", "--gather", "to=qa,builder", "--until", "quorum=3", "hello"]);
    folder.case("bad_budget", &["ask", "--budget", "dollars=5", "hello"]);
    folder.case("too_deep_a_budget", &["ask", "--budget", "queries=5,depth=33", "hello"]);
}
