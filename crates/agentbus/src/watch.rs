//! Watching: what happens on the bus, from the ledger itself, so that nothing is missed and
//! nothing is shown that was not stored.

use nats::{Reader, Start};
use protocol::{Kind, Name, QueryId};

use crate::{Bus, Entry, Error};

/// What to watch. Everything, unless narrowed.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Only messages of this kind.
    pub kind: Option<Kind>,
    /// Only messages that this agent wrote.
    pub agent: Option<Name>,
    /// Only messages of this query.
    pub query: Option<QueryId>,
    /// Where to begin; it goes on live from there without a gap.
    pub start: Start,
}

impl Default for Watch {
    fn default() -> Self {
        Self { kind: None, agent: None, query: None, start: Start::Now }
    }
}

impl Watch {
    /// Whether an entry is among what is watched.
    fn takes(&self, entry: &Entry) -> bool {
        let subject = &entry.subject;
        self.kind.is_none_or(|kind| kind == subject.kind())
            && self.agent.as_ref().is_none_or(|agent| agent == subject.from())
            && self.query.is_none_or(|id| id == subject.id())
    }

    /// The subject filters that the server applies.
    fn filters(&self, bus: &Bus) -> Vec<String> {
        let space = bus.space();
        match (self.kind, &self.agent, self.query) {
            (_, _, Some(id)) => vec![space.record(id)],
            (Some(kind), Some(agent), None) => vec![space.kind_from(kind, agent)],
            (Some(kind), None, None) => vec![space.kind(kind)],
            (None, Some(agent), None) => Kind::ALL.into_iter().map(|kind| space.kind_from(kind, agent)).collect(),
            (None, None, None) => Vec::new(),
        }
    }
}

/// A watch under way. It survives the loss of its connection.
#[derive(Debug)]
pub struct Watcher {
    reader: Reader,
    watch: Watch,
}

impl Bus {
    /// Begins to watch.
    ///
    /// ```
    /// # use agentbus::{Bus, Kind, Options, Start, Watch};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), agentbus::Error> {
    /// # let server = testkit::NatsServer::start().await;
    /// # let connection = nats::Connection::open(Options::new(server.url(), protocol::Name::coordinator())).await?;
    /// # let _coordinator = coordinator::Coordinator::start(connection, coordinator::Options::default()).await?;
    /// # let bus = Bus::connect(Options::new(server.url(), "worker".parse()?)).await?;
    /// bus.notify("The first thing is done.").await?;
    /// let mut watcher = bus.watch(Watch { kind: Some(Kind::Notice), start: Start::First, ..Watch::default() }).await?;
    /// let entry = watcher.next().await;
    /// assert_eq!(entry.subject.from().as_str(), "worker");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `no_ledger`, `unavailable`.
    pub async fn watch(&self, watch: Watch) -> Result<Watcher, Error> {
        let reader = Reader::open(self.connection().clone(), watch.start, watch.filters(self)).await?;
        Ok(Watcher { reader, watch })
    }
}

impl Watcher {
    /// The next message. Waits until there is one.
    pub async fn next(&mut self) -> Entry {
        loop {
            let entry = self.reader.next().await;
            if self.watch.takes(&entry) {
                return entry;
            }
        }
    }

    /// Whether everything that was stored when the last message came has been shown.
    #[must_use]
    pub const fn is_caught_up(&self) -> bool {
        self.reader.is_caught_up()
    }
}
