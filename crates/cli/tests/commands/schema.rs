//! `agentbus schema`: the contract of the messages. Needs no bus.

use crate::case::Folder;

#[test]
fn schemas() {
    let folder = Folder::new("schema");
    folder.case("list", &["schema"]);
    folder.case("list_json", &["schema", "--json"]);
    folder.case("an_unknown_one_with_near_names", &["schema", "qurey"]);
    let one = folder.run(&["schema", "notice"]);
    let there = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/notice.json")).expect("the file");
    assert_eq!((one.stdout.trim(), one.code), (there.trim(), Some(0)));
}
