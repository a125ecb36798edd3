//! Findings that need all definitions at once.

use super::*;

#[test]
fn what_is_probably_not_meant_is_found() {
    let loaded = load(&["lint"]);
    assert_eq!(loaded.diagnostics, []);
    let found = roster::lint(&loaded);
    let expected = [
        "cook.md:4:6 error alias_clash",
        "cook.md:4:6 error alias_clash",
        "cook.md:6:1 warning foreign_example",
        "cook.md:12:13 warning unknown_target",
        "cook.md:13:13 warning unknown_target",
        "waiter.md:2:7 warning no_description",
        "waiter.md:3:6 error alias_clash",
    ];
    assert_eq!(brief(&found), expected);
    assert!(found[1].message.contains("'chef'") && found[1].message.contains("waiter"), "{}", found[1]);
    assert!(found[3].message.contains("'head-chef'") && found[3].hint.is_none(), "nothing is like it: {:?}", found[3]);
}

#[test]
fn the_definitions_that_are_shipped_have_no_findings() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../agents");
    let loaded = roster::load(&[folder]);
    assert!(loaded.files >= 5 && loaded.files == loaded.definitions.len());
    assert_eq!(brief(&loaded.diagnostics), [""; 0]);
    assert_eq!(brief(&roster::lint(&loaded)), [""; 0]);
    for agent in ["mlops-engineer", "devops-engineer", "sre-engineer", "context-manager", "devops_mlops_engineer"] {
        assert!(loaded.get(&name(agent)).is_some(), "{agent}");
    }
}
