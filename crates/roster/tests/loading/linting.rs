//! Findings that need all definitions at once.

use super::*;

#[test]
fn what_is_probably_not_meant_is_found() {
    let loaded = load(&["lint"]);
    assert_eq!(loaded.diagnostics, []);
    let found = roster::lint(&loaded);
    let expected = [
        "cook.md:4:6 error alias_clash",
        "cook.md:4:6 warning alias_shared",
        "cook.md:6:1 warning foreign_example",
        "cook.md:12:13 warning unknown_target",
        "cook.md:13:13 warning unknown_target",
        "waiter.md:2:7 warning no_description",
        "waiter.md:3:6 warning alias_shared",
    ];
    assert_eq!(brief(&found), expected);
    assert!(found[1].message.contains("'chef'") && found[1].message.contains("waiter"), "{}", found[1]);
    assert!(found[3].message.contains("'head-chef'") && found[3].hint.is_none(), "nothing is like it: {:?}", found[3]);
}
