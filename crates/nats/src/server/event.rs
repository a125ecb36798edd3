//! What happens while a server is found, fetched and kept alive, for whoever shows it to a person.
//!
//! Owns the list of events and their wording. Must never print: the caller's function decides. Errors that
//! end the work are not events, see the `error` file.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{Error, Unusable};

/// Something that a person may want to know; its `Display` is one line.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A nats-server on PATH or in the cache was not taken.
    PassedOver {
        /// The program passed over.
        path: PathBuf,
        /// Why.
        reason: Unusable,
    },
    /// A nats-server is being fetched; this can take seconds, two minutes at most.
    Fetching {
        /// The version asked for.
        version: &'static str,
        /// The installer that fetches it, as typed in a shell.
        with: String,
    },
    /// The fetch is done and the program is in the cache.
    Fetched {
        /// Where it is now.
        path: PathBuf,
    },
    /// The server ended though nobody asked it to.
    Died {
        /// How it ended.
        how: String,
    },
    /// The server is about to be started again.
    Restarting {
        /// After this long.
        pause: Duration,
    },
    /// An attempt to start the server again failed.
    RestartFailed {
        /// Why it failed.
        error: Error,
    },
    /// The server runs again, on the same port and store.
    Restarted {
        /// Its new process id.
        pid: u32,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PassedOver { path, reason } => {
                write!(f, "passing over {}: {reason}", path.display())
            }
            Self::Fetching { version, with } => {
                write!(f, "fetching nats-server {version} with {with}")
            }
            Self::Fetched { path } => write!(f, "fetched {}", path.display()),
            Self::Died { how } => write!(f, "nats-server died ({how})"),
            Self::Restarting { pause } => {
                write!(f, "starting nats-server again in {} ms", pause.as_millis())
            }
            Self::RestartFailed { error } => {
                write!(f, "nats-server could not be started again: {error}")
            }
            Self::Restarted { pid } => write!(f, "nats-server runs again (process {pid})"),
        }
    }
}
