//! One server per store, told by two locked files in the data directory.
//!
//! `bus.lock` belongs to the bus process and tells its process id. `server.lock` is handed to the nats-server as its
//! standard input. The kernel drops a lock when the last process that has the file open is gone, so each is held
//! exactly as long as its process lives, whatever else is killed. Neither is ever released by hand, and neither
//! file must ever be removed. Next: `run`, which hands them over.

use std::fs::{File, TryLockError};
use std::io::{self, Seek, Write};
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::MissedTickBehavior;

use super::Error;
use super::config::{Layout, read_pid};
use super::run::send;

const TICK: Duration = Duration::from_millis(50);

/// Both locks of a data directory.
pub(super) struct Locks {
    /// To be kept for as long as this process looks after the server.
    pub(super) bus: File,
    /// To be handed to the server.
    pub(super) server: File,
}

/// Takes both locks, waiting up to `limit` for a bus that is just ending. A server that is left without a bus is
/// ended. A bus that starts its server again brings its own lock, `held`.
pub(super) async fn acquire(layout: &Layout, limit: Duration, held: Option<File>) -> Result<Locks, Error> {
    let mut bus = match held {
        Some(held) => held,
        None => open(&layout.bus_lock)?,
    };
    if !take(&bus, &layout.bus_lock, limit).await? {
        return Err(in_use(layout, read_pid(&layout.bus_lock)));
    }
    sign(&mut bus).map_err(Error::io("write", &layout.bus_lock))?;
    let server = open(&layout.lock)?;
    if !take(&server, &layout.lock, TICK).await? {
        evict(&server, layout, limit).await?;
    }
    Ok(Locks { bus, server })
}

/// Ends a server whose bus is gone. Its guard may be at it already; it may also have been killed with the bus.
async fn evict(lock: &File, layout: &Layout, limit: Duration) -> Result<(), Error> {
    for signal in [Signal::TERM, Signal::KILL] {
        if let Some(pid) = read_pid(&layout.pid) {
            tracing::warn!(pid, ?signal, "ending a nats-server that was left without its bus");
            send(pid, signal);
        }
        if take(lock, &layout.lock, limit).await? {
            return Ok(());
        }
    }
    Err(in_use(layout, read_pid(&layout.pid)))
}

fn in_use(layout: &Layout, pid: Option<u32>) -> Error {
    Error::StoreInUse { data: layout.data.clone(), pid }
}

fn open(path: &Path) -> Result<File, Error> {
    let mut options = File::options();
    options.create(true).truncate(false).read(true).write(true).open(path).map_err(Error::io("open", path))
}

/// Whether the lock could be taken within `limit`.
async fn take(file: &File, path: &Path, limit: Duration) -> Result<bool, Error> {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let wait = async {
        loop {
            tick.tick().await;
            match file.try_lock() {
                Ok(()) => return Ok(true),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
            }
        }
    };
    tokio::time::timeout(limit, wait).await.unwrap_or(Ok(false))
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())
}
