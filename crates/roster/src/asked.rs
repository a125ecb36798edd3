//! What a decision is made from, besides the cards: the query with the way it came, and what the
//! caller knows of each agent's present state. Nothing here decides; the steps are in `steps.rs`.

use protocol::{Name, To, message::Query};

/// What the roster must know of an agent's present state.
pub trait Standing {
    /// Whether it has a live instance that takes work.
    fn is_live(&self, agent: &Name) -> bool;

    /// How many queries it has in hand or waiting.
    fn in_hand(&self, agent: &Name) -> usize;

    /// Whether it has had all its attempts at this query.
    fn is_done(&self, agent: &Name) -> bool;
}

/// A query, and how it came.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The query.
    pub query: &'a Query,
    /// Whom it was sent to.
    pub to: &'a To,
    /// The agents that stand between the first requester and this query, the asker last. Empty for
    /// a query that nobody delegated.
    pub path: &'a [Name],
}

impl Asked<'_> {
    /// Whether an agent may not answer, because it asks or stands on the path.
    pub(crate) fn excludes(&self, agent: &Name) -> bool {
        self.query.requesting_agent == *agent || self.path.contains(agent)
    }
}
