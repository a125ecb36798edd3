//! One bounded walk of the working folder, shared by all inspectors.
//!
//! Owns which files are seen. It must never follow a link, leave the folder, or let a hostile
//! ignore file stop it. Next: `tree` (how the files are read).

use std::{
    fs,
    path::Path,
    sync::mpsc::{SyncSender, sync_channel},
};

use ignore::{DirEntry, WalkBuilder};

use super::{report::Report, tree::File};

/// The most folders and files together, so that a forest of empty folders ends too.
const MAX_ENTRIES: usize = 200_000;

/// How deep the walk goes.
const MAX_DEPTH: usize = 64;

/// Why a folder is not entered.
const UNSAFE: &str = "its ignore file is no regular file of at most 64 KiB";

/// The largest `.gitignore` or `.ignore`, in bytes.
const MAX_IGNORE_BYTES: u64 = 64 * 1024;

/// Folders of other people's code, of caches and of the bus's own data. `.gitignore` names most of
/// them anyway, but not always.
const NOT_OURS: &[&str] = &[
    ".git",
    ".hg",
    ".svn",
    ".jj",
    ".agentbus",
    ".terraform",
    ".tox",
    ".venv",
    "venv",
    "__pycache__",
    "site-packages",
    "node_modules",
    "bower_components",
    "vendor",
    "third_party",
];

