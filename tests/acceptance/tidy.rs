//! Rules of the house that no compiler checks. Each says what to do instead.

use std::{
    fs,
    path::{Path, PathBuf},
};

use protocol::Kind;

/// Lines at which a file has a seam to be found.
const LONG: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// Every tracked kind of file below the workspace, by its ending.
fn files(endings: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() && !["target", ".git", ".agentbus", "fixtures", "node_modules"].contains(&name.as_str()) {
                folders.push(path);
            } else if path.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
                found.push((path.strip_prefix(root()).expect("below the root").to_owned(), fs::read_to_string(&path).expect("text")));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no files were found: the check would prove nothing");
    found
}

fn expect_none(rule: &str, offenders: &[String]) {
    assert!(offenders.is_empty(), "{rule}\n  {}", offenders.join("\n  "));
}

#[test]
fn every_source_file_says_what_it_is() {
    let bare =
        files(&[".rs"]).into_iter().filter(|(_, text)| !text.trim_start().starts_with("//!")).map(|(path, _)| path.display().to_string());
    expect_none("A source file begins with a module doc (//!): what it owns, what it must not do.", &bare.collect::<Vec<_>>());
}

#[test]
fn files_are_small() {
    let long = files(&[".rs"]).into_iter().map(|(path, text)| (path, text.lines().count())).filter(|(_, lines)| *lines > LONG);
    let long: Vec<_> = long.map(|(path, lines)| format!("{} has {lines} lines", path.display())).collect();
    expect_none(&format!("A file of more than {LONG} lines has a seam: split it there."), &long);
}

#[test]
fn only_the_nats_room_names_the_client_library() {
    // The laboratory speaks plain NATS: a checker that shares the product's code would share its faults.
    let at_home = |path: &Path| path.starts_with("crates/nats") || path.starts_with("crates/testkit");
    let strangers = files(&[".rs"]).into_iter().filter(|(path, text)| !at_home(path) && text.contains("async_nats"));
    let strangers: Vec<_> =
        strangers.map(|(path, _)| path).filter(|path| !path.ends_with("tidy.rs")).map(|path| path.display().to_string()).collect();
    expect_none("Only crates/nats knows async-nats: add what is missing there.", &strangers);
}

#[test]
fn what_the_gateway_speaks_is_known_in_the_gateway_only() {
    for (library, home) in [("rmcp", "crates/gateway/src/mcp/wire"), ("axum", "crates/gateway/src/mcp")] {
        // A name in a sentence is no use of it.
        let used = format!("{library}::");
        let uses = |text: &str| text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(&used));
        let strangers =
            files(&[".rs"]).into_iter().filter(|(path, text)| !path.starts_with(home) && !path.ends_with("tidy.rs") && uses(text));
        let strangers: Vec<_> = strangers.map(|(path, _)| path.display().to_string()).collect();
        expect_none(&format!("Only {home} knows {library}: add what is missing there."), &strangers);
    }
}

#[test]
fn subjects_are_spelled_in_one_place() {
    let spelled = files(&[".rs"]).into_iter().filter(|(path, _)| path.starts_with("crates") && !path.starts_with("crates/protocol"));
    let starts: Vec<_> =
        Kind::ALL.iter().map(|kind| format!("bus.{kind}.")).chain(["bus.*".to_owned(), "agentbus.ask".to_owned()]).collect();
    let code = |text: &str| text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
    let inner =
        |text: &str| code(text).lines().any(|line| !line.trim_start().starts_with("//") && starts.iter().any(|start| line.contains(start)));
    let spelled: Vec<_> = spelled
        .filter(|(path, text)| !path.components().any(|part| part.as_os_str() == "tests") && inner(text))
        .map(|(path, _)| path.display().to_string())
        .collect();
    expect_none("protocol::Space and protocol::Subject spell subjects; nothing else does.", &spelled);
}

#[test]
fn tests_wait_for_things_and_never_for_times() {
    let mut naps = Vec::new();
    for (path, text) in files(&[".rs"]) {
        let in_tests = path.components().any(|part| part.as_os_str() == "tests");
        let lines = text.lines().enumerate().filter(|(_, line)| line.contains("::sleep(") || line.contains("#[ignore"));
        if in_tests && !path.ends_with("tidy.rs") {
            naps.extend(lines.map(|(at, line)| format!("{}:{}: {}", path.display(), at + 1, line.trim())));
        }
    }
    expect_none("Wait for the thing itself (testkit::eventually); a test that is ignored tests nothing.", &naps);
}

#[test]
fn the_repository_names_no_machine_and_no_registry_host() {
    // Put together, so that this file does not hold what it looks for.
    let words = [
        ["/ro", "ot/"].concat(),
        ["/wo", "rk/"].concat(),
        ["files.python", "hosted.org"].concat(),
        ["static.crates", ".io"].concat(),
        ["registry.npm", "js.org"].concat(),
    ];
    let mut named = Vec::new();
    for (path, text) in files(&[".rs", ".toml", ".md", ".json", ".yml", ".yaml", "run"]) {
        named.extend(words.iter().filter(|word| text.contains(word.as_str())).map(|word| format!("{}: {word}", path.display())));
    }
    expect_none("Nothing here names a machine's paths or a registry's host.", &named);
}

#[test]
fn rooms_depend_one_way() {
    // Each room may use those before it (ARCHITECTURE.md).
    let order = ["protocol", "roster", "ledger", "nats", "agentbus", "coordinator", "handlers", "gateway", "cli"];
    let mut backwards = Vec::new();
    for (at, room) in order.iter().enumerate() {
        let Ok(manifest) = fs::read_to_string(root().join("crates").join(room).join("Cargo.toml")) else { continue };
        let uses = manifest.split("[dependencies]").nth(1).unwrap_or_default().split("\n[").next().unwrap_or_default();
        let later = order
            .iter()
            .skip(at + 1)
            .chain(["testkit"].iter())
            .filter(|later| uses.lines().any(|line| line.starts_with(&format!("{later}."))));
        backwards.extend(later.map(|later| format!("{room} depends on {later}")));
    }
    expect_none(
        "Dependencies run one way: protocol, roster and ledger, nats, agentbus, coordinator and handlers, gateway, cli.",
        &backwards,
    );
}
