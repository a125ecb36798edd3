//! What there is to see, here and at the server. Judges nothing.

use std::time::Duration;

use agentbus::{Bus, Name, Presence};
use nats::{
    Described, Survey,
    server::{self, Finder, Found},
};

use super::ready;
use crate::{bus, failure::Failure, home::Home, options::Global};

/// How long a coordinator that does not answer is listened for: a little more than two of its heartbeats.
const LISTEN: Duration = Duration::from_millis(2500);

/// Everything that was seen.
pub(super) struct Seen {
    /// The nats-server program that `up` would use; none if it would have to fetch one.
    pub(super) program: Result<Option<Found>, server::Error>,
    /// Programs that were passed over, and why.
    pub(super) passed_over: Vec<String>,
    /// Where the bus is, without any password in it, and how it was found.
    pub(super) place: (String, &'static str),
    /// The server, or why it cannot be used.
    pub(super) server: Result<Server, Failure>,
}

/// A server that was reached, and the bus on it.
pub(super) struct Server {
    pub(super) version: String,
    pub(super) space: String,
    pub(super) ledger: Result<Option<Survey>, nats::Error>,
    /// The store of attachments; none where none has been needed yet, or it may not be looked at.
    pub(super) attached: Option<Described>,
    pub(super) coordinator: Coordinator,
    pub(super) agents: Result<Vec<Presence>, agentbus::Error>,
    /// Where the server keeps its store, if it is the embedded one of a directory of ours.
    pub(super) store: Option<Store>,
}

/// Whether a coordinator answers.
pub(super) enum Coordinator {
    Answers,
    /// It lives, and does not answer yet: it reads the ledger.
    Starts,
    /// Nobody listens.
    Absent,
    /// What came instead of an answer.
    Broken(agentbus::Error),
}

/// The embedded server's store, as it is seen from outside.
pub(super) struct Store {
    /// Its folder.
    pub(super) folder: String,
    /// Bytes that are free on its disk.
    pub(super) free: Option<u64>,
    /// When writes are forced to the disk, in the server's words.
    pub(super) sync: Option<String>,
}

/// Looks at everything; what cannot be seen is part of what is seen.
pub(super) async fn look(global: &Global, from: Name) -> Result<Seen, Failure> {
    let place = bus::find(global)?;
    let (url, how) = (place.url.clone(), place.how);
    let ((program, passed_over), joined) = tokio::join!(program(), bus::join(global, place, from));
    let server = match joined {
        Ok(bus) => {
            let server = Server::look(&bus, &url).await;
            bus.close().await;
            Ok(server)
        }
        Err(failure) => Err(failure),
    };
    Ok(Seen { program, passed_over, place: (bus::shown(&url), how), server })
}

async fn program() -> (Result<Option<Found>, server::Error>, Vec<String>) {
    let passed_over = std::sync::Mutex::new(Vec::new());
    let found = Finder::from_env().find(|event| passed_over.lock().map(|mut all| all.push(event.to_string())).unwrap_or_default()).await;
    (found, passed_over.into_inner().unwrap_or_default())
}

impl Server {
    async fn look(bus: &Bus, url: &str) -> Self {
        let connection = bus.connection();
        let blobs = connection.space().blobs();
        let (ledger, attached, coordinator, agents) =
            tokio::join!(connection.survey(), connection.stream(&blobs), coordinator(bus), bus.agents());
        let attached = attached.ok().flatten();
        Self {
            version: connection.server_version(),
            space: connection.space().to_string(),
            ledger,
            attached,
            coordinator,
            agents,
            store: store(url),
        }
    }
}

async fn coordinator(bus: &Bus) -> Coordinator {
    match ready::answers(bus).await {
        Ok(()) => Coordinator::Answers,
        Err(error) if error.code() == nats::Kind::NoCoordinator.code() => match bus.connection().coordinator_beats(LISTEN).await {
            Ok(true) => Coordinator::Starts,
            _ => Coordinator::Absent,
        },
        Err(error) => Coordinator::Broken(error),
    }
}

/// The store of the server at `url`, if it is the one that `up` embeds in a directory of ours.
fn store(url: &str) -> Option<Store> {
    let (home, running) = Home::nearest()?;
    let folder = home.server();
    if running.url != url || !folder.is_dir() {
        return None;
    }
    let disk = rustix::fs::statvfs(&folder).ok();
    let free = disk.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    Some(Store { folder: home.path().display().to_string(), free, sync: server::sync_interval(&folder) })
}
