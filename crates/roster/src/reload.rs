//! Loading again while agents run. A file that is broken, or away for as long as renaming takes, keeps the
//! definition that it had; everything else is as [`load()`](crate::load()) finds it.
//!
//! It has no clock: how often to look is the caller's business.

use std::path::{Path, PathBuf};

use crate::{Definition, Diagnostic, Loaded, Place, extends, load};

/// What has become of a definition that there was.
enum Fate {
    /// Its file, or its name, has another definition now, or the same again.
    Replaced,
    /// What stands in its place is wrong.
    Broken,
    /// Its file holds no definition any more.
    Emptied,
    /// Its file is gone.
    Gone,
}

/// Loads every definition in these folders again. `before` is what the last look found.
///
/// An agent keeps its earlier definition ([`Loaded::kept`]) while its file has an error, or holds no definition
/// (`no_definition`: half of it may have been written). One whose file is gone keeps it for one look
/// ([`Loaded::missing`]); in the next one it is gone for good.
#[must_use]
pub fn reload(folders: &[PathBuf], before: &Loaded) -> Loaded {
    let mut loaded = load::read_all(folders);
    keep(&mut loaded, before);
    extends::resolve(&mut loaded.definitions, &mut loaded.diagnostics);
    // Those that have come to extend each other in a circle are broken, too; with them back, others inherit again.
    let kept = loaded.kept.len();
    keep(&mut loaded, before);
    if loaded.kept.len() > kept {
        loaded.diagnostics.retain(|finding| finding.code != "unknown_parent");
        extends::resolve(&mut loaded.definitions, &mut loaded.diagnostics);
    }
    load::introduce(&mut loaded.definitions);
    loaded
}

fn keep(loaded: &mut Loaded, before: &Loaded) {
    for definition in &before.definitions {
        match fate(definition, loaded) {
            Fate::Replaced => continue,
            Fate::Broken => {}
            Fate::Emptied => loaded.diagnostics.push(emptied(&definition.path)),
            Fate::Gone if before.missing.contains(&definition.name) => continue,
            Fate::Gone => drop(loaded.missing.insert(definition.name.clone())),
        }
        loaded.definitions.retain(|other| other.name != definition.name);
        loaded.definitions.push(definition.clone());
        loaded.kept.insert(definition.name.clone());
    }
}

fn fate(definition: &Definition, loaded: &Loaded) -> Fate {
    let path = &definition.path;
    if loaded.definitions.iter().any(|other| other.path == *path) {
        return Fate::Replaced;
    }
    // A folder that is not there is no mistake in its files: they are gone with it.
    let is_wrong = |finding: &&Diagnostic| finding.is_error() && finding.code != "no_such_folder" && path.starts_with(&finding.file);
    if loaded.diagnostics.iter().any(|finding| is_wrong(&finding)) {
        return Fate::Broken;
    }
    if loaded.get(&definition.name).is_some() {
        return Fate::Replaced;
    }
    if path.try_exists().unwrap_or(true) { Fate::Emptied } else { Fate::Gone }
}

