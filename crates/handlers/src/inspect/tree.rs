//! The files of the working folder, and how they are read.
//!
//! Owns the limits on reading. It must never read a file that the walk did not see, or more of it
//! than the limit. Next: `walk` (which files there are).

use std::{
    cell::Cell,
    fs::File as Handle,
    io::Read,
    path::{Path, PathBuf},
};

use super::{report::Report, walk::walk};

/// The most files that are looked at, in the order of their paths.
const MAX_FILES: usize = 50_000;

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The most that one inspection reads in all, in bytes.
const MAX_TOTAL_BYTES: u64 = 128 * 1024 * 1024;

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

/// The files of the working folder.
pub(super) struct Tree {
    root: PathBuf,
    /// The repository's own files, sorted by path.
    pub(super) files: Vec<File>,
    left_to_read: Cell<u64>,
}

impl Tree {
    /// Looks for the files of a folder. A folder that cannot be looked at has none, and is skipped
    /// with its reason.
    pub(super) fn new(root: &Path, report: &mut Report) -> Self {
        let (root, files) = match root.canonicalize() {
            Ok(root) => {
                let files = walk(&root, MAX_FILES, report);
                (root, files)
            }
            Err(error) => {
                report.skip("the folder", error);
                (root.to_owned(), Vec::new())
            }
        };
        Self { root, files, left_to_read: Cell::new(MAX_TOTAL_BYTES) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::fixture::{Folder, now, observer};

    #[test]
    fn reading_has_limits() {
        let folder = Folder::new();
        folder.write("large", "x".repeat(1024 * 1024 + 1));
        folder.write("binary", "a\0b");
        folder.write("latin", b"\xe9");
        folder.write("text", "x");
        let mut report = Report::new(now(), observer());
        let tree = Tree::new(folder.path(), &mut report);
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
