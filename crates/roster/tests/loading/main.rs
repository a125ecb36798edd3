//! Definition files as they are found in the wild, read from disk: what loads, what is reported and
//! where, and to whom queries then go. The fixtures are in `tests/fixtures`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod cases;
mod definitions;
mod describing;
mod folders;
mod hostile;
mod linting;
mod many;
mod routing;
mod scoring;
mod seeds;
mod settled;
mod shipped;

use std::path::PathBuf;

use protocol::Name;
use roster::{Definition, Diagnostic, Loaded};

/// A path below `tests/fixtures`.
fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)
}

/// Loads folders or files below `tests/fixtures`.
fn load(paths: &[&str]) -> Loaded {
    roster::load(&paths.iter().map(|path| fixture(path)).collect::<Vec<_>>())
}

/// The one definition in a fixture, findings or not.
fn definition(path: &str) -> Definition {
    let mut loaded = load(&[path]);
    assert_eq!(loaded.definitions.len(), 1, "{:?}", loaded.diagnostics);
    loaded.definitions.remove(0)
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn names(loaded: &Loaded) -> Vec<&str> {
    loaded.definitions.iter().map(|definition| definition.name.as_str()).collect()
}

/// Findings in brief: `file:line:column severity code`.
fn brief(found: &[Diagnostic]) -> Vec<String> {
    let brief = |d: &Diagnostic| {
        let file = d.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        format!("{file}:{}:{} {} {}", d.place.line, d.place.column, d.severity.as_str(), d.code)
    };
    found.iter().map(brief).collect()
}