fn emptied(path: &Path) -> Diagnostic {
    let finding = Diagnostic::error("no_definition", path, Place::START, "the file holds no definition any more");
    finding.hint("delete the file to stop its agent")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    /// A folder, and what the last look at it found.
    struct Watched(TempDir, Loaded);

    impl Watched {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
            let loaded = load::load(&[folder.path().to_owned()]);
            Self(folder, loaded)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.0.path().join(name), text).unwrap();
        }

        fn remove(&self, name: &str) {
            fs::remove_file(self.0.path().join(name)).unwrap();
        }

        /// Each agent with its description, by name; then the codes of what is wrong.
        fn look(&mut self) -> (Vec<String>, Vec<&'static str>) {
            self.1 = reload(&[self.0.path().to_owned()], &self.1);
            let brief = |definition: &Definition| format!("{}: {}", definition.name, definition.description);
            let mut agents: Vec<_> = self.1.definitions.iter().map(brief).collect();
            agents.sort();
            (agents, self.1.diagnostics.iter().map(|finding| finding.code).collect())
        }
    }

    fn agent(name: &str, description: &str) -> String {
        format!("---\nname: {name}\ndescription: {description}\n---\nBody.\n")
    }

    #[test]
    fn a_broken_file_keeps_its_definition_until_it_is_mended() {
        let mut watched = Watched::new(&[("a.md", &agent("a", "one")), ("b.md", &agent("b", "one"))]);
        for (broken, code) in
            [("---\nname: a\ndescr", "front_matter_unclosed"), ("", "no_definition"), ("---\nname: a b\n---\n", "bad_name")]
        {
            watched.write("a.md", broken);
            assert_eq!(watched.look(), (vec!["a: one".to_owned(), "b: one".to_owned()], vec![code]), "{broken:?}");
            assert_eq!(watched.1.kept.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["a"]);
        }
        watched.write("a.md", &agent("a", "two"));
        assert_eq!(watched.look(), (vec!["a: two".to_owned(), "b: one".to_owned()], vec![]));
        assert!(watched.1.kept.is_empty());
    }

    #[test]
    fn a_file_that_is_away_for_one_look_was_only_being_renamed() {
        let mut watched = Watched::new(&[("a.md", &agent("a", "one"))]);
        watched.remove("a.md");
        assert_eq!(watched.look().0, ["a: one"]);
        assert_eq!(watched.1.missing.len(), 1);
        watched.write("a.md", &agent("a", "two"));
        assert_eq!(watched.look().0, ["a: two"]);
        watched.remove("a.md");
        assert_eq!((watched.look().0.len(), watched.look().0.len()), (1, 0));
        assert!(watched.1.kept.is_empty() && watched.1.missing.is_empty());
    }

    #[test]
    fn a_file_that_moves_or_changes_its_name_leaves_nothing_behind() {
        let mut watched = Watched::new(&[("a.md", &agent("a", "one")), ("b.md", &agent("b", "one"))]);
        fs::rename(watched.0.path().join("a.md"), watched.0.path().join("c.md")).unwrap();
        watched.write("b.md", &agent("d", "two"));
        assert_eq!(watched.look(), (vec!["a: one".to_owned(), "d: two".to_owned()], vec![]));
        assert!(watched.1.kept.is_empty());
    }

    #[test]
    fn a_second_file_of_a_name_does_not_take_it_away() {
        let mut watched = Watched::new(&[("b.md", &agent("x", "one"))]);
        watched.write("a.md", &agent("x", "copied"));
        assert_eq!(watched.look(), (vec!["x: one".to_owned()], vec!["duplicate_agent"]));
    }

    #[test]
    fn who_comes_to_extend_in_a_circle_stays_as_it_was() {
        let weighted = |name: &str, parent: &str| {
            format!("---\nname: {name}\ndescription: one\nextends: {parent}\nweights: {{domain: {{{name}: 1}}}}\n---\n")
        };
        let mut watched = Watched::new(&[("a.md", &weighted("a", "b")), ("b.md", &weighted("b", "")), ("c.md", &weighted("c", "a"))]);
        watched.write("b.md", &weighted("b", "a"));
        let (agents, found) = watched.look();
        assert_eq!((agents.len(), found.iter().filter(|code| **code == "extends_cycle").count()), (3, 2), "{found:?}");
        let weights = watched.1.get(&"c".parse().unwrap()).unwrap().profile.weights.clone().unwrap();
        assert_eq!(["a", "b", "c"].map(|of| weights.get("domain", of)), [1, 1, 1]);
    }

    #[test]
    fn a_child_inherits_from_a_parent_that_is_kept() {
        let parent = "---\nname: p\ndescription: one\nweights: {domain: {ml: 3}}\n---\n";
        let mut watched = Watched::new(&[("p.md", parent), ("c.md", "---\nname: c\nextends: p\n---\n")]);
        watched.write("p.md", "---\nname");
        watched.look();
        let child = watched.1.get(&"c".parse().unwrap()).unwrap();
        assert_eq!(child.profile.weights.as_ref().unwrap().get("domain", "ml"), 3);
        assert!(!watched.1.diagnostics.iter().any(|finding| finding.code == "unknown_parent"));
    }
}
