//! What is pinned of one definition: everything that decides what its commands do, as far as it
//! stands in the definition or in a file that they name.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use agentbus::{FactKey, Name};
use roster::{Command, Definition, Handler};
use serde::{Deserialize, Serialize};

use super::named;

/// The commands of one definition in one working directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The agent.
    pub agent: Name,
    /// The file that defines it.
    pub definition: PathBuf,
    /// Where its commands run.
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
    /// The SHA-256 of each file that these name, by its path as it is named from the working directory.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<PathBuf, String>,
}

impl Grant {
    /// What a definition would run as things are now; none where it runs nothing.
    #[must_use]
    pub fn of(definition: &Definition, workdir: &Path) -> Option<Self> {
        let block = &definition.bus;
        let command = block.command.clone().filter(|_| block.handler() == Handler::Exec);
        let probes: BTreeMap<_, _> = block.probes.iter().flatten().map(|(key, probe)| (key.clone(), probe.command.clone())).collect();
        if command.is_none() && probes.is_empty() {
            return None;
        }
        let workdir = real(workdir);
        let definition_at = real(&definition.path);
        let env = block.env.clone().unwrap_or_default();
        // One that is built in lies in no folder.
        let home = definition_at.parent().filter(|folder| folder.is_absolute()).unwrap_or(&workdir).to_owned();
        let files = named::files(command.iter().chain(probes.values()), &env, &workdir, &home);
        let interactive = block.interactive.unwrap_or(false);
        Some(Self { agent: definition.name.clone(), definition: definition_at, workdir, command, interactive, probes, env, files })
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
