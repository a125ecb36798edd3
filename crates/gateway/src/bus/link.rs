//! The way to the bus, which may be gone for a while: connects when it is needed, again when the connection is lost, and
//! to another place when the bus has moved. It never waits longer than a call may be kept waiting.

use std::time::Duration;

use agentbus::{Bus, Options, Problem};
use tokio::{sync::Mutex, time::Instant};
use tokio_util::task::TaskTracker;

/// How long one call may be kept waiting for a connection.
const PATIENCE: Duration = Duration::from_secs(3);

/// For how long a failure to connect is the answer to all calls, so that they do not queue up behind one another.
const REST: Duration = Duration::from_secs(1);

/// How often a connection that is down is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How long a connection that is not wanted any more may take to close before it is not waited for.
const CLOSING: Duration = Duration::from_secs(5);

/// Says where the bus is now. It is asked again whenever there is no connection.
pub type Find = Box<dyn Fn() -> Result<Options, Problem> + Send + Sync>;

/// The way to the bus.
pub struct Link {
    find: Find,
    place: Mutex<Place>,
    /// What closes connections that are not wanted any more.
    closing: TaskTracker,
}

/// What is known of it.
#[derive(Default)]
struct Place {
    bus: Option<(Bus, String)>,
    failed: Option<(Problem, Instant)>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Link")
    }
}

impl Link {
    /// A way to the bus that is found so. Does not connect yet.
    #[must_use]
    pub fn new(find: Find) -> Self {
        Self { find, place: Mutex::default(), closing: TaskTracker::new() }
    }

    /// The bus, connected at this moment.
    ///
    /// # Errors
    /// `unavailable` where no connection is had within 3 s, and whatever else keeps it from being made.
    pub async fn bus(&self) -> Result<Bus, Problem> {
        let mut place = self.place.lock().await;
        if let Some((bus, _)) = place.bus.as_ref().filter(|(bus, _)| bus.connection().is_connected()) {
            return Ok(bus.clone());
        }
        if let Some((problem, _)) = place.failed.as_ref().filter(|(_, at)| at.elapsed() < REST) {
            return Err(problem.clone());
        }
        let found = self.connect(&mut place).await;
        place.failed = found.as_ref().err().map(|problem| (problem.clone(), Instant::now()));
        found
    }

    async fn connect(&self, place: &mut Place) -> Result<Bus, Problem> {
        let mut options = (self.find)()?;
        let url = options.url.clone();
        if let Some((bus, at)) = &place.bus {
            // It connects again by itself, unless the bus has moved.
            if *at == url {
                return if returns(bus).await { Ok(bus.clone()) } else { Err(away(&url)) };
            }
        }
        options.timeout = PATIENCE;
        let bus = Bus::connect(options).await.map_err(|error| match error.code() {
            "unavailable" => away(&url),
            _ => error.problem(),
        })?;
        if let Some((gone, _)) = place.bus.replace((bus.clone(), url)) {
            // Whoever still waits for something there waits in vain; closing it may take a while.
            self.closing.spawn(async move { tokio::time::timeout(CLOSING, gone.close()).await });
        }
        Ok(bus)
    }

    /// Closes the connection, if there is one. Waits a few seconds at most.
    pub async fn close(&self) {
        if let Some((bus, _)) = self.place.lock().await.bus.take() {
            bus.close().await;
        }
        self.closing.close();
        self.closing.wait().await;
    }
}

/// Whether a connection comes back while a call can be kept waiting.
async fn returns(bus: &Bus) -> bool {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if bus.connection().is_connected() {
            return true;
        }
        tokio::time::sleep(LOOK).await;
    }
    false
}

fn away(url: &str) -> Problem {
    let problem = Problem::new("unavailable", format!("no NATS server answers at {}", nats::public(url)));
    problem.hint("Start the bus with 'agentbus up' and call again: this server connects by itself.")
}
