//! Which agents a process runs, as it is typed: folders, the working directory, the configuration. Where
//! things are looked for stands here; reading them is `plan.rs`.

use std::path::{Path, PathBuf};

use clap::Args;
use roster::Definition;

use super::Plan;
use crate::{failure::Failure, show};

/// The folders that are searched when none is named.
const FOLDERS: [&str; 2] = [".claude/agents", "agents"];

/// The configuration of the agents, in the working directory.
pub(super) const CONFIG: &str = "agentbus.toml";

/// Which agents, and what they answer about.
#[derive(Clone, Debug, Args)]
pub(crate) struct Agents {
    /// A folder of agent definitions, searched to the bottom; may be given several times.
    /// Default: ./.claude/agents and ./agents
    #[arg(long = "agents", value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// The repository that facts are about, and in which commands run
    #[arg(long, value_name = "DIR", default_value = ".")]
    workdir: PathBuf,
    /// The configuration of the agents. Default: agentbus.toml in the working directory, if it is there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Agents {
    /// The agents of a folder: of a repository, which is then the working directory, or of a folder
    /// of definitions, for work in this directory. The options win.
    pub(crate) fn of(folder: &Path, workdir: Option<PathBuf>, config: Option<PathBuf>) -> Self {
        let folders: Vec<PathBuf> = FOLDERS.iter().map(|usual| folder.join(usual)).filter(|usual| usual.is_dir()).collect();
        if folders.is_empty() && !folder.join(CONFIG).exists() {
            return Self { folders: vec![folder.to_owned()], workdir: workdir.unwrap_or_else(|| PathBuf::from(".")), config };
        }
        let folders = if folders.is_empty() { vec![folder.to_owned()] } else { folders };
        Self { folders, workdir: workdir.unwrap_or_else(|| folder.to_owned()), config }
    }

    /// Where their commands run.
    pub(crate) fn workdir(&self) -> &Path {
        &self.workdir
    }

    /// Where definitions are looked for. They need not be there.
    pub(super) fn wanted(&self) -> Vec<PathBuf> {
        if self.folders.is_empty() { FOLDERS.map(PathBuf::from).into() } else { self.folders.clone() }
    }

    /// The folders that are searched now: those that were named, or the usual ones that are there.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        let mut folders = self.wanted();
        folders.retain(|folder| !self.folders.is_empty() || folder.is_dir());
        folders
    }

    /// Where the configuration is, or would be.
    pub(super) fn config(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| self.workdir.join(CONFIG))
    }

    /// Whether there is to be a configuration.
    pub(super) const fn names_config(&self) -> bool {
        self.config.is_some()
    }

    /// Loads the definitions with their configuration, and says what is wrong with them.
    ///
    /// # Errors
    /// As [`Agents::plan`].
    pub(crate) fn load(&self) -> Result<Vec<Definition>, Failure> {
        self.plan().map(Plan::into_definitions)
    }

    /// The same, to be loaded again when something changes.
    ///
    /// # Errors
    /// `no_such_folder`, `bad_config`: nothing is started that would run otherwise than meant.
    pub(crate) fn plan(&self) -> Result<Plan, Failure> {
        if let Some(missing) = self.folders.iter().find(|folder| !folder.exists()) {
            let message = format!("there is no folder {}", missing.display());
            return Err(Failure::usage("no_such_folder", message).hint("Name a folder of agent definitions: --agents DIR"));
        }
        if !self.workdir.is_dir() {
            return Err(Failure::usage("no_such_folder", format!("there is no folder {}", self.workdir.display()))
                .hint("Name the repository: --workdir DIR"));
        }
        Plan::make(self.clone())
    }

    /// What to type so that the commands of a definition are trusted.
    pub(super) fn trust_command(&self, definition: &Path) -> String {
        let folder = self.folders.iter().find(|folder| definition.starts_with(folder)).or(self.folders.first());
        let mut command = format!("agentbus trust {}", folder.map_or_else(|| ".".into(), |folder| folder.display().to_string()));
        if self.workdir != Path::new(".") {
            command.push_str(&format!(" --workdir {}", self.workdir.display()));
        }
        if let Some(config) = &self.config {
            command.push_str(&format!(" --config {}", config.display()));
        }
        show::plain(&command)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_repository_is_a_working_directory_and_a_folder_of_definitions_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let agents = Agents::of(at, None, None);
        assert_eq!((agents.workdir(), agents.folders.clone()), (Path::new("."), vec![at.to_owned()]));
        std::fs::create_dir(at.join("agents")).unwrap();
        let repository = Agents::of(at, None, None);
        assert_eq!((repository.workdir(), repository.folders.clone()), (at, vec![at.join("agents")]));
        assert_eq!(Agents::of(at, Some(PathBuf::from("x")), None).workdir(), Path::new("x"));
    }
}
