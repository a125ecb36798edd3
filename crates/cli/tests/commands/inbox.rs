//! `agentbus inbox`: a person as an agent, command by command.

use crate::{bus::RunningBus, case::Folder};

const FIRST: &str = "0192f0c1-2d3e-7a4b-8c5d-000000000001";
const SECOND: &str = "0192f0c1-2d3e-7a4b-8c5d-000000000002";
const NONE: &str = "0192f0c1-2d3e-7a4b-8c5d-00000000000f";

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox() {
    let bus = RunningBus::start("inbox");
    bus.case("of_a_stranger", &["inbox", "--as", "alice"]);
    let alice = bus.client("alice").await;
    let mailbox = alice.mailbox("alice".parse().expect("a name")).await.expect("a card");
    let mut pulling = alice.announce(mailbox).await.expect("announced");
    assert!(pulling.known().await);
    bus.case("empty", &["inbox", "--as", "alice"]);
    bus.case("take_nothing", &["inbox", "take", "--as", "alice"]);
    bus.run(&["post", "--id", FIRST, "--from", "bob", "--to", "alice", "May this be merged?"]);
    bus.until(&["inbox", "--as", "alice"], FIRST);
    bus.run(&["post", "--id", SECOND, "--from", "bob", "--to", "alice", "--priority", "low", "--tag", "docs", "And this?\nNo hurry."]);
    bus.until(&["inbox", "--as", "alice"], SECOND);
    bus.case("list", &["inbox", "--as", "alice"]);
    bus.case("list_json", &["inbox", "--as", "alice", "--json"]);
    bus.case("agents", &["agents", "alice"]);
    bus.case("take", &["inbox", "take", "--as", "alice"]);
    bus.case("take_one_json", &["inbox", "take", SECOND, "--as", "alice", "--json"]);
    bus.case("list_in_hand", &["inbox", "--as", "alice"]);
    bus.case("take_again", &["inbox", "take", FIRST, "--as", "alice"]);
    bus.case("progress", &["inbox", "progress", FIRST, "reading", r#"{"page": 1}"#, "--as", "alice"]);
    bus.case("release", &["inbox", "release", SECOND, "--as", "alice"]);
    bus.case("release_again", &["inbox", "release", SECOND, "--as", "alice"]);
    bus.case("answer_as_another", &["inbox", "answer", FIRST, "It may.", "--as", "mallory"]);
    bus.case("answer", &["inbox", "answer", FIRST, "It may.", "--as", "alice"]);
    bus.case("answer_again", &["inbox", "answer", FIRST, "It may not.", "--as", "alice"]);
    bus.case("answer_json_again", &["inbox", "answer", FIRST, "It may not.", "--as", "alice", "--json"]);
    bus.case("answer_no_query", &["inbox", "answer", NONE, "It may.", "--as", "alice"]);
}

#[test]
fn wrong_use() {
    let folder = Folder::new("inbox");
    folder.case("of_nobody", &["inbox"]);
    folder.case("answer_without_words", &["inbox", "answer", NONE, " ", "--as", "alice"]);
    folder.case("answer_with_a_bad_fact", &["inbox", "answer", NONE, "Yes.", "--fact", "team size", "--as", "alice"]);
    folder.case("answer_with_a_bad_code", &["inbox", "answer", NONE, "No.", "--failed", "Not Possible", "--as", "alice"]);
    folder.case("take_for_too_long", &["inbox", "take", "--lease", "2d", "--as", "alice"]);
    folder.case("without_a_bus", &["inbox", "--as", "alice"]);
}
