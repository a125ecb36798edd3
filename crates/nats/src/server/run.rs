//! Starts one nats-server and stops it.
//!
//! Owns the process from its start to its end. Must never start a server on a store that another one uses, nor
//! leave one behind. Next: `supervise`, which keeps one running.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use semver::Version;
use tokio::process::{Child, ChildStdin};

use super::config::Layout;
use super::launch::{Launched, another, choose};
use super::lock::{self, Locks};
use super::ready::{self, Ready, reachable};
use super::{Error, Options, Port};

/// How long a killed process may take to be gone.
pub(super) const KILL_WAIT: Duration = Duration::from_secs(5);

/// A running nats-server. Dropped without [`Server::stop`], it is ended in the background: by its guard, or
/// killed where there is none.
#[derive(Debug)]
pub struct Server {
    /// The guard, or the server itself where there is none.
    child: Child,
    /// The guard ends the server when this closes.
    _leash: Option<ChildStdin>,
    /// Tells other processes that this server is looked after.
    bus: File,
    pid: u32,
    version: Version,
    address: SocketAddr,
    options: Options,
    log: PathBuf,
}

impl Server {
    /// Starts a server and waits until it is ready.
    ///
    /// # Errors
    /// [`Error::StoreInUse`], [`Error::PortInUse`], [`Error::CannotListen`], [`Error::NotStarted`] or
    /// [`Error::Io`]; then nothing is left running.
    pub async fn start(options: Options) -> Result<Self, Error> {
        Self::launch(options, None).await
    }

    /// Starts it again, on the same port and store, after it has [exited](Server::exited). Until this value is
    /// dropped, no other bus can take the store.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn restart(&self) -> Result<Self, Error> {
        let held = self.bus.try_clone().map_err(Error::io("share the lock of", &self.options.data))?;
        Self::launch(self.options.clone(), Some(held)).await
    }

    async fn launch(mut options: Options, held: Option<File>) -> Result<Self, Error> {
        let layout = Layout::make(&options.data)?;
        let Locks { bus, server: lock } = lock::acquire(&layout, options.lock_wait, held).await?;
        let mut port = choose(&options)?;
        let (launched, ready) = loop {
            layout.prepare(&options, port)?;
            let mut launched = Launched::new(&options, &layout, &lock)?;
            match ready::wait(&mut launched.child, &layout, &options).await {
                Ok(ready) => break (launched, ready),
                Err(reason) => {
                    let error = Error::NotStarted { reason, tail: launched.log_tail(), log: layout.log.clone() };
                    launched.end().await;
                    port = another(&options, port, error)?;
                }
            }
        };
        let Ready { pid, port, version } = ready;
        let address = reachable(options.host, port);
        options.port = Port::Exactly(port);
        let Launched { child, leash, log, .. } = launched;
        Ok(Self { child, _leash: leash, bus, pid, version, address, options, log })
    }

    /// The URL for clients on this machine.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The process id of the nats-server itself, not of its guard.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The process id of its guard, while there is one.
    pub fn guard_pid(&self) -> Option<u32> {
        self.options.guard.as_ref().and(self.child.id())
    }

    /// The version that the server greets with.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The server's log file.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Waits until the server has ended, and says how. May be called again, and be dropped at any time.
    pub async fn exited(&mut self) -> String {
        let status = match self.child.wait().await {
            Ok(status) => status,
            Err(error) => return format!("it cannot be waited for: {error}"),
        };
        if self.options.guard.is_some() && status.signal().is_some() {
            // The guard was killed, and without it nobody else ends the server.
            send(self.pid, Signal::TERM);
            return format!("its guard was killed, {status}");
        }
        status.to_string()
    }

    /// Asks the server to end, kills it when `grace` is over, and waits until it is gone.
    ///
    /// # Errors
    /// [`Error::NotStopped`] if it does not end even then.
    pub async fn stop(mut self, grace: Duration) -> Result<(), Error> {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            self.exited().await;
            return Ok(());
        }
        send(self.pid, Signal::TERM);
        if gone(&mut self.child, grace).await {
            return Ok(());
        }
        send(self.pid, Signal::KILL);
        if gone(&mut self.child, KILL_WAIT).await {
            return Ok(());
        }
        Err(Error::NotStopped { pid: self.pid })
    }
}

/// Whether the process ended within `limit`.
pub(super) async fn gone(child: &mut Child, limit: Duration) -> bool {
    matches!(tokio::time::timeout(limit, child.wait()).await, Ok(Ok(_)))
}

/// Sends a signal. A process that is gone already is what was wanted.
pub(super) fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}
