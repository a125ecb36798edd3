//! `agentbus bench`: only that wrong use is told; the figures are another matter.

use crate::case::Folder;

#[test]
fn wrong_use() {
    let folder = Folder::new("bench");
    folder.case("unknown_option", &["bench", "--fast"]);
}
