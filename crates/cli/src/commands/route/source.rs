//! Whom to ask who would answer: the coordinator of a bus, or definitions as they lie in folders.

use std::path::PathBuf;

use agentbus::{Bus, Decision, Name, Query};
use protocol::To;
use roster::{Asked, Roster, Standing};

use crate::{
    bus, crew,
    failure::{Exit, Failure},
    options::{Global, Question},
    printer, show,
};

/// What decides.
pub(super) enum Source {
    /// A coordinator.
    Bus(Bus),
    /// The agents of folders, all taken for live.
    Files(Roster),
}

impl Source {
    /// The folders, or without any the running bus.
    pub(super) async fn open(folders: &[PathBuf], global: &Global, question: &Question) -> Result<Self, Failure> {
        if folders.is_empty() {
            return Ok(Self::Bus(bus::connect(global, question.from.from.clone()).await?));
        }
        let mut loaded = roster::load(folders);
        loaded.diagnostics.extend(crew::configure(None, &mut loaded.definitions));
        let errors: Vec<_> = loaded.diagnostics.iter().filter(|found| found.is_error()).cloned().collect();
        if !errors.is_empty() {
            printer::say(show::diagnostics(&errors));
        }
        if loaded.definitions.is_empty() {
            let hint = "Name a folder of Markdown files that begin with front matter; `agentbus lint` says what is wrong with them.";
            return Err(Failure::new(Exit::Usage, "no_agents", "there is no definition in these folders").hint(hint));
        }
        Ok(Self::Files(Roster::new(loaded.definitions.iter().map(roster::Definition::card))))
    }

    /// Who would answer.
    pub(super) async fn route(&self, query: &Query) -> Result<Decision, Failure> {
        match self {
            Self::Bus(bus) => Ok(bus.route(query).await?),
            Self::Files(roster) => Ok(roster.route(&Asked { query, to: &To::Any, path: &[] }, &Present)),
        }
    }

    pub(super) async fn close(self) {
        if let Self::Bus(bus) = self {
            bus.close().await;
        }
    }
}

/// Everybody is there, and has nothing to do.
struct Present;

impl Standing for Present {
    fn is_live(&self, _: &Name) -> bool {
        true
    }

    fn in_hand(&self, _: &Name) -> usize {
        0
    }

    fn is_done(&self, _: &Name) -> bool {
        false
    }
}
