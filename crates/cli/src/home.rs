//! `.agentbus/`: what `up` keeps in the directory in which it runs, and how others find it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use agentbus::Space;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The folder's name.
const NAME: &str = ".agentbus";

/// What `up` says of the bus that it runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Running {
    /// Where its server listens.
    pub(crate) url: String,
    /// Its space.
    pub(crate) space: String,
    /// The process that runs it.
    pub(crate) pid: i32,
}

/// The folder of one bus.
#[derive(Clone, Debug)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// The folder in this directory.
    pub(crate) fn here() -> Self {
        Self(PathBuf::from(NAME))
    }

    /// A folder of the user's choice.
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Makes it, and keeps it out of version control.
    pub(crate) fn make(&self) -> Result<(), Failure> {
        let made = fs::create_dir_all(&self.0).and_then(|()| fs::write(self.0.join(".gitignore"), "*\n"));
        made.map_err(|error| {
            let message = format!("{} cannot be written: {error}", self.0.display());
            Failure::new(crate::failure::Exit::Unreachable, "data_dir", message).hint("Name a folder that can be written: --data DIR")
        })
    }

    /// Where the embedded server keeps its store.
    pub(crate) fn server(&self) -> PathBuf {
        self.0.join("nats")
    }

    /// The bus that runs here, if one does.
    pub(crate) fn running(&self) -> Option<Running> {
        let text = fs::read(self.file()).ok()?;
        let running: Running = serde_json::from_slice(&text).ok()?;
        let pid = Pid::from_raw(running.pid)?;
        // What a killed bus left behind names a process that is gone.
        (running.pid > 1 && test_kill_process(pid).is_ok()).then_some(running)
    }

    /// Says that this process runs a bus here.
    pub(crate) fn claim(&self, url: &str, space: &Space) -> Result<(), Failure> {
        let pid = i32::try_from(std::process::id()).unwrap_or_default();
        let running = Running { url: url.to_owned(), space: space.to_string(), pid };
        // Written beside and renamed, so that nobody reads half of it.
        let beside = self.0.join("bus.json.new");
        fs::write(&beside, serde_json::to_vec_pretty(&running).unwrap_or_default())?;
        Ok(fs::rename(beside, self.file())?)
    }

    /// Says that none runs here any more.
    pub(crate) fn release(&self) {
        let _ = fs::remove_file(self.file());
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn file(&self) -> PathBuf {
        self.0.join("bus.json")
    }
}
