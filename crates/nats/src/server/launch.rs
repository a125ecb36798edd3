//! One attempt at a start: which port, which command, and how to end it when it fails.
//!
//! Owns the command line and the wiring of the child's standard streams. Must never leave a process behind
//! that did not become ready. Next: `run`, which makes a server of it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, ChildStdin, Command};

use super::config::Layout;
use super::run::{KILL_WAIT, gone};
use super::{Error, Options, Port, StartFailure, guard};

/// How much of the server's log an error carries, in bytes.
const LOG_TAIL: u64 = 4096;

/// A started process that is not known to be ready.
pub(super) struct Launched {
    pub(super) child: Child,
    pub(super) leash: Option<ChildStdin>,
    pub(super) log: PathBuf,
    /// Where this run's part of the log begins.
    log_start: u64,
}

impl Launched {
    /// Starts the process.
    pub(super) fn new(options: &Options, layout: &Layout, lock: &File) -> Result<Self, Error> {
        let log = File::options().create(true).append(true).open(&layout.log).map_err(Error::io("open", &layout.log))?;
        let log_start = log.metadata().map_err(Error::io("read", &layout.log))?.len();
        let lock = lock.try_clone().map_err(Error::io("share", &layout.lock))?;
        let (program, mut command) = command(options, layout, lock, log);
        let mut child = command.process_group(0).spawn().map_err(Error::io("run", program))?;
        let leash = child.stdin.take();
        Ok(Self { child, leash, log: layout.log.clone(), log_start })
    }

    /// The end of what was logged in this run.
    pub(super) fn log_tail(&self) -> String {
        read_tail(&self.log, self.log_start).unwrap_or_default().trim().to_owned()
    }

    /// Ends it; it may be gone already.
    pub(super) async fn end(mut self) {
        match self.leash.take() {
            Some(leash) => drop(leash),
            None => drop(self.child.start_kill()),
        }
        if !gone(&mut self.child, guard::GRACE + KILL_WAIT).await {
            tracing::warn!(pid = ?self.child.id(), "a nats-server that did not start does not end either");
        }
    }
}

/// The command for a server, with or without a guard. The lock goes to the server's standard input; a guard needs
/// its own for the leash, takes the lock as its output, and passes it on.
fn command<'a>(options: &'a Options, layout: &Layout, lock: File, log: File) -> (&'a Path, Command) {
    let Some(guard) = &options.guard else {
        let mut command = Command::new(&options.program);
        command.arg("-c").arg(&layout.config).stdin(lock).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        return (&options.program, command);
    };
    let mut command = Command::new(&guard.program);
    command.args(&guard.args).arg(&options.program).arg("-c").arg(&layout.config);
    command.stdin(Stdio::piped()).stdout(lock).stderr(log);
    (&guard.program, command)
}

/// The port to configure; `None` leaves it to the server, which asks the operating system.
pub(super) fn choose(options: &Options) -> Result<Option<u16>, Error> {
    let (port, must) = match options.port {
        Port::Prefer(0) | Port::Exactly(0) => return Ok(None),
        Port::Prefer(port) => (port, false),
        Port::Exactly(port) => (port, true),
    };
    let address = SocketAddr::new(options.host, port);
    match TcpListener::bind(address) {
        Ok(_) => Ok(Some(port)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && !must => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(Error::PortInUse(address)),
        Err(source) => Err(Error::CannotListen { address, source }),
    }
}

/// After a failed start: another port to try if this one was lost to another process in the meantime, else the
/// error. Tries end, since leaving the port to the server is the last one.
pub(super) fn another(options: &Options, tried: Option<u16>, error: Error) -> Result<Option<u16>, Error> {
    let ended = matches!(error, Error::NotStarted { reason: StartFailure::Ended(_), .. });
    match tried {
        Some(port) if ended && choose(options)? != Some(port) => Ok(None),
        _ => Err(error),
    }
}

fn read_tail(path: &Path, start: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let end = file.metadata()?.len();
    file.seek(SeekFrom::Start(start.max(end.saturating_sub(LOG_TAIL))))?;
    let mut tail = Vec::new();
    file.take(LOG_TAIL).read_to_end(&mut tail)?;
    Ok(String::from_utf8_lossy(&tail).into_owned())
}
