//! Which files matter to the agents, and so which folders to watch and which events to heed. Watches nothing
//! itself.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf, absolute},
};

use notify::{
    Event, EventKind,
    event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind},
};
use roster::Definition;

/// What matters; all paths are absolute.
#[derive(Debug, Default)]
pub(super) struct Matters {
    /// Folders of definitions, and definitions that were named.
    folders: Vec<PathBuf>,
    /// Other files.
    files: Vec<PathBuf>,
    /// Files to which links lead.
    linked: BTreeSet<PathBuf>,
}

impl Matters {
    /// Folders of definitions and other files, which need not be there.
    pub(super) fn new(folders: &[PathBuf], files: &[PathBuf]) -> io::Result<Self> {
        let all = |paths: &[PathBuf]| paths.iter().map(absolute).collect::<io::Result<Vec<_>>>();
        Ok(Self { folders: all(folders)?, files: all(files)?, linked: BTreeSet::new() })
    }

    /// Links among the files of the definitions lead to files that matter, too.
    pub(super) fn link(&mut self, definitions: &[Definition]) {
        self.linked = definitions.iter().filter_map(|definition| target(&definition.path)).collect();
    }

    /// The folders to watch, as things are now.
    pub(super) fn places(&self) -> BTreeSet<PathBuf> {
        let mut places: BTreeSet<_> = self.folders.iter().flat_map(|folder| roster::folders(folder)).collect();
        let all = self.folders.iter().chain(&self.files).chain(&self.linked);
        places.extend(all.filter_map(|path| path.ancestors().skip(1).find(|above| above.is_dir())).map(Path::to_owned));
        places
    }

    /// Whether an event is a reason to look.
    pub(super) fn is_about(&self, event: &Event) -> bool {
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
            // We read them ourselves.
            EventKind::Access(_) => return false,
            _ if event.need_rescan() => return true,
            _ => {}
        }
        // What happens to a file that is no definition does not matter, but it may be a folder or a link to one.
        let is_content = matches!(
            event.kind,
            EventKind::Access(_)
                | EventKind::Create(CreateKind::File)
                | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_))
                | EventKind::Remove(RemoveKind::File)
        );
        event.paths.iter().any(|path| self.is_one(path) || (self.is_within(path) && (is_markdown(path) || !is_content)))
    }

    /// Whether it is a thing that matters, or above one.
    fn is_one(&self, path: &Path) -> bool {
        self.folders.iter().chain(&self.files).chain(&self.linked).any(|one| one.starts_with(path))
    }

    fn is_within(&self, path: &Path) -> bool {
        self.folders.iter().any(|folder| path.starts_with(folder))
    }
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("md"))
}

/// Where a link leads; none, for a file that is none.
fn target(path: &Path) -> Option<PathBuf> {
    let (real, here) = (path.canonicalize().ok()?, path.parent()?.canonicalize().ok()?);
    (real.parent() != Some(&here)).then_some(real)
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{DataChange, RenameMode};

    #[test]
    fn only_what_matters_is_a_reason_to_look() {
        let matters = Matters {
            folders: vec!["/w/.claude/agents".into()],
            files: vec!["/w/agentbus.toml".into()],
            linked: BTreeSet::from(["/shared/qa.md".into()]),
        };
        let is_about = |kind: EventKind, path: &str| matters.is_about(&Event::new(kind).add_path(path.into()));
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        for path in ["/w/.claude/agents/a.md", "/w/.claude/agents/sub/a.MD", "/w/agentbus.toml", "/shared/qa.md"] {
            assert!(is_about(written, path), "{path}");
            assert!(!is_about(EventKind::Access(AccessKind::Open(AccessMode::Any)), path), "{path}");
        }
        for path in ["/w/.claude/agents/notes.txt", "/w/README.md", "/w/.claude/settings.md", "/shared/b.md", "/w/agentbus.toml~"] {
            assert!(!is_about(written, path), "{path}");
        }
        assert!(is_about(EventKind::Create(CreateKind::Folder), "/w/.claude") && is_about(renamed, "/w/.claude/agents/..data"));
        assert!(!is_about(EventKind::Create(CreateKind::Folder), "/w/target"));
    }
}
