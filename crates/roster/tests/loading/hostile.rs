//! What nobody means well: files made to crash, stall or drown a loader. Each ends as a definition or as a
//! finding, and costs no other file anything.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::Path, process::Command};

use proptest::prelude::*;

use super::*;

const GOOD: &str = "---\nname: good\ndescription: As it should be\n---\n";

/// A folder with one good file and these, loaded and checked.
fn with(files: &[(&str, &[u8])]) -> (Loaded, Vec<Diagnostic>) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("good.md"), GOOD).unwrap();
    for (file, bytes) in files {
        fs::write(dir.path().join(file), bytes).unwrap();
    }
    let loaded = roster::load(&[dir.path().to_owned()]);
    assert!(loaded.get(&name("good")).is_some(), "the good one loads");
    let found = loaded.diagnostics.iter().cloned().chain(roster::lint(&loaded)).collect();
    (loaded, found)
}

/// Front matter of this text, for an agent called `bad`.
fn front(text: &str) -> String {
    format!("---\nname: bad\ndescription: d\n{text}\n---\n")
}

#[rstest::rstest]
#[case::flow_lists(front(&format!("x: {}", "[".repeat(100_000))), "bad_yaml")]
#[case::flow_maps(front(&format!("x: {}", "{a: ".repeat(100_000))), "front_matter_too_large")]
#[case::block_lists(front(&format!("x:\n{}a", "- ".repeat(100_000))), "front_matter_too_large")]
#[case::block_maps(front(&format!("x:{}", (1..1_000).map(|i| format!("\n{}a:", " ".repeat(i))).collect::<String>())), "front_matter_too_large")]
#[case::keys(front(&(0..30_000).map(|i| format!("k{i}: v\n")).collect::<String>()), "front_matter_too_large")]
#[case::anchor_of_itself(front("a: &a [*a]"), "bad_yaml")]
#[case::nul("---\nname: ba\0d\n---\n".to_owned(), "bad_name")]
#[case::escape("---\nname: \"\u{1b}[31mbad\"\n---\n".to_owned(), "bad_name")]
fn what_is_too_much_is_an_error(#[case] text: String, #[case] code: &str) {
    let (loaded, found) = with(&[("bad.md", text.as_bytes())]);
    assert_eq!((loaded.definitions.len(), loaded.files), (1, 2));
    assert!(found.iter().any(|finding| finding.is_error() && finding.code == code), "{found:?}");
}

#[rstest::rstest]
#[case::brackets(front(&format!("tools: \"{}\"", "(".repeat(500_000))))]
#[case::examples(front(&format!("x: y: {}", "<example>".repeat(50_000))))]
#[case::fences(front("") + &"```\n".repeat(200_000))]
#[case::json(front("") + "```json\n" + &"[".repeat(100_000) + "\n```\n```json\n{\"requesting_agent\": " + &"{\"a\":".repeat(50_000) + "\n```\n")]
#[case::targets(front("") + "Integration with other agents:\n- Work with " + &(0..20_000).map(|i| format!("agent-x{i}, ")).collect::<String>())]
#[case::flush_lines(front(&format!("x: |\n{}", "line: y\n".repeat(5_000))))]
fn what_is_only_long_is_read(#[case] text: String) {
    let (loaded, found) = with(&[("bad.md", text.as_bytes())]);
    assert!(loaded.get(&name("bad")).is_some(), "{found:?}");
    assert!(found.len() <= 202, "one file does not drown the others: {}", found.len());
}

