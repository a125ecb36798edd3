//! Finds a nats-server: the one that was named, else the first good one on PATH, else the project's cache.
//!
//! Owns that order and the environment variables. Must never run a program from the current directory just
//! because it lies there, and never replace a server that was named. Next: `probe` (is it good?), `fetch`.

use std::collections::HashSet;
use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use semver::Version;

use super::probe::probe;
use super::{Error, Event, Unusable, fetch};

/// Names the nats-server program to use; it is used or refused, never passed over.
pub const ENV_SERVER: &str = "AGENTBUS_NATS_SERVER";
/// Names the directory for fetched programs. Default: `$XDG_CACHE_HOME/agentbus`, else `~/.cache/agentbus`.
pub const ENV_CACHE: &str = "AGENTBUS_CACHE";

/// Where to look for a nats-server.
#[derive(Debug, Clone)]
pub struct Finder {
    named: Option<PathBuf>,
    path: Vec<PathBuf>,
    cache: Option<PathBuf>,
}

/// A nats-server that has told its version, [`super::MIN_VERSION`] or later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The program.
    pub path: PathBuf,
    /// Its version.
    pub version: Version,
    /// Where it was found.
    pub origin: Origin,
}

/// Where a nats-server was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Named in [`ENV_SERVER`].
    Named,
    /// On PATH.
    Path,
    /// In the project's cache.
    Cache,
    /// Fetched just now, into the cache.
    Fetched,
}

impl Finder {
    /// Reads [`ENV_SERVER`], `PATH` and [`ENV_CACHE`] (else `XDG_CACHE_HOME`, else the home directory), once.
    /// An empty variable counts as unset.
    pub fn from_env() -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        Self::new(variable(ENV_SERVER), env::split_paths(&path), cache())
    }

    /// Looks in these places only. Relative directories in `path` are left out: the current directory may be a
    /// fresh clone, and starting a bus there must not run its code.
    pub fn new(named: Option<PathBuf>, path: impl IntoIterator<Item = PathBuf>, cache: Option<PathBuf>) -> Self {
        Self { named, path: path.into_iter().filter(|folder| folder.is_absolute()).collect(), cache }
    }

    /// The first usable server, or `None` where one has to be fetched. Unusable ones on PATH or in the cache are
    /// reported as [`Event::PassedOver`].
    ///
    /// # Errors
    /// [`Error::Named`] if a server was named and cannot be used.
    pub async fn find(&self, report: impl Fn(Event)) -> Result<Option<Found>, Error> {
        if let Some(path) = &self.named {
            return match examine(path.clone(), Origin::Named).await {
                Ok(found) => Ok(Some(found)),
                Err((path, reason)) => Err(Error::Named { path, reason }),
            };
        }
        for (path, origin) in self.candidates() {
            match examine(path, origin).await {
                Ok(found) => return Ok(Some(found)),
                Err((path, reason)) => report(Event::PassedOver { path, reason }),
            }
        }
        Ok(None)
    }

    /// The first usable server, fetched where there is none.
    ///
    /// # Errors
    /// As [`Finder::find`]; and [`Error::NoPip`], [`Error::NoCache`], [`Error::Fetch`] or [`Error::Io`] where
    /// fetching does not work.
    pub async fn find_or_fetch(&self, report: impl Fn(Event)) -> Result<Found, Error> {
        if let Some(found) = self.find(&report).await? {
            return Ok(found);
        }
        let cache = self.cache.as_deref().ok_or(Error::NoCache)?;
        fetch::fetch(&self.path, cache, report).await
    }

    /// Every nats-server on PATH, each file once, then the cached one.
    fn candidates(&self) -> Vec<(PathBuf, Origin)> {
        let mut seen = HashSet::new();
        let on_path = programs(&self.path, "nats-server").map(|path| (path, Origin::Path));
        let cached = self.cache.as_deref().map(fetch::cached).filter(|path| is_program(path));
        on_path
            .chain(cached.map(|path| (path, Origin::Cache)))
            .filter(|(path, _)| seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())))
            .collect()
    }
}

/// The programs called `name` in these directories.
pub(super) fn programs<'a>(folders: &'a [PathBuf], name: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
    folders.iter().map(move |folder| folder.join(name)).filter(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

async fn examine(path: PathBuf, origin: Origin) -> Result<Found, (PathBuf, Unusable)> {
    // Made absolute, so that a bare name is not looked up on PATH and a later change of directory does no harm.
    let path = std::path::absolute(&path).unwrap_or(path);
    match probe(&path).await {
        Ok(version) => Ok(Found { path, version, origin }),
        Err(reason) => Err((path, reason)),
    }
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn cache() -> Option<PathBuf> {
    let own = variable(ENV_CACHE).and_then(|path| std::path::absolute(path).ok());
    // The XDG specification says to ignore a relative path.
    let shared = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let home = || env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".cache"));
    own.or_else(|| shared.or_else(home).map(|cache| cache.join("agentbus")))
}
