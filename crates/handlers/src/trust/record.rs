//! The record of what is trusted: one JSON file of the user's, outside every repository.
//!
//! It is written whole, so that nobody reads half of it, and is readable by its owner only.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Grant, Untrusted};

/// The only version of the file that there is.
const VERSION: u32 = 1;

/// What is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    grants: Vec<Grant>,
}

impl Default for Record {
    fn default() -> Self {
        Self { version: VERSION, grants: Vec::new() }
    }
}

/// The record cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system says no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The record.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no record, or one of a later version.
    #[error("{}: {why}", path.display())]
    Garbled {
        /// The record.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl RecordError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "trust_record_io",
            Self::Garbled { .. } => "trust_record_garbled",
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => "The record lies where AGENTBUS_TRUST says, else in ~/.config/agentbus.",
            Self::Garbled { .. } => "Move the file away, and trust again what is to run.",
        }
    }
}

impl Record {
    /// Reads the record; where there is none, nothing is trusted.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub fn read(path: &Path) -> Result<Self, RecordError> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(RecordError::Io { path: path.to_owned(), source }),
        };
        let garbled = |why: String| RecordError::Garbled { path: path.to_owned(), why };
        let record: Self = serde_json::from_slice(&text).map_err(|error| garbled(error.to_string()))?;
        if record.version == VERSION { Ok(record) } else { Err(garbled(format!("version {} is not known here", record.version))) }
    }

    /// Reads the record, changes it, and writes it. Two who do so at once go one after the other.
    ///
    /// # Errors
    /// When it cannot be read or written; then it is as it was.
    pub fn change<T>(path: &Path, change: impl FnOnce(&mut Self) -> T) -> Result<T, RecordError> {
        let failed = |source| RecordError::Io { path: path.to_owned(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let lock = fs::File::create(path.with_extension("lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut record = Self::read(path)?;
        let changed = change(&mut record);
        // A new temporary file is readable by its owner only.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        let text = serde_json::to_vec_pretty(&record).map_err(|error| failed(error.into()))?;
        file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(changed)
    }

    /// Allows these; each takes the place of an earlier one about the same definition.
    pub fn allow(&mut self, grants: Vec<Grant>) {
        self.grants.retain(|known| !grants.iter().any(|grant| grant.is_about(known)));
        self.grants.extend(grants);
    }

    /// Takes back what was allowed in a folder: for definitions in it, and for work in it. Returns it.
    pub fn revoke(&mut self, folder: &Path) -> Vec<Grant> {
        let folder = super::grant::real(folder);
        let within = |grant: &mut Grant| grant.definition.starts_with(&folder) || grant.workdir.starts_with(&folder);
        self.grants.extract_if(.., within).collect()
    }

    /// All that is allowed.
    #[must_use]
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Whether this is what was allowed.
    ///
    /// # Errors
    /// Why not.
    pub fn judge(&self, now: &Grant) -> Result<(), Untrusted> {
        let Some(allowed) = self.grants.iter().find(|grant| grant.is_about(now)) else { return Err(Untrusted::Never) };
        let changes = now.changes(allowed);
        if changes.is_empty() { Ok(()) } else { Err(Untrusted::Changed(changes)) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use roster::Definition;
    use std::os::unix::fs::PermissionsExt;

    fn definition(folder: &Path, bus: &str) -> Definition {
        let path = folder.join("a.md");
        let text = format!("---\nname: a\nbus: {bus}\n---\n");
        fs::write(&path, &text).unwrap();
        roster::parse(&path, &text).0.unwrap()
    }

    fn grant(folder: &Path, bus: &str) -> Grant {
        Grant::of(&definition(folder, bus), folder).unwrap()
    }

    #[test]
    fn what_was_allowed_is_trusted_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::write(at.join("run.sh"), "one").unwrap();
        let before = "{handler: exec, command: [./run.sh], env: {A: b}, probes: {k: {command: date}}}";
        let path = at.join("config/trust.json");
        assert_eq!(Record::read(&path).unwrap().judge(&grant(at, before)), Err(Untrusted::Never));

        Record::change(&path, |record| record.allow(vec![grant(at, before)])).unwrap();
        assert_eq!(Record::read(&path).unwrap().judge(&grant(at, before)), Ok(()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        fs::write(at.join("run.sh"), "two").unwrap();
        let after = "{handler: exec, command: [./run.sh, -x], env: {A: c, B: d}, interactive: true, probes: {l: {command: date}}}";
        let Err(Untrusted::Changed(changes)) = Record::read(&path).unwrap().judge(&grant(at, after)) else { unreachable!() };
        assert_eq!(
            changes,
            ["the command", "interactive", "the probe k", "the probe l", "the variable A", "the variable B", "the file run.sh"]
        );
        Record::change(&path, |record| record.allow(vec![grant(at, after)])).unwrap();
        let record = Record::read(&path).unwrap();
        assert_eq!((record.judge(&grant(at, after)), record.grants().len()), (Ok(()), 1));

        assert_eq!(Record::change(&path, |record| record.revoke(at).len()).unwrap(), 1);
        assert_eq!(Record::read(&path).unwrap().judge(&grant(at, after)), Err(Untrusted::Never));
    }

    #[test]
    fn the_same_in_another_folder_is_something_else() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let agent = definition(here.path(), "{handler: exec, command: date}");
        let mut record = Record::default();
        record.allow(vec![Grant::of(&agent, here.path()).unwrap()]);
        assert_eq!(record.judge(&Grant::of(&agent, there.path()).unwrap()), Err(Untrusted::Never));
        assert!(record.revoke(there.path()).is_empty());
    }

    #[test]
    fn what_runs_nothing_needs_no_trust() {
        let folder = tempfile::tempdir().unwrap();
        for bus in ["{}", "{handler: context, command: date}", "{handler: exec}", "{handler: exec, env: {A: b}}"] {
            assert_eq!(Grant::of(&definition(folder.path(), bus), folder.path()), None, "{bus}");
        }
    }

    #[test]
    fn a_definition_that_is_built_in_pins_no_file_of_the_system() {
        let folder = tempfile::tempdir().unwrap();
        let text = "---\nname: a\nbus: {probes: {k: {command: [/bin/sh, ./run.sh]}}}\n---\n";
        let built_in = roster::parse(Path::new("a.md (built in)"), text).0.unwrap();
        fs::write(folder.path().join("run.sh"), "run").unwrap();
        let files = Grant::of(&built_in, folder.path()).unwrap().files;
        assert_eq!(files.into_keys().collect::<Vec<_>>(), [Path::new("run.sh")]);
    }

    #[test]
    fn a_garbled_record_trusts_nothing_and_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trust.json");
        for text in ["{", "{\"version\":2,\"grants\":[]}"] {
            fs::write(&path, text).unwrap();
            assert_eq!(Record::change(&path, |record| record.allow(Vec::new())).unwrap_err().code(), "trust_record_garbled");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