/// Lines that are read as if they were indented or without their neighbours, with something wrong in them.
#[rstest::rstest]
#[case::flush_name("---\nx---\nname: r\nand more\nand more\nand more\n---\n", "bad_name", "r\nand more\nand more\nand more")]
#[case::windows("---\r\nname: r\r\nand more\r\n---\r\n", "bad_name", "r\r\nand more")]
#[case::comment_between("---\nname: r\nmodel: x\nand y\ntools: [\n# no comma\n a b, {c\n---\n", "bad_yaml", "")]
#[case::after_a_comment("---\nname: r s\n# a comment\nmodel: so: it\n---\n", "bad_name", "r s")]
fn every_finding_stands_in_its_file(#[case] text: &str, #[case] code: &str, #[case] at: &str) {
    let (_, found) = roster::parse(Path::new("bad.md"), text);
    for finding in &found {
        let place = finding.place;
        let line = text.get(..place.offset).map(|before| before.matches('\n').count() + 1);
        assert_eq!(line, Some(place.line), "{finding:?}");
        assert!(text.get(place.offset..place.offset + place.len).is_some(), "{finding:?}");
    }
    let wanted = found.iter().find(|finding| finding.code == code).unwrap();
    let place = wanted.place;
    assert!(text.get(place.offset..).is_some_and(|rest| rest.starts_with(at)) && place.len >= at.len(), "{wanted:?}");
}

#[test]
fn of_many_findings_the_errors_are_kept_and_the_rest_is_counted() {
    let twice = "model: x\n".repeat(300);
    let (loaded, _) = with(&[("bad.md", front(&format!("{twice}bus: {{handlr: exec}}")).as_bytes())]);
    assert!(loaded.get(&name("bad")).is_none(), "an error counts wherever it stands");
    let found = loaded.diagnostics;
    assert_eq!((found.len(), found.iter().filter(|finding| finding.is_error()).count()), (101, 1));
    let last = found.last().unwrap();
    assert_eq!((last.code, last.message.as_str()), ("more_findings", "there are 200 more findings in this file"));
}

#[test]
fn a_pipe_is_never_opened() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe.md");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::write(dir.path().join("good.md"), GOOD).unwrap();
    let loaded = roster::load(&[dir.path().to_owned()]);
    assert_eq!((names(&loaded), &loaded.diagnostics[..]), (vec!["good"], &[][..]));
    for named in [pipe.as_path(), Path::new("/dev/zero")] {
        let loaded = roster::load(&[named.to_owned()]);
        let codes: Vec<_> = loaded.diagnostics.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["unreadable"], "one that is named is reported: {}", named.display());
    }
}

#[test]
fn a_file_name_may_be_any_bytes() {
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in [(&b"a\xff\xfe.md"[..], GOOD), (b"b\n\x1b[31m.md", "---\nname: b\n---\n"), (b"c\xff.md", "---\n---\n")] {
        fs::write(dir.path().join(OsStr::from_bytes(file)), text).unwrap();
    }
    let loaded = roster::load(&[dir.path().to_owned()]);
    assert_eq!((names(&loaded), loaded.diagnostics.len(), loaded.files), (vec!["good", "b"], 1, 3));
    assert!(loaded.diagnostics[0].to_string().ends_with("c\u{fffd}.md:1:1: error[no_name]: the front matter gives no name"));
}

/// Bytes that are anything, or begin like a definition and go on as anything.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"---\n".to_vec()),
        Just(b"---\r\n".to_vec()),
        Just("\u{feff}".as_bytes().to_vec()),
        Just(b"name: a\n".to_vec()),
        Just(b"weights: {keywords: {a: ".to_vec()),
        Just(b"bus: {probes: &a {a.b: *a}}\n".to_vec()),
        Just(b"```json\n{\"requesting_agent\": ".to_vec()),
        Just(b"Integration with other agents:\n- **a-b** ".to_vec()),
        Just(b"Delivery notification: \"".to_vec()),
        prop::collection::vec(any::<u8>(), 0..40),
        "\\PC{0,20}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_a_definition_or_an_error(bytes in bytes()) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("any.md");
        fs::write(&file, &bytes).unwrap();
        let named = roster::load(std::slice::from_ref(&file));
        prop_assert_eq!(named.definitions.len() == 1, !named.has_errors(), "{:?}", named.diagnostics);
        let in_folder = roster::load(&[dir.path().to_owned()]);
        prop_assert_eq!(&in_folder.definitions, &named.definitions);
        prop_assert!(in_folder.files == 1 || in_folder.diagnostics.is_empty(), "what is no definition is skipped without a word");
        for finding in named.diagnostics.iter().chain(&roster::lint(&named)) {
            prop_assert!(finding.place.offset + finding.place.len <= bytes.len(), "{}", finding);
        }
    }
}
