//! Folders: order, clashes, inheritance, and what cannot be read.

use std::{fs, os::unix::fs::symlink};

use super::*;

const ONE: &str = "---\nname: one\n---\n";
const TWO: &str = "---\nname: two\n---\n";

#[test]
fn a_folder_that_is_not_there_is_an_error_and_the_others_load() {
    let loaded = load(&["nowhere", "shadow/first"]);
    assert_eq!(brief(&loaded.diagnostics), ["nowhere:1:1 error no_such_folder"]);
    assert!(loaded.diagnostics[0].hint.is_some());
    assert_eq!(names(&loaded), ["shade"]);
}

#[test]
fn on_a_clash_the_earlier_folder_wins() {
    let loaded = load(&["shadow/first", "shadow/second"]);
    assert_eq!(names(&loaded), ["shade", "light"]);
    assert_eq!(loaded.definitions[0].description, "From the first folder");
    assert_eq!(brief(&loaded.diagnostics), ["a.md:2:7 warning shadowed_agent"]);
    let found = &loaded.diagnostics[0];
    assert!(found.file.ends_with("shadow/second/a.md") && found.message.contains("shadow/first/a.md:2"), "{found}");

    let loaded = load(&["shadow/second", "shadow/first"]);
    assert_eq!(loaded.definitions[0].description, "From the second folder");
}

#[test]
fn two_files_of_one_name_in_one_folder_are_an_error_that_names_both() {
    let loaded = load(&["twins"]);
    assert_eq!(brief(&loaded.diagnostics), ["one.md:2:7 error duplicate_agent"]);
    assert!(loaded.diagnostics[0].message.contains("twins/deep/two.md:3"), "{}", loaded.diagnostics[0]);
    assert_eq!(loaded.definitions[0].description, "Second", "the first by path stays");
}

#[test]
fn a_file_that_is_reached_twice_is_read_once() {
    let loaded = load(&["shadow/first", "shadow/../shadow/first", "shadow/first/a.md"]);
    assert_eq!((names(&loaded), loaded.files, &loaded.diagnostics[..]), (vec!["shade"], 1, &[][..]));
}

#[test]
fn weights_are_inherited_parents_first_and_the_child_wins() {
    let loaded = load(&["circle"]);
    let child = loaded.get(&name("child")).unwrap();
    let weights = child.profile.weights.as_ref().unwrap();
    assert_eq!(weights.of("domain").collect::<Vec<_>>(), [("a", 1), ("b", 2)]);
    assert_eq!(weights.keywords().collect::<Vec<_>>(), [("cas", 9), ("den", 4)], "Čas and cas are one keyword");
    assert_eq!(child.profile.default_score, 1, "weights only");
    assert_eq!(loaded.get(&name("middle")).unwrap().profile.weights.as_ref().unwrap().get("domain", "a"), 100);
}

#[test]
fn a_cycle_rejects_its_members_only() {
    let loaded = load(&["circle"]);
    assert_eq!(names(&loaded), ["child", "middle", "near", "orphan", "root"]);
    let expected = [
        "a.md:3:10 error extends_cycle",
        "b.md:3:10 error extends_cycle",
        "self.md:3:10 error extends_cycle",
        "near.md:3:10 warning unknown_parent",
        "orphan.md:3:10 warning unknown_parent",
    ];
    assert_eq!(brief(&loaded.diagnostics), expected);
    assert!(loaded.diagnostics[0].message.contains("ring-a → ring-b → ring-a"));
    assert_eq!(loaded.get(&name("orphan")).unwrap().profile.weights.as_ref().unwrap().get("domain", "o"), 1);
}

#[test]
fn hidden_folders_are_searched_and_other_kinds_of_file_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join(".claude/agents/deep/deeper");
    fs::create_dir_all(&deep).unwrap();
    fs::create_dir_all(dir.path().join(".git")).unwrap();
    fs::write(deep.join("one.md"), ONE).unwrap();
    fs::write(deep.join("two.MD"), TWO).unwrap();
    fs::write(deep.join("three.txt"), "---\nname: three\n---\n").unwrap();
    fs::write(dir.path().join(".git/four.md"), "---\nname: four\n---\n").unwrap();
    fs::write(dir.path().join(".gitignore"), "*\n").unwrap();
    let loaded = roster::load(&[dir.path().to_owned()]);
    assert_eq!((names(&loaded), loaded.files, &loaded.diagnostics[..]), (vec!["one", "two"], 2, &[][..]));
    let named = roster::load(&[dir.path().join(".git")]);
    assert_eq!(names(&named), ["four"], "a folder that is named is searched, whatever its name");
}

#[test]
fn a_loop_of_links_ends_and_a_dead_link_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("one.md"), ONE).unwrap();
    symlink(dir.path(), dir.path().join("again")).unwrap();
    symlink(dir.path().join("one.md"), dir.path().join("same.md")).unwrap();
    symlink(dir.path().join("gone"), dir.path().join("dead.md")).unwrap();
    let loaded = roster::load(&[dir.path().to_owned()]);
    assert_eq!(names(&loaded), ["one"]);
    assert_eq!(brief(&loaded.diagnostics), ["dead.md:1:1 error unreadable"]);
}

#[test]
fn a_file_may_have_one_mebibyte_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let filled = |text: &str, size: usize| text.to_owned() + &"x".repeat(size - text.len());
    fs::write(dir.path().join("one.md"), filled(ONE, roster::MAX_FILE_BYTES)).unwrap();
    fs::write(dir.path().join("two.md"), filled(TWO, roster::MAX_FILE_BYTES + 1)).unwrap();
    fs::write(dir.path().join("prose.md"), "x".repeat(roster::MAX_FILE_BYTES + 1)).unwrap();
    let loaded = roster::load(&[dir.path().to_owned()]);
    assert_eq!((names(&loaded), loaded.files), (vec!["one"], 2));
    assert_eq!(brief(&loaded.diagnostics), ["two.md:1:1 error too_large"]);
}

#[test]
fn a_word_is_a_target_if_an_agent_is_called_so() {
    let dir = tempfile::tempdir().unwrap();
    let list = "---\nname: one\n---\nIntegration with other agents:\n- Work with Two on this and one on that\n";
    fs::write(dir.path().join("one.md"), list).unwrap();
    fs::write(dir.path().join("two.md"), "---\nname: two\nbus: {aliases: [Two]}\n---\n").unwrap();
    let loaded = roster::load(&[dir.path().to_owned()]);
    let targets: Vec<_> = loaded.definitions[0].integration.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(targets, ["Two"], "an alias counts, the agent itself does not");
}

#[test]
fn loading_twice_gives_the_same() {
    let folders = ["cases", "circle", "seeds", "twins", "lint"];
    let (first, second) = (load(&folders), load(&folders));
    assert_eq!(first.definitions, second.definitions);
    assert_eq!(first.diagnostics, second.diagnostics);
}
