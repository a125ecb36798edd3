//! What is watched: from now on or from a place in the past, or as a watcher that keeps its place.

use agentbus::{Durable, Error, Seen, Watcher};

/// A watch under way.
#[derive(Debug)]
pub(super) enum Source {
    Live(Box<Watcher>),
    Durable(Box<Durable>),
}

impl Source {
    pub(super) async fn seen(&mut self) -> Result<Seen, Error> {
        match self {
            Self::Live(watcher) => Ok(watcher.seen().await),
            Self::Durable(durable) => durable.next().await,
        }
    }

    /// What was seen has been shown.
    pub(super) fn confirm(&mut self) {
        if let Self::Durable(durable) = self {
            durable.confirm();
        }
    }

    pub(super) async fn close(self) -> Result<(), Error> {
        match self {
            Self::Live(_) => Ok(()),
            Self::Durable(durable) => durable.close().await,
        }
    }

    pub(super) fn is_caught_up(&self) -> bool {
        match self {
            Self::Live(watcher) => watcher.is_caught_up(),
            Self::Durable(durable) => durable.is_caught_up(),
        }
    }

    pub(super) async fn behind(&self) -> Result<u64, Error> {
        match self {
            Self::Live(watcher) => watcher.behind().await,
            Self::Durable(durable) => durable.behind().await,
        }
    }
}
