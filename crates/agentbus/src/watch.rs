//! Watching: what happens on the bus, from the ledger itself, so that nothing is missed and
//! nothing is shown that was not stored.
//!
//! Who watches from now on may fall behind, and is told by how much. A watcher that must see everything although it
//! is stopped now and then keeps its place: see [`crate::Durable`].

use nats::{Replay, Seen, Start};
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
    /// Only messages that are addressed to this name: what came while it was away, too.
    pub to: Option<Name>,
    /// Where to begin; it goes on live from there without a gap.
    pub start: Start,
}

impl Default for Watch {
    fn default() -> Self {
        Self { kind: None, agent: None, query: None, to: None, start: Start::Now }
    }
}

impl Watch {
    /// Whether something that is seen is among what is watched.
    pub(crate) fn takes(&self, seen: &Seen) -> bool {
        let Seen::Entry(entry) = seen else { return true };
        let subject = &entry.subject;
        self.kind.is_none_or(|kind| kind == subject.kind())
            && self.agent.as_ref().is_none_or(|agent| agent == subject.from())
            && self.query.is_none_or(|id| id == subject.id())
            && self.to.as_ref().is_none_or(|to| Some(to) == subject.to().name())
    }

    /// The subject filters that the server applies.
    pub(crate) fn filters(&self, bus: &Bus) -> Vec<String> {
        let space = bus.space();
        if let (Some(to), None) = (&self.to, self.query) {
            return vec![space.inbox(to)];
        }
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
    replay: Replay,
    watch: Watch,
}

impl Bus {
    /// Begins to watch. From a place in the past, it shows what has been archived since, too.
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
        let replay = Replay::open(self.connection().clone(), watch.start, None, watch.filters(self)).await?;
        Ok(Watcher { replay, watch })
    }
}

impl Watcher {
    /// The next message. Waits until there is one.
    pub async fn next(&mut self) -> Entry {
        loop {
            if let Seen::Entry(entry) = self.seen().await {
                return *entry;
            }
        }
    }

    /// The next message, or which sequences it cannot have: what was erased or dropped from the ledger before it was
    /// read. Only who watches everything is told of these.
    pub async fn seen(&mut self) -> Seen {
        loop {
            let seen = self.replay.next().await;
            if self.watch.takes(&seen) {
                return seen;
            }
        }
    }

    /// Whether everything that was stored when the last message came has been shown.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.replay.is_caught_up()
    }

    /// How many sequences of the ledger are still to come. Of a watch that is narrowed, that is the most it can be.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn behind(&self) -> Result<u64, Error> {
        Ok(self.replay.behind().await?)
    }
}
