//! What is pinned of one definition: everything that decides what its commands do, as far as it
//! stands in the definition or in a file that they name.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use agentbus::{FactKey, Name};
use roster::{Command, Definition, Handler};
use serde::{Deserialize, Serialize};

use super::{
    named::{self, Places},
    settings,
};
use crate::claude;

/// The setting that says where `workdir` leads, links followed.
const LEADS_TO: &str = "workdir, links followed";

/// The commands of one definition in one working directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The agent.
    pub agent: Name,
    /// The file that defines it.
    pub definition: PathBuf,
    /// Where the bus works. Its probes run there, and its command, unless the setting `workdir` says otherwise.
    pub workdir: PathBuf,
    /// The command that does its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// Whether its input stays open.
    #[serde(default)]
    pub interactive: bool,
    /// Its probes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub probes: BTreeMap<FactKey, Command>,
    /// Variables for all of these.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// What else decides what is run, or where queries go, by the keys of the `bus:` block.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// The SHA-256 of each file that these name, by its path as it is named from the working directory.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<PathBuf, String>,
}

impl Grant {
    /// What a definition would run, or where it would send queries, as things are now; none where it needs no trust.
    #[must_use]
    pub fn of(definition: &Definition, workdir: &Path) -> Option<Self> {
        let block = &definition.bus;
        let command = match block.handler() {
            Handler::Exec => block.command.clone(),
            Handler::ClaudeCode => Some(claude::program(block)),
            _ => None,
        };
        let probes: BTreeMap<_, _> = block.probes.iter().flatten().map(|(key, probe)| (key.clone(), probe.command.clone())).collect();
        if probes.is_empty() && (!settings::needs_trust(block) || (command.is_none() && block.handler() == Handler::Exec)) {
            return None;
        }
        let workdir = real(workdir);
        let definition_at = real(&definition.path);
        let env = block.env.clone().unwrap_or_default();
        // One that is built in lies in no folder.
        let home = definition_at.parent().filter(|folder| folder.is_absolute()).unwrap_or(&workdir).to_owned();
        // The command runs where the block says; probes run where the bus does.
        let runs_in = block.workdir.as_ref().map_or_else(|| workdir.clone(), |within| real(&workdir.join(within)));
        let read = (block.handler() == Handler::ClaudeCode).then(claude::settings);
        let places = |runs_in| Places { runs_in, workdir: &workdir, home: &home };
        let mut files = named::files(command.iter().chain(&read), &env, places(&runs_in));
        files.extend(named::files(probes.values(), &env, places(&workdir)));
        let interactive = block.interactive.unwrap_or(false);
        let (agent, mut settings) = (definition.name.clone(), settings::of(definition));
        if block.workdir.is_some() {
            // What it says may lead through a link.
            settings.insert(LEADS_TO.to_owned(), runs_in.display().to_string());
        }
        Some(Self { agent, definition: definition_at, workdir, command, interactive, probes, env, settings, files })
    }

    /// Whether both are about the same definition in the same working directory.
    pub(super) fn is_about(&self, other: &Self) -> bool {
        (&self.definition, &self.workdir, &self.agent) == (&other.definition, &other.workdir, &other.agent)
    }

    /// How this one differs from an earlier one, in words.
    pub(super) fn changes(&self, earlier: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        if self.command != earlier.command {
            changes.push("the command".to_owned());
        }
        if self.interactive != earlier.interactive {
            changes.push("interactive".to_owned());
        }
        changes.extend(differences(&self.probes, &earlier.probes).map(|key| format!("the probe {key}")));
        changes.extend(differences(&self.env, &earlier.env).map(|name| format!("the variable {name}")));
        changes.extend(differences(&self.settings, &earlier.settings).map(|key| format!("the setting {key}")));
        changes.extend(differences(&self.files, &earlier.files).map(|file| format!("the file {}", file.display())));
        changes
    }
}

/// The keys whose values differ, or that only one of the two has.
fn differences<'a, K: Ord, V: PartialEq>(one: &'a BTreeMap<K, V>, other: &'a BTreeMap<K, V>) -> impl Iterator<Item = &'a K> {
    let keys: BTreeSet<&K> = one.keys().chain(other.keys()).collect();
    keys.into_iter().filter(|key| one.get(key) != other.get(key))
}

/// A path without links and dots; as it is, where there is nothing (a definition that is built in).
pub(super) fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    /// What a definition in a repository with a folder `sub` would run.
    fn grant(at: &Path, bus: &str) -> Grant {
        fs::create_dir_all(at.join("sub")).unwrap();
        let path = at.join("agents/a.md");
        fs::create_dir_all(at.join("agents")).unwrap();
        let text = format!("---\nname: a\nbus: {bus}\n---\n");
        fs::write(&path, &text).unwrap();
        Grant::of(&roster::parse(&path, &text).0.unwrap(), at).unwrap()
    }

    #[test]
    fn a_probe_is_looked_for_where_it_runs_and_a_command_where_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::create_dir(at.join("sub")).unwrap();
        for name in ["probe.sh", "run.sh", "sub/run.sh"] {
            fs::write(at.join(name), name).unwrap();
        }
        let bus = "{handler: exec, command: [./run.sh], workdir: sub, probes: {k: {command: [./probe.sh]}}}";
        let before = grant(at, bus);
        assert_eq!(before.files.keys().collect::<Vec<_>>(), [Path::new("probe.sh"), Path::new("sub/run.sh")]);
        fs::write(at.join("probe.sh"), "changed").unwrap();
        assert_eq!(grant(at, bus).changes(&before), ["the file probe.sh"]);
    }

    #[test]
    fn a_program_of_the_repository_is_found_by_path_from_a_folder_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::create_dir(at.join("bin")).unwrap();
        fs::write(at.join("bin/tool"), "tool").unwrap();
        let files = grant(at, "{handler: exec, command: [tool], workdir: sub, env: {PATH: '../bin:/usr/bin'}}").files;
        assert_eq!(files.keys().collect::<Vec<_>>(), [Path::new("sub/../bin/tool")]);
    }

    #[test]
    fn a_link_that_leads_elsewhere_is_another_folder() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        for name in ["one", "two"] {
            fs::create_dir(at.join(name)).unwrap();
        }
        let bus = "{handler: exec, command: [make], workdir: link}";
        symlink("one", at.join("link")).unwrap();
        let before = grant(at, bus);
        assert_eq!(before.settings.get(LEADS_TO).map(PathBuf::from), Some(real(at).join("one")));
        fs::remove_file(at.join("link")).unwrap();
        symlink("two", at.join("link")).unwrap();
        assert_eq!(grant(at, bus).changes(&before), ["the setting workdir, links followed"]);
    }
}
