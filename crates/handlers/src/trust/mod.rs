//! Which commands may run: those that the user has seen and allowed, as they were then.
//!
//! A repository brings definitions with it, and a definition may name commands. Cloning a repository
//! and starting a bus in it must not run its code, so a command runs only when `agentbus trust` has
//! pinned it. The record of that lies outside every repository. What is pinned: the commands and
//! probes of each definition with their variables, and the content of every file that they name. What a
//! program reads besides that (modules, a `Makefile`, what a line calls after `cd`) is not pinned, nor is
//! what `PATH` finds elsewhere. A command that writes to a file must not name it, or it loses its trust by
//! running.
//!
//! Nothing here runs a command. Reading order: `grant` (what is pinned), `record` (where), then
//! `Gate`, which is asked again before each start.

mod grant;
mod named;
mod record;
mod settings;

use std::path::PathBuf;

use roster::Definition;

pub use grant::Grant;
pub use record::{Record, RecordError};
pub(crate) use settings::is_loopback;

/// Why a command may not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// Nobody has allowed it.
    #[error("its commands have never been trusted")]
    Never,
    /// It is not what was allowed; with what has changed.
    #[error("its commands have changed since they were trusted: {}", .0.join(", "))]
    Changed(Vec<String>),
    /// The record cannot be read.
    #[error("what is trusted cannot be read: {0}")]
    NoRecord(String),
}

impl Untrusted {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "untrusted"
    }

    /// What the user can do about it. The machine and the folder are those of the agents, and not of who asks.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Never | Self::Changed(_) => {
                "Where the agents run, 'agentbus trust DIR' shows what the definitions in DIR would run, and allows it."
            }
            Self::NoRecord(_) => "Where the agents run, 'agentbus trust --list' says what is wrong with the record.",
        }
    }
}

/// Asks whether the commands of one definition may run.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    definition: Definition,
    workdir: PathBuf,
    record: PathBuf,
}

impl Gate {
    /// The gate of a definition; `record` is the file that says what is trusted.
    pub(crate) fn new(definition: &Definition, workdir: PathBuf, record: PathBuf) -> Self {
        Self { definition: definition.clone(), workdir, record }
    }

    /// Looks at the record and at the named files as they are now.
    pub(crate) async fn check(&self) -> Result<(), Untrusted> {
        let gate = self.clone();
        let checked = tokio::task::spawn_blocking(move || gate.look()).await;
        checked.unwrap_or_else(|error| Err(Untrusted::NoRecord(error.to_string())))
    }

    fn look(&self) -> Result<(), Untrusted> {
        let Some(now) = Grant::of(&self.definition, &self.workdir) else { return Ok(()) };
        let record = Record::read(&self.record).map_err(|error| Untrusted::NoRecord(error.to_string()))?;
        record.judge(&now)
    }
}
