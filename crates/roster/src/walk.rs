//! Finds the definition files of a folder and reads their bytes. Knows nothing of what is in them.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use ignore::{DirEntry, Walk, WalkBuilder};

use crate::{Diagnostic, Place};

/// Folders that never hold definitions of their own. Others are searched, hidden ones too.
const SKIPPED: [&str; 3] = [".agentbus", ".git", "node_modules"];

/// The `*.md` files of a folder, to the bottom, sorted by path. Links are followed, loops are not. A
/// path that is a file is itself the only one.
pub(crate) fn files(folder: &Path, diagnostics: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    if !folder.exists() {
        let message = format!("there is no file or folder {}", folder.display());
        let finding = Diagnostic::error("no_such_folder", folder, Place::START, message);
        diagnostics.push(finding.hint("give the folder that holds the agent definition files"));
        return Vec::new();
    }
    if !folder.is_dir() && !folder.is_file() {
        // A pipe or a device: opening it could wait for ever, or never end.
        diagnostics.push(Diagnostic::error("unreadable", folder, Place::START, "is neither a file nor a folder"));
        return Vec::new();
    }
    let mut files = Vec::new();
    for entry in walk(folder) {
        match entry {
            Ok(entry) if is_definition(&entry) => files.push(entry.into_path()),
            Ok(_) => {}
            Err(error) => diagnostics.extend(unreadable(folder, &error)),
        }
    }
    files.sort();
    files
}

/// Every folder in which [`load`](crate::load()) looks for definitions, this one first: for whoever watches them.
/// None, where it is no folder.
#[must_use]
pub fn folders(folder: &Path) -> Vec<PathBuf> {
    let is_folder = |entry: &DirEntry| entry.file_type().is_some_and(|kind| kind.is_dir());
    walk(folder).flatten().filter(is_folder).map(DirEntry::into_path).collect()
}

fn walk(folder: &Path) -> Walk {
    WalkBuilder::new(folder).standard_filters(false).follow_links(true).filter_entry(wanted).build()
}

/// At most `max` bytes and one more, by which the caller sees that there are more.
pub(crate) fn bytes(path: &Path, max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn wanted(entry: &DirEntry) -> bool {
    !SKIPPED.iter().any(|name| entry.file_name() == *name)
}

fn is_definition(entry: &DirEntry) -> bool {
    let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
    let markdown = entry.path().extension().is_some_and(|extension| extension.eq_ignore_ascii_case("md"));
    is_file && (markdown || entry.depth() == 0)
}

/// What could not be searched. A loop is not worth a word: everything in it is found anyway.
fn unreadable(folder: &Path, error: &ignore::Error) -> Option<Diagnostic> {
    let mut path = folder;
    let mut inner = error;
    loop {
        match inner {
            ignore::Error::Loop { .. } => return None,
            ignore::Error::WithPath { path: at, err } => (path, inner) = (at, err),
            ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => inner = err,
            _ => break,
        }
    }
    Some(Diagnostic::error("unreadable", path, Place::START, format!("cannot be read: {inner}")))
}
