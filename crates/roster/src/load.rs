//! Loads folders of definition files. What cannot be loaded is reported; the others load.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::{Path, PathBuf},
};

use protocol::Name;

use crate::{Definition, Diagnostic, Place, definition, extends, read, walk};

/// The largest file that is read, in bytes: 1 MiB.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;

/// What was found in a list of folders.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The definitions, by folder and then by path.
    pub definitions: Vec<Definition>,
    /// What is wrong, in the order in which it was found.
    pub diagnostics: Vec<Diagnostic>,
    /// How many files with front matter were found. Others are not definitions, and not counted.
    pub files: usize,
    /// The agents that [`crate::reload`] kept as they were, since there is nothing right in their place.
    pub kept: BTreeSet<Name>,
    /// Those of them whose file is not there: the next time, they are not kept.
    pub missing: BTreeSet<Name>,
}

impl Loaded {
    /// Whether something could not be loaded.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The definition of an agent.
    #[must_use]
    pub fn get(&self, name: &Name) -> Option<&Definition> {
        self.definitions.iter().find(|definition| definition.name == *name)
    }
}

/// Loads every definition in these folders, searched to the bottom; a path may also be one file.
///
/// On a clash between folders the earlier one wins, with a warning. Two files of one name in
/// one folder are an error, and the first by path is kept. A file that is reached twice is read once.
#[must_use]
pub fn load(folders: &[PathBuf]) -> Loaded {
    let mut loaded = read_all(folders);
    extends::resolve(&mut loaded.definitions, &mut loaded.diagnostics);
    introduce(&mut loaded.definitions);
    loaded
}

/// Each definition by itself.
pub(crate) fn read_all(folders: &[PathBuf]) -> Loaded {
    let mut loading = Loading::default();
    for (index, folder) in folders.iter().enumerate() {
        for path in walk::files(folder, &mut loading.loaded.diagnostics) {
            loading.file(index, &path, path == *folder);
        }
    }
    loading.loaded
}

/// Reads whom each works with, now that all names are known.
pub(crate) fn introduce(definitions: &mut [Definition]) {
    let known: BTreeSet<Name> = definitions.iter().flat_map(names).cloned().collect();
    for definition in definitions {
        definition.find_integration(&known);
    }
}

/// Every name that an agent goes by.
pub(crate) fn names(definition: &Definition) -> impl Iterator<Item = &Name> {
    std::iter::once(&definition.name).chain(definition.bus.aliases.iter().flatten())
}

#[derive(Default)]
struct Loading {
    loaded: Loaded,
    /// Files that were read, by their real path.
    seen: HashSet<PathBuf>,
    /// Who has a name: the folder's index, the file, and the place of the name.
    taken: BTreeMap<Name, (usize, PathBuf, Place)>,
}

impl Loading {
    /// Reads a file of a folder. One that was `named` must be a definition; others may be anything.
    fn file(&mut self, folder: usize, path: &Path, named: bool) {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if !self.seen.insert(real) {
            return;
        }
        let text = match text(path, named) {
            Ok(Some(text)) => text,
            Ok(None) => return,
            Err(finding) => {
                self.loaded.files += 1;
                return self.loaded.diagnostics.push(*finding);
            }
        };
        self.loaded.files += 1;
        let (definition, found) = definition::parse(path, &text);
        self.loaded.diagnostics.extend(found);
        if let Some(definition) = definition {
            self.admit(folder, definition);
        }
    }

    fn admit(&mut self, folder: usize, definition: Definition) {
        let (name, place) = (&definition.name, definition.place("name"));
        if let Some((earlier, path, at)) = self.taken.get(name) {
            let there = format!("{}:{}", path.display(), at.line);
            let finding = if *earlier == folder {
                let message = format!("'{name}' is defined twice in one folder: here and in {there}");
                Diagnostic::error("duplicate_agent", &definition.path, place, message).hint("rename one, or remove it")
            } else {
                let message = format!("'{name}' is left out: {there}, in an earlier folder, has the same name");
                Diagnostic::warning("shadowed_agent", &definition.path, place, message)
            };
            return self.loaded.diagnostics.push(finding);
        }
        self.taken.insert(name.clone(), (folder, definition.path.clone(), place));
        self.loaded.definitions.push(definition);
    }
}

/// The text of a file; `None` if it is no definition.
fn text(path: &Path, named: bool) -> Result<Option<String>, Box<Diagnostic>> {
    let wrong = |code, place, message: String| Err(Box::new(Diagnostic::error(code, path, place, message)));
    let bytes = match walk::bytes(path, MAX_FILE_BYTES) {
        Ok(bytes) => bytes,
        Err(error) => return wrong("unreadable", Place::START, format!("cannot be read: {error}")),
    };
    if !named && !read::begins(&bytes) {
        return Ok(None);
    }
    if bytes.len() > MAX_FILE_BYTES {
        return wrong("too_large", Place::START, "the file is larger than 1 MiB".to_owned());
    }
    String::from_utf8(bytes).map(Some).or_else(|error| {
        let valid = error.utf8_error().valid_up_to();
        let place = end_of(&String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or_default()));
        wrong("not_utf8", place, "the file is not UTF-8: this byte belongs to no character".to_owned())
    })
}

/// The place after a text.
fn end_of(text: &str) -> Place {
    let last = text.rsplit('\n').next().unwrap_or_default();
    Place { line: text.matches('\n').count() + 1, column: last.chars().count() + 1, offset: text.len(), len: 1 }
}
