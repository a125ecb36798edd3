//! The embedded server while it runs: kept running, and watched for a full disk.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use nats::server::{self, Event, Finder, Server};
use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    failure::{Exit, Failure},
    home::Home,
    printer,
};

/// With less free space than this, the disk counts as full: 8 MiB.
const FULL: u64 = 8 << 20;

/// With more than this, it has room again: 64 MiB.
const ROOM: u64 = 64 << 20;

/// The time between two looks at the disk.
const LOOK: Duration = Duration::from_secs(1);

/// How the server of a data folder is started: found or fetched, with a guard that ends it with this process.
pub(crate) async fn options(home: &Home) -> Result<server::Options, Failure> {
    let found = Finder::from_env().find_or_fetch(|event| printer::say(event.to_string())).await?;
    let mut options = server::Options::new(found.path, home.server());
    options.lock_wait = Duration::from_secs(6);
    options.ready_within = Duration::from_secs(60);
    options.guard = Some(server::Guard { program: std::env::current_exe()?, args: vec!["guard".into()] });
    Ok(options)
}

/// The embedded server, kept running.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub(crate) url: String,
    stop: CancellationToken,
    supervision: JoinHandle<Result<(), server::Error>>,
    disk: JoinHandle<()>,
}

impl Embedded {
    pub(crate) async fn start(options: server::Options) -> Result<Self, Failure> {
        let data = options.data.clone();
        let server = Server::start(options).await?;
        let (url, stop) = (server.url(), CancellationToken::new());
        let pid = Arc::new(AtomicU32::new(server.pid()));
        let disk = tokio::spawn(watch(data, pid.clone(), stop.clone()));
        let report = move |event: Event| {
            if let Event::Restarted { pid: new } = &event {
                pid.store(*new, Ordering::Relaxed);
            }
            printer::say(event.to_string());
        };
        let supervision = tokio::spawn(server::supervise(server, stop.clone(), report));
        Ok(Self { url, stop, supervision, disk })
    }

    /// Returns when the server cannot be kept running.
    pub(crate) async fn failed(&mut self) -> Failure {
        match (&mut self.supervision).await {
            Ok(Err(error)) => error.into(),
            Ok(Ok(())) => Failure::new(Exit::Unreachable, "server_stopped", "the nats-server has stopped"),
            Err(error) => Failure::new(Exit::Unreachable, "server_lost", error.to_string()),
        }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if let Ok(Err(error)) = self.supervision.await {
            printer::say(format!("warning: {error}"));
        }
        let _ = self.disk.await;
    }
}

/// What the disk is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disk {
    Roomy,
    Full,
}

impl Disk {
    /// What it is like with this many bytes free. Between the two bounds it stays as it was.
    const fn with(self, free: u64) -> Self {
        match self {
            Self::Roomy if free < FULL => Self::Full,
            Self::Full if free > ROOM => Self::Roomy,
            same => same,
        }
    }
}

/// Says when the disk is full. A store that has met a full disk takes nothing more, even when
/// there is room again, until its server is restarted (nats-server 2.15): so it is, then.
async fn watch(data: PathBuf, server: Arc<AtomicU32>, stop: CancellationToken) {
    let mut disk = Disk::Roomy;
    while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        let Ok(space) = rustix::fs::statvfs(&data) else { continue };
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        let before = disk;
        disk = before.with(free);
        match (before, disk) {
            (Disk::Roomy, Disk::Full) => printer::say(format!(
                "error[disk_full]: {} MiB are free at {}; soon nothing more can be accepted. Nothing accepted is lost\n  hint: free at least {} MiB",
                free >> 20,
                data.display(),
                ROOM >> 20
            )),
            (Disk::Full, Disk::Roomy) => {
                printer::say("the disk has room again; the nats-server is restarted, since its store takes nothing after a full disk");
                let pid = i32::try_from(server.load(Ordering::Relaxed)).ok().and_then(Pid::from_raw);
                if let Some(Err(error)) = pid.map(|pid| kill_process(pid, Signal::TERM)) {
                    printer::say(format!("warning: the nats-server could not be restarted: {error}"));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_full_until_there_is_room_to_spare() {
        let mut disk = Disk::Roomy;
        let mut seen = Vec::new();
        for free in [ROOM, FULL, FULL - 1, FULL, ROOM, ROOM + 1, FULL] {
            disk = disk.with(free);
            seen.push(disk);
        }
        use Disk::{Full, Roomy};
        assert_eq!(seen, [Roomy, Roomy, Full, Full, Full, Roomy, Roomy]);
    }
}
