//! Serving as an agent: taking what coordinators hand over, and answering it.

mod host;
mod question;
mod task;
pub(crate) mod work;
pub(crate) mod worker;

use std::{sync::Arc, time::Duration};

use nats::Options;
use protocol::{Card, InstanceId, Name};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use question::{Inquiry, Replied};
pub use task::{Done, Fault, Handler, Task};

use self::{work::Terms, worker::Worker};
use crate::{Bus, Error};

/// What an instance serves as, and how much it takes.
#[derive(Clone, Debug)]
pub struct Agent {
    /// The agent's card.
    pub card: Card,
    /// How many queries it works on at once. Default 1.
    pub capacity: u32,
    /// For how long it may be silent about a query before the query is taken from it. Default 15 s.
    pub lease: Duration,
    /// For how long a query in hand may show no progress before it is taken away. Default: no limit.
    pub stall: Option<Duration>,
    /// Time between heartbeats, which renew leases. Default 5 s, and never more than a third of the lease.
    pub heartbeat: Duration,
}

impl Agent {
    /// An agent that answers what is addressed to it, one query at a time.
    #[must_use]
    pub fn new(name: Name) -> Self {
        let card = Card {
            agent: name,
            description: String::new(),
            handler: "sdk".to_owned(),
            answers: Vec::new(),
            aliases: Vec::new(),
            fallback: false,
            extra: protocol::Extra::new(),
        };
        Self::with_card(card)
    }

    /// An agent with this card, one query at a time.
    #[must_use]
    pub const fn with_card(card: Card) -> Self {
        Self { card, capacity: 1, lease: Duration::from_secs(15), stall: None, heartbeat: Duration::from_secs(5) }
    }

    /// Also answers requests of this type; `*` stands for any run of characters.
    #[must_use]
    pub fn answers(mut self, request_type: impl Into<String>) -> Self {
        self.card.answers.push(request_type.into());
        self
    }

    /// Works on this many queries at once.
    #[must_use]
    pub const fn capacity(mut self, capacity: u32) -> Self {
        self.capacity = capacity;
        self
    }

    /// Asks for a lease of this length.
    #[must_use]
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Lets a query in hand go to another instance when it has shown no progress for so long.
    #[must_use]
    pub const fn stall(mut self, stall: Duration) -> Self {
        self.stall = Some(stall);
        self
    }

    const fn terms(&self) -> Terms {
        Terms { lease: self.lease, stall: self.stall }
    }

    fn interval(&self) -> Duration {
        self.heartbeat.min(self.lease / 3).max(Duration::from_millis(30))
    }
}

/// An instance that serves. Dropping it stops it at once; [`Serving::drain`] lets it finish.
#[derive(Debug)]
#[must_use = "dropping it stops the instance"]
pub struct Serving {
    instance: InstanceId,
    known: watch::Receiver<bool>,
    draining: CancellationToken,
    stopping: CancellationToken,
    host: tokio::task::JoinHandle<()>,
}

impl Bus {
    /// Serves as an agent. Returns when the instance can be handed work; it is given some once
    /// a coordinator knows of it ([`Serving::known`]).
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn serve(&self, agent: Agent, handler: impl Handler) -> Result<Serving, Error> {
        self.host(agent, Worker::Handler(Arc::new(handler))).await
    }

    /// Starts an instance whose work is done by this worker.
    pub(crate) async fn host(&self, agent: Agent, worker: Worker) -> Result<Serving, Error> {
        let instance = InstanceId::mint();
        let orders = self.connection().subscribe(self.space().hand(&agent.card.agent, &instance)).await?;
        let (announce, known) = watch::channel(false);
        let (draining, stopping) = (CancellationToken::new(), self.inner.closing.child_token());
        let host = host::Host::new(self.clone(), agent, instance.clone(), worker, announce);
        let host = self.inner.tasks.spawn(host.run(orders, draining.clone(), stopping.clone()));
        Ok(Serving { instance, known, draining, stopping, host })
    }
}

impl Serving {
    /// The instance's id.
    #[must_use]
    pub const fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// Returns when a coordinator knows of the instance; `false` if it stopped before that.
    pub async fn known(&mut self) -> bool {
        self.known.wait_for(|known| *known).await.is_ok()
    }

    /// Takes no further work, and stops when what is in hand is answered, however long that takes. Does not wait.
    pub fn retire(&self) {
        self.draining.cancel();
    }

    /// Whether it has stopped.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        self.host.is_finished()
    }

    /// Takes no further work, waits until what is in hand is answered, but no longer than
    /// `grace`, and stops. What is unfinished then is given back for another try.
    pub async fn drain(mut self, grace: Duration) {
        self.draining.cancel();
        if tokio::time::timeout(grace, &mut self.host).await.is_err() {
            self.stopping.cancel();
            let _ = tokio::time::timeout(Duration::from_secs(5), &mut self.host).await;
        }
    }

    /// Returns when the instance has stopped.
    pub async fn stopped(&mut self) {
        let _ = (&mut self.host).await;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

/// How long [`Agent::run`] lets work in hand go on when it is told to end.
const GRACE: Duration = Duration::from_secs(30);

/// Where an agent serves that needs nothing else: connects under the agent's own name.
impl Agent {
    /// Connects under the agent's name and serves until the process is told to end (Ctrl-C, SIGTERM), or
    /// the bus is closed. Then it drains, for 30 s at most.
    ///
    /// # Errors
    /// As [`Bus::connect`] and [`Bus::serve`].
    pub async fn run(self, url: &str, handler: impl Handler) -> Result<(), Error> {
        let bus = Bus::connect(Options::new(url, self.card.agent.clone())).await?;
        let mut serving = bus.serve(self, handler).await?;
        tokio::select! {
            () = serving.stopped() => {}
            () = told_to_end() => serving.drain(GRACE).await,
        }
        bus.close().await;
        Ok(())
    }
}

/// Returns at the first Ctrl-C or SIGTERM; never, where signals cannot be had.
async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