/// The first `max_files` files below an absolute folder, sorted by path, without those that git
/// ignores and those that are not the repository's own. What cannot be looked at is skipped with
/// its reason.
pub(super) fn walk(root: &Path, max_files: usize, report: &mut Report) -> Vec<File> {
    // Rules of the folders above count too, as they do for git.
    if let Some(folder) = root.ancestors().find(|folder| !is_safe(folder)) {
        report.skip(&folder.to_string_lossy(), UNSAFE);
        return Vec::new();
    }
    let mut files = Vec::new();
    let (refuse, refused) = sync_channel(100);
    for (seen, entry) in walker(root, refuse).enumerate() {
        match entry {
            Ok(_) if files.len() == max_files || seen == MAX_ENTRIES => {
                report.skip("the folder", format_args!("only its first {} files were looked at", files.len()));
                report.caveat("the folder holds more files than are looked at");
                break;
            }
            Ok(entry) if !is_file(&entry) => {}
            Ok(entry) => files.extend(file(root, &entry, report)),
            Err(error) => report.skip("a folder", error),
        }
    }
    for folder in refused.try_iter() {
        report.skip(&folder, UNSAFE);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn walker(root: &Path, refuse: SyncSender<String>) -> ignore::Walk {
    WalkBuilder::new(root)
        .hidden(false)
        .follow_links(false)
        // A folder's own rules count even where it is no git repository; this machine's do not.
        .require_git(false)
        .git_global(false)
        .git_exclude(false)
        .max_depth(Some(MAX_DEPTH))
        .sort_by_file_name(std::cmp::Ord::cmp)
        .filter_entry(move |entry| is_ours(entry, &refuse))
        .build()
}

fn is_ours(entry: &DirEntry, refuse: &SyncSender<String>) -> bool {
    if !entry.file_type().is_some_and(|kind| kind.is_dir()) {
        return true;
    }
    let name = entry.file_name().to_string_lossy();
    if entry.depth() > 0 && NOT_OURS.contains(&name.as_ref()) {
        return false;
    }
    let safe = is_safe(entry.path());
    if !safe {
        // A full channel only loses the mention of one more folder.
        let _ = refuse.try_send(name.into_owned());
    }
    safe
}

/// Whether the walk may read the ignore files of a folder, which it does without a limit: a link
/// to `/dev/zero` would fill the memory, and a named pipe would stop the walk for good.
fn is_safe(folder: &Path) -> bool {
    [".gitignore", ".ignore"].iter().all(|name| match fs::symlink_metadata(folder.join(name)) {
        Ok(metadata) => metadata.is_file() && metadata.len() <= MAX_IGNORE_BYTES,
        Err(_) => true,
    })
}

fn is_file(entry: &DirEntry) -> bool {
    entry.file_type().is_some_and(|kind| kind.is_file())
}

/// The file of an entry. A name that cannot be written down, or that would garble what prints it,
/// is skipped.
fn file(root: &Path, entry: &DirEntry, report: &mut Report) -> Option<File> {
    let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
    let parts: Option<Vec<_>> = path.iter().map(|part| part.to_str()).collect();
    let Some(path) = parts.map(|parts| parts.join("/")).filter(|path| !path.contains(char::is_control)) else {
        report.skip(&path.to_string_lossy(), "the name is not printable UTF-8");
        return None;
    };
    match entry.metadata() {
        Ok(metadata) => Some(File { path, len: metadata.len() }),
        Err(error) => {
            report.skip(&path, error);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::inspect::fixture::{Folder, now, observer};

    fn walked(folder: &Folder, max_files: usize) -> (Vec<String>, Vec<String>) {
        let mut report = Report::new(now(), observer());
        let files = walk(&folder.path().canonicalize().unwrap(), max_files, &mut report);
        (files.into_iter().map(|file| file.path).collect(), report.finish().skipped)
    }

    fn paths(folder: &Folder) -> (Vec<String>, Vec<String>) {
        walked(folder, 100)
    }

    #[test]
    fn the_walk_ends_and_says_so() {
        let folder = Folder::new();
        for path in ["a", "b/c", "d"] {
            folder.write(path, "x");
        }
        assert_eq!(walked(&folder, 3), (vec!["a".into(), "b/c".into(), "d".into()], vec![]));
        assert_eq!(walked(&folder, 2), (vec!["a".into(), "b/c".into()], vec!["the folder: only its first 2 files were looked at".into()]));
    }

    #[cfg(unix)]
    #[test]
    fn a_hostile_ignore_file_at_the_top_costs_everything() {
        let folder = Folder::new();
        folder.write("sub/a", "x");
        folder.pipe(".gitignore");
        for path in [folder.path().to_owned(), folder.path().join("sub")] {
            let mut report = Report::new(now(), observer());
            assert_eq!(walk(&path.canonicalize().unwrap(), 100, &mut report), []);
            assert_eq!(report.finish().skipped.len(), 1);
        }
    }

    #[test]
    fn the_walk_sees_the_repositorys_own_files() {
        let folder = Folder::new();
        for path in [".github/workflows/ci.yml", "a.rs", "b/c.rs", ".git/config", "node_modules/x/y.js", ".agentbus/data", "out/d.rs"] {
            folder.write(path, "x");
        }
        folder.write(".gitignore", "out/\n");
        assert_eq!(paths(&folder), (vec![".github/workflows/ci.yml".into(), ".gitignore".into(), "a.rs".into(), "b/c.rs".into()], vec![]));
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_nowhere() {
        let (folder, elsewhere) = (Folder::new(), Folder::new());
        elsewhere.write("secret", "x");
        folder.write("a/b", "x");
        folder.link("a/loop", folder.path());
        folder.link("a/out", elsewhere.path());
        folder.link("a/file", &elsewhere.path().join("secret"));
        folder.link("a/broken", Path::new("/nowhere"));
        assert_eq!(paths(&folder), (vec!["a/b".into()], vec![]));
    }

    #[cfg(unix)]
    #[test]
    fn a_hostile_ignore_file_costs_its_folder() {
        let folder = Folder::new();
        for path in ["endless/a", "stuck/a", "huge/a", "good/a"] {
            folder.write(path, "x");
        }
        folder.link("endless/.gitignore", Path::new("/dev/zero"));
        folder.pipe("stuck/.ignore");
        folder.pipe("good/pipe");
        folder.write("huge/.gitignore", "x\n".repeat(40_000));
        let (paths, mut skipped) = paths(&folder);
        skipped.sort();
        assert_eq!(paths, ["good/a"]);
        assert_eq!(skipped.len(), 3, "{skipped:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_cannot_be_printed_are_skipped() {
        use std::os::unix::ffi::OsStrExt;
        let folder = Folder::new();
        folder.write(std::ffi::OsStr::from_bytes(b"Dockerfile.\xff"), "FROM x");
        folder.write("Dockerfile\n\u{1b}[31m", "FROM x");
        let (paths, skipped) = paths(&folder);
        assert!(paths.is_empty());
        assert_eq!(skipped.len(), 2);
        assert!(skipped.iter().all(|line| line.ends_with("the name is not printable UTF-8") && !line.contains(char::is_control)));
    }
}
