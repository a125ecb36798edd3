//! The embedded nats-server: found or fetched, started, watched, and stopped.
//!
//! This module owns the nats-server *process* and its data directory. It must never speak NATS beyond
//! reading the server's greeting, and it prints nothing: what a person may want to see leaves as an [`Event`].
//!
//! Reading order: `find` (which program), `fetch` (when there is none), `config` (what it is told),
//! `lock` (one server per store), `launch` (one attempt at a start), `ready` (when it counts as started),
//! `run` (the running server), `guard` (no orphans), `supervise` (start it again when it dies).
//!
//! Unix only: it relies on file locks that pass to a child process, and on signals.

mod config;
mod error;
mod event;
mod fetch;
mod find;
pub mod guard;
mod launch;
mod lock;
mod output;
mod probe;
mod ready;
mod run;
mod supervise;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

pub use config::sync_interval;
pub use error::{Error, StartFailure};
pub use event::Event;
pub use fetch::PINNED_VERSION;
pub use find::{ENV_CACHE, ENV_SERVER, Finder, Found, Origin};
pub use probe::{MIN_VERSION, Unusable};
pub use run::Server;
pub use supervise::supervise;

/// The port that NATS clients try when they are told none.
pub const DEFAULT_PORT: u16 = 4222;

/// How an embedded server is to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The nats-server program, usually [`Found::path`].
    pub program: PathBuf,
    /// The data directory: store, configuration, log and lock. Made if missing.
    pub data: PathBuf,
    /// The address to listen on. Default 127.0.0.1.
    pub host: IpAddr,
    /// The port to listen on. Default: 4222 if free, else another.
    pub port: Port,
    /// When acknowledged messages reach the disk. Default: always, before the acknowledgement.
    pub fsync: Fsync,
    /// The most that JetStream may store, in bytes. Default: the server's own choice.
    pub max_store: Option<u64>,
    /// The process that ends the server when this one is killed. Default: none, and then a kill -9 of this
    /// process leaves the server running.
    pub guard: Option<Guard>,
    /// How long to wait for another bus or server that holds the store and may be about to end. Default 10 s.
    pub lock_wait: Duration,
    /// How long the server may take from its start to its greeting, recovery of the store included. Default 10 s.
    pub ready_within: Duration,
}

impl Options {
    /// The defaults, for this program and this data directory.
    pub fn new(program: impl Into<PathBuf>, data: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            data: data.into(),
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: Port::Prefer(DEFAULT_PORT),
            fsync: Fsync::Always,
            max_store: None,
            guard: None,
            lock_wait: Duration::from_secs(10),
            ready_within: Duration::from_secs(10),
        }
    }
}

/// Which port to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// This one if it is free, else one that the operating system gives; 0 leaves the choice to it at once.
    Prefer(u16),
    /// This one, or the error [`Error::PortInUse`].
    Exactly(u16),
}

/// When JetStream forces writes to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// Before each acknowledgement: a power cut loses nothing that was acknowledged.
    Always,
    /// This often (whole milliseconds, at least one): a power cut loses up to that much acknowledged work.
    Every(Duration),
}

/// How to start the guard process: this program with these arguments, to which the server's own command
/// line is added. It must call [`guard::run`] with what follows `args`.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Usually the running executable itself.
    pub program: PathBuf,
    /// Usually the name of a hidden subcommand.
    pub args: Vec<OsString>,
}
