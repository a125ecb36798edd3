//! Tests only: folders and real git repositories to inspect.

#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, process::Command};

use jiff::Timestamp;
use protocol::{Fact, Name};

use super::{Inspection, report::Report, tree::Tree};

/// A folder that goes away with the test.
pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[cfg(unix)]
    pub(super) fn link(&self, path: &str, to: &Path) {
        std::os::unix::fs::symlink(to, self.path().join(path)).unwrap();
    }

    /// Puts a named pipe in the place of a file.
    #[cfg(unix)]
    pub(super) fn pipe(&self, path: &str) {
        let path = self.path().join(path);
        if path.exists() {
            fs::remove_file(&path).unwrap();
        }
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[cfg(unix)]
    pub(super) fn executable(&self, path: &str) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(self.path().join(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Commits everything, in the name of this address, at this time.
    pub(super) fn commit(&self, email: &str, at: &str) {
        self.git(&["init", "--quiet", "--initial-branch=main"], email, at);
        self.git(&["add", "--all"], email, at);
        self.git(&["commit", "--quiet", "--allow-empty", "--message=A change"], email, at);
    }

    /// Runs git here, away from this machine's settings, and gives what it printed.
    pub(super) fn git(&self, args: &[&str], email: &str, at: &str) -> String {
        let mut command = Command::new("git");
        command.arg("-C").arg(self.path()).args(args);
        for (name, value) in [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null")] {
            command.env(name, value);
        }
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "Somebody");
            command.env(format!("GIT_{role}_EMAIL"), email);
            command.env(format!("GIT_{role}_DATE"), at);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What one inspector of files finds here.
    pub(super) fn inspect(&self, inspector: fn(&Tree, &mut Report)) -> Inspection {
        let mut report = Report::new(now(), observer());
        let tree = Tree::new(self.path(), &mut report);
        inspector(&tree, &mut report);
        report.finish()
    }
}

impl Inspection {
    /// The fact of this key.
    pub(super) fn fact(&self, key: &str) -> &Fact {
        self.facts.iter().find(|fact| fact.key.as_str() == key).unwrap()
    }
}

pub(super) fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

pub(super) fn observer() -> Name {
    "context-manager".parse().unwrap()
}
