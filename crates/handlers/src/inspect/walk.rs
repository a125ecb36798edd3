//! One bounded walk of the working folder, shared by all inspectors.
//!
//! Owns which files are seen and how they are read. It must never follow a link, leave the folder
//! or read without a limit.

use std::{
    cell::Cell,
    fs::{self, File as Handle},
    io::Read,
    path::{Path, PathBuf},
    sync::mpsc::{SyncSender, sync_channel},
};

use ignore::{DirEntry, WalkBuilder};

use super::report::Report;

/// The most files that are looked at, in the order of their paths.
const MAX_FILES: usize = 50_000;

/// The most folders and files together, so that a forest of empty folders ends too.
const MAX_ENTRIES: usize = 200_000;

/// How deep the walk goes.
const MAX_DEPTH: usize = 64;

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The most that one inspection reads in all, in bytes.
const MAX_TOTAL_BYTES: u64 = 128 * 1024 * 1024;

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

/// A regular file in the working folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// Where it is, from the working folder, with `/` between its parts.
    pub(super) path: String,
    /// Its size in bytes, when the walk saw it.
    pub(super) len: u64,
}

impl File {
    /// The last part of the path.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit_once('/').map_or(&self.path, |(_, name)| name)
    }

    /// The folder that it is in; empty for the working folder itself.
    pub(super) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// What follows the last dot of the name, if anything.
    pub(super) fn extension(&self) -> &str {
        self.name().rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// Whether it is YAML by its name.
    pub(super) fn is_yaml(&self) -> bool {
        matches!(self.extension(), "yaml" | "yml")
    }
}

/// The files of the working folder, sorted by path.
pub(super) struct Tree {
    root: PathBuf,
    /// The files, without those that git ignores and those that are not the repository's own.
    pub(super) files: Vec<File>,
    left_to_read: Cell<u64>,
}

impl Tree {
    /// Walks a folder. What cannot be looked at is skipped with its reason.
    pub(super) fn walk(root: &Path, report: &mut Report) -> Self {
        let mut files = Vec::new();
        let (refuse, refused) = sync_channel(100);
        for (seen, entry) in walker(root, refuse).enumerate() {
            if files.len() == MAX_FILES || seen == MAX_ENTRIES {
                report.skip("the folder", format_args!("only its first {} files were looked at", files.len()));
                report.caveat("the folder holds more files than are looked at");
                break;
            }
            match entry {
                Ok(entry) if !is_file(&entry) => {}
                Ok(entry) => files.extend(file(root, &entry, report)),
                Err(error) => report.skip("a folder", error),
            }
        }
        for folder in refused.try_iter() {
            report.skip(&folder, "its ignore file is no regular file of at most 64 KiB");
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { root: root.to_owned(), files, left_to_read: Cell::new(MAX_TOTAL_BYTES) }
    }

    /// Where a file really is.
    pub(super) fn locate(&self, file: &File) -> PathBuf {
        self.root.join(&file.path)
    }

    /// The content of a file.
    ///
    /// # Errors
    /// Why it was not read, in words: too large, unreadable, or the reading limit is used up.
    pub(super) fn bytes(&self, file: &File) -> Result<Vec<u8>, String> {
        if file.len > MAX_FILE_BYTES {
            return Err("larger than 1 MiB".to_owned());
        }
        let left = self.left_to_read.get().checked_sub(file.len).ok_or("the reading limit of 128 MiB is used up")?;
        self.left_to_read.set(left);
        let mut content = Vec::new();
        // The file may have grown since the walk saw it.
        let read = Handle::open(self.locate(file)).and_then(|handle| handle.take(MAX_FILE_BYTES).read_to_end(&mut content));
        read.map(|_| content).map_err(|error| error.to_string())
    }

    /// The content of a file that must be text; otherwise the file is skipped with the reason.
    pub(super) fn text(&self, file: &File, report: &mut Report) -> Option<String> {
        let text = self.bytes(file).and_then(|content| {
            if content.contains(&0) {
                return Err("not a text file".to_owned());
            }
            String::from_utf8(content).map_err(|_| "not UTF-8 text".to_owned())
        });
        text.map_err(|why| report.skip(&file.path, why)).ok()
    }
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
    let safe = [".gitignore", ".ignore"].iter().all(|name| is_safe_ignore_file(&entry.path().join(name)));
    if !safe {
        // A full channel only loses the mention of one more folder.
        let _ = refuse.try_send(name.into_owned());
    }
    safe
}

/// Whether the walk may read this ignore file, before it does so without a limit: a link to
/// `/dev/zero` would fill the memory, and a named pipe would stop the walk for good.
fn is_safe_ignore_file(path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.is_file() && metadata.len() <= MAX_IGNORE_BYTES,
        Err(_) => true,
    }
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
    use super::*;
    use crate::inspect::fixture::{Folder, now, observer};

    fn paths(folder: &Folder) -> (Vec<String>, Vec<String>) {
        let mut report = Report::new(now(), observer());
        let tree = Tree::walk(folder.path(), &mut report);
        (tree.files.into_iter().map(|file| file.path).collect(), report.finish().skipped)
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

    #[test]
    fn reading_has_limits() {
        let folder = Folder::new();
        folder.write("large", "x".repeat(1024 * 1024 + 1));
        folder.write("binary", "a\0b");
        folder.write("latin", b"\xe9");
        folder.write("text", "x");
        let mut report = Report::new(now(), observer());
        let tree = Tree::walk(folder.path(), &mut report);
        let texts: Vec<_> = tree.files.iter().filter_map(|file| tree.text(file, &mut report)).collect();
        assert_eq!(texts, ["x"]);
        tree.left_to_read.set(0);
        assert!(tree.files.iter().all(|file| tree.bytes(file).is_err()));
        assert_eq!(report.finish().skipped, ["binary: not a text file", "large: larger than 1 MiB", "latin: not UTF-8 text"]);
    }

    #[test]
    fn a_path_has_parts() {
        let file = |path: &str| File { path: path.to_owned(), len: 0 };
        let (nested, plain) = (file("a/b/c.tar.gz"), file("Makefile"));
        assert_eq!((nested.folder(), nested.name(), nested.extension()), ("a/b", "c.tar.gz", "gz"));
        assert_eq!((plain.folder(), plain.name(), plain.extension()), ("", "Makefile", ""));
    }
}
