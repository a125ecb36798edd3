//! The guard: a small process between the bus and its nats-server, so that the server never outlives the bus.
//!
//! The bus holds the other end of the guard's standard input. When the bus is gone, however it went, that pipe
//! closes and the guard ends the server. The guard's standard output is no output but the store's lock file,
//! which it passes on to the server, and so it must never print. Started by `run` only.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::Error;
use super::run::send;

/// How long the server may take to end by itself.
pub const GRACE: Duration = Duration::from_secs(5);

/// Runs the nats-server whose command line is `args` until it ends, or until the bus closes this process's standard
/// input; then the server is asked to end, and killed after [`GRACE`]. Returns the server's own exit code, or 128
/// and the number of the signal that ended it.
///
/// # Errors
/// [`Error::GuardMisuse`] if standard input is not a pipe or no command is given; [`Error::Io`] if the server
/// cannot be run.
pub async fn run(args: impl IntoIterator<Item = OsString>) -> Result<ExitCode, Error> {
    let mut args = args.into_iter();
    let program = args.next().ok_or(Error::GuardMisuse("it was given no command"))?;
    let program = Path::new(&program);
    let leash = leash().map_err(|_| Error::GuardMisuse("its standard input is not a pipe"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::io("take signals for", program))?;
    let mut server = start(program, args).map_err(Error::io("run", program))?;
    let status = tokio::select! {
        status = server.wait() => status,
        () = closed(leash) => end(&mut server).await,
        _ = terminate.recv() => end(&mut server).await,
    };
    status.map(code).map_err(Error::io("wait for", program))
}

/// Not tokio's own stdin: its blocking read would keep the guard from ending before the pipe is closed.
fn leash() -> io::Result<Receiver> {
    Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)
}

fn start(program: &Path, args: impl Iterator<Item = OsString>) -> io::Result<Child> {
    let lock: OwnedFd = io::stdout().as_fd().try_clone_to_owned()?;
    let log: OwnedFd = io::stderr().as_fd().try_clone_to_owned()?;
    Command::new(program).args(args).stdin(lock).stdout(log).process_group(0).kill_on_drop(true).spawn()
}

/// Returns when the other end of the pipe is closed; whatever comes through it before is ignored.
async fn closed(mut leash: Receiver) {
    let mut ignored = [0; 64];
    while matches!(leash.read(&mut ignored).await, Ok(1..)) {}
}

async fn end(server: &mut Child) -> io::Result<ExitStatus> {
    if let Some(pid) = server.id() {
        send(pid, Signal::TERM);
    }
    if let Ok(status) = tokio::time::timeout(GRACE, server.wait()).await {
        return status;
    }
    server.kill().await?;
    server.wait().await
}

fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
