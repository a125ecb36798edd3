//! A bus for one test: a nats-server and a coordinator, in this process's hands.

use agentbus::{Agent, Bus, Name, Options, Serving};
use coordinator::Coordinator;
use nats::Connection;
use testkit::NatsServer;

/// A server and a coordinator.
pub(crate) struct TestBus {
    pub(crate) server: NatsServer,
    pub(crate) coordinator: Coordinator,
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

impl TestBus {
    pub(crate) async fn start() -> Self {
        let server = NatsServer::start().await;
        let coordinator = coordinate(&server.url()).await;
        Self { server, coordinator }
    }

    /// The same with a ledger of this many bytes.
    pub(crate) async fn with_limit(bytes: u64) -> Self {
        let server = NatsServer::start().await;
        let coordinator = coordinate_within(&server.url(), bytes).await;
        Self { server, coordinator }
    }

    /// A client under this name.
    pub(crate) async fn client(&self, text: &str) -> Bus {
        Bus::connect(Options::new(self.server.url(), name(text))).await.expect("the bus is there")
    }

    /// Serves as an agent, and returns when the coordinator knows of it.
    pub(crate) async fn serve(&self, agent: Agent, handler: impl agentbus::Handler) -> (Bus, Serving) {
        let bus = self.client(agent.card.agent.as_str()).await;
        let mut serving = bus.serve(agent, handler).await.expect("it serves");
        assert!(serving.known().await, "a coordinator knows of it");
        (bus, serving)
    }
}

/// Starts a coordinator with short waits, as tests need them.
pub(crate) async fn coordinate(url: &str) -> Coordinator {
    coordinate_within(url, 64 << 20).await
}

async fn coordinate_within(url: &str, bytes: u64) -> Coordinator {
    let mut options = quick();
    options.limits.max_bytes = bytes;
    coordinate_with(url, options).await
}

/// Options with short waits.
pub(crate) fn quick() -> coordinator::Options {
    let mut options = coordinator::Options::default();
    options.limits.max_bytes = 64 << 20;
    options.policy.accept = jiff::SignedDuration::from_millis(500);
    options.policy.backoff = jiff::SignedDuration::from_millis(50);
    options
}

/// Starts a coordinator with these options.
pub(crate) async fn coordinate_with(url: &str, options: coordinator::Options) -> Coordinator {
    let connection = Connection::open(Options::new(url, Name::coordinator())).await.expect("the server is there");
    Coordinator::start(connection, options).await.expect("the coordinator starts")
}
