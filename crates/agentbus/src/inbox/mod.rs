//! Serving by pulling: a person or a session asks for a query when it can take one.
//!
//! What waits stays posted in the ledger, whatever happens here: nothing is accepted and no attempt spent before it is
//! taken. An [`Inbox`] announces its agent as one that pulls, with no capacity; [`Inbox::take`] raises it by one until
//! a query is handed over. Next: `held`, a query in hand here; `taken`, one that was taken by another process;
//! `addressed`, what there is to take.

mod addressed;
mod held;
mod taken;

use std::time::Duration;

use protocol::{Card, Extra, InstanceId, Name, Problem, QueryId};
use tokio::sync::{mpsc, oneshot};

pub use addressed::Addressed;
pub use held::Held;
pub(crate) use held::hold;
pub use taken::Taken;

use crate::{
    Agent, Bus, Error, Serving,
    serve::worker::{Wish, Worker},
};

/// How many may wait for their turn to take a query.
const IN_LINE: usize = 64;

/// The handler of an agent whose queries wait until somebody takes them.
pub(crate) const MAILBOX: &str = "mailbox";

/// An agent whose queries are taken one by one. Dropping it gives back what is held.
#[derive(Debug)]
pub struct Inbox {
    serving: Serving,
    wishes: mpsc::Sender<Wish>,
}

impl Bus {
    /// Announces an agent that fetches its work. It counts as live, and is given a query only when one is asked for
    /// ([`Inbox::take`]); `agent.capacity` has no meaning here. While the inbox is there, it renews the leases of what
    /// was taken.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn inbox(&self, agent: Agent) -> Result<Inbox, Error> {
        let (wishes, waiting) = mpsc::channel(IN_LINE);
        let serving = self.host(agent, Worker::takers(waiting)).await?;
        Ok(Inbox { serving, wishes })
    }

    /// Announces an agent whose queries wait until somebody takes them, and takes none: they are taken elsewhere.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn announce(&self, agent: Agent) -> Result<Serving, Error> {
        Ok(self.inbox(agent).await?.serving)
    }

    /// An agent by the card under which the bus knows it, so that serving it from here does not change what it is; or,
    /// where it is not known, by one that says no more than its name and that it is a mailbox.
    ///
    /// # Errors
    /// As [`Bus::list`].
    pub async fn mailbox(&self, name: Name) -> Result<Agent, Error> {
        let known = self.card(&name).await?;
        Ok(Agent::with_card(known.unwrap_or_else(|| mailbox(name))))
    }
}

impl Inbox {
    /// Takes the next query that waits, or `only` that one. Returns when it is in hand, which takes a few milliseconds
    /// where it waits already; `None` if there is none `within` that time. Who asks second, waits for the first.
    ///
    /// # Errors
    /// `closed` if the inbox has stopped; what went wrong in accepting it: then it is given back.
    pub async fn take(&self, within: Duration, only: Option<QueryId>) -> Result<Option<Held>, Error> {
        let (give, given) = oneshot::channel();
        let taken = async {
            self.wishes.send(Wish { only, give }).await.map_err(|_| closed())?;
            given.await.map_err(|_| closed())?
        };
        // Whatever comes too late is given back.
        tokio::time::timeout(within, taken).await.map_or(Ok(None), |taken| taken.map(Some))
    }

    /// The instance that takes them.
    #[must_use]
    pub const fn instance(&self) -> &InstanceId {
        self.serving.instance()
    }

    /// Returns when a coordinator knows of it, so that queries to a new agent are not refused; `false` if it stopped before.
    pub async fn known(&mut self) -> bool {
        self.serving.known().await
    }

    /// Gives back what is held, and returns when that is done (5 s at most).
    pub async fn close(self) {
        self.serving.drain(Duration::ZERO).await;
    }
}

fn closed() -> Error {
    Problem::new("closed", "the inbox is closed").into()
}

fn mailbox(agent: Name) -> Card {
    let (description, handler) = (String::new(), MAILBOX.to_owned());
    Card { agent, description, handler, answers: Vec::new(), aliases: Vec::new(), fallback: false, extra: Extra::new() }
}
