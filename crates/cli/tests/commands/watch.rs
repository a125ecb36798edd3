//! `agentbus watch`: what happens, from a point in the past and then live.

use testkit::Process;

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

#[test]
fn wrong_use() {
    let folder = Folder::new("watch");
    folder.case("unknown_kind", &["watch", "--kind", "answers"]);
    folder.case("two_beginnings", &["watch", "--from-seq", "1", "--since", "1h"]);
    folder.case("no_such_sequence", &["watch", "--from-seq", "0"]);
    folder.case("without_a_bus", &["watch"]);
}
