//! `agentbus trust`: allows the commands of a folder's definitions to run. Needs no bus.
//!
//! It prints exactly what it allows. What is pinned, and why, stands in `handlers::trust`.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use handlers::trust::{Grant, Record, RecordError};

use crate::{
    crew::Agents,
    failure::{Exit, Failure},
    printer, show,
};

/// Options of `trust`.
#[derive(Debug, Args)]
pub(crate) struct Trust {
    /// A repository, or a folder of agent definitions
    #[arg(value_name = "DIR", required_unless_present = "list")]
    folder: Option<PathBuf>,
    /// Where the commands will run. Default: DIR if it is a repository, else this directory
    #[arg(long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// The configuration of the agents. Default: agentbus.toml in the working directory, if it is there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Take back what was allowed for DIR
    #[arg(long, conflicts_with_all = ["workdir", "config"])]
    revoke: bool,
    /// List what is allowed
    #[arg(long, conflicts_with_all = ["folder", "workdir", "config", "revoke"])]
    list: bool,
}

impl Trust {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let path = record()?;
        let Some(folder) = self.folder else {
            let record = Record::read(&path)?;
            record.grants().iter().for_each(show);
            printer::say(format!("{} in {}", agents(record.grants().len()), path.display()));
            return Ok(ExitCode::SUCCESS);
        };
        if !folder.is_dir() {
            let message = format!("there is no folder {}", folder.display());
            return Err(Failure::usage("no_such_folder", message).hint("Name a repository, or a folder of agent definitions."));
        }
        if self.revoke {
            let revoked = Record::change(&path, |record| record.revoke(&folder))?;
            revoked.iter().for_each(show);
            printer::say(format!("{} may not run commands any more", agents(revoked.len())));
            return Ok(ExitCode::SUCCESS);
        }
        allow(&path, &Agents::of(&folder, self.workdir, self.config))
    }
}

fn allow(path: &Path, agents_of: &Agents) -> Result<ExitCode, Failure> {
    let definitions = agents_of.load()?;
    let grants: Vec<_> = definitions.iter().filter_map(|definition| Grant::of(definition, agents_of.workdir())).collect();
    if grants.is_empty() {
        printer::say(format!("nothing to allow: none of {} runs a command or sends queries away", agents(definitions.len())));
        return Ok(ExitCode::SUCCESS);
    }
    grants.iter().for_each(show);
    let count = grants.len();
    Record::change(path, |record| record.allow(grants))?;
    printer::say(format!("{} may run this, until something of it changes; programs run with all your rights", agents(count)));
    Ok(ExitCode::SUCCESS)
}

fn agents(count: usize) -> String {
    if count == 1 { "1 agent".to_owned() } else { format!("{count} agents") }
}

/// Prints what one agent may run.
fn show(grant: &Grant) {
    let field = |label: &str, text: &dyn fmt::Display| printer::data(show::plain(&format!("  {label:<8} {text}")));
    printer::data(show::plain(&format!("{} ({})", grant.agent, grant.definition.display())));
    field("in", &grant.workdir.display());
    if let Some(command) = &grant.command {
        field("command", command);
    }
    if grant.interactive {
        field("input", &"stays open");
    }
    for (key, command) in &grant.probes {
        field("probe", &format!("{key}: {command}"));
    }
    for (name, value) in &grant.env {
        field("env", &format!("{name}={value}"));
    }
    for (key, value) in &grant.settings {
        field("setting", &format!("{key}: {value}"));
    }
    for (file, digest) in &grant.files {
        field("file", &format!("{}  sha256 {}", file.display(), digest.chars().take(16).collect::<String>()));
    }
}

/// The record of what is trusted: `AGENTBUS_TRUST`, else `agentbus/trust.json` where the user keeps
/// configuration. Never in a repository.
pub(crate) fn record() -> Result<PathBuf, Failure> {
    if let Some(path) = env::var_os("AGENTBUS_TRUST").filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let configured = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".config"));
    let folder = configured.or_else(home).ok_or_else(|| {
        Failure::usage("no_home", "there is no home directory in which to keep what is trusted")
            .hint("Name a file for it with AGENTBUS_TRUST.")
    })?;
    Ok(folder.join("agentbus").join("trust.json"))
}

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        Self::new(Exit::Ended, error.code(), error.to_string()).hint(error.hint())
    }
}
