//! What waits for a free hand, in the order in which it will go.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use protocol::{Name, message::Priority};

use crate::Key;

/// A query's place in the queue: highest priority first, then oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    priority: std::cmp::Reverse<Priority>,
    seq: u64,
}

impl Ticket {
    /// The place of a query of this priority that was stored at this sequence.
    #[must_use]
    pub const fn new(priority: Priority, seq: u64) -> Self {
        Self { priority: std::cmp::Reverse(priority), seq }
    }
}

/// What waits, for each agent.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    agents: BTreeMap<Name, BTreeSet<(Ticket, Key)>>,
    places: HashMap<Key, (Name, Ticket)>,
}

impl Queue {
    /// Puts a query in its place for an agent; it leaves any place that it had.
    pub fn put(&mut self, key: Key, agent: Name, ticket: Ticket) {
        self.remove(&key);
        self.agents.entry(agent.clone()).or_default().insert((ticket, key.clone()));
        self.places.insert(key, (agent, ticket));
    }

    /// Takes a query out, wherever it stands.
    pub fn remove(&mut self, key: &Key) {
        let Some((agent, ticket)) = self.places.remove(key) else { return };
        if let Some(waiting) = self.agents.get_mut(&agent) {
            waiting.remove(&(ticket, key.clone()));
            if waiting.is_empty() {
                self.agents.remove(&agent);
            }
        }
    }

    /// The query that goes to this agent next.
    #[must_use]
    pub fn first(&self, agent: &Name) -> Option<&Key> {
        self.agents.get(agent)?.first().map(|(_, key)| key)
    }

    /// The agents that something waits for.
    pub fn agents(&self) -> impl Iterator<Item = &Name> {
        self.agents.keys()
    }

    /// The agent that a query waits for.
    #[must_use]
    pub fn agent_of(&self, key: &Key) -> Option<&Name> {
        self.places.get(key).map(|(agent, _)| agent)
    }

    /// How many queries wait for an agent.
    #[must_use]
    pub fn len(&self, agent: &Name) -> usize {
        self.agents.get(agent).map_or(0, BTreeSet::len)
    }

    /// Whether nothing waits for anybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::key;

    #[test]
    fn the_highest_priority_goes_first_then_the_oldest() {
        let agent: Name = "a".parse().unwrap();
        let (old, new, urgent, idle) = (key(0), key(1), key(2), key(3));
        let mut queue = Queue::default();
        queue.put(idle.clone(), agent.clone(), Ticket::new(Priority::Low, 1));
        queue.put(new.clone(), agent.clone(), Ticket::new(Priority::Normal, 3));
        queue.put(old.clone(), agent.clone(), Ticket::new(Priority::Normal, 2));
        queue.put(urgent.clone(), agent.clone(), Ticket::new(Priority::Critical, 4));
        let mut order = Vec::new();
        while let Some(key) = queue.first(&agent).cloned() {
            queue.remove(&key);
            order.push(key);
        }
        assert_eq!(order, [urgent, old, new, idle]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_query_stands_in_one_place() {
        let (a, b): (Name, Name) = ("a".parse().unwrap(), "b".parse().unwrap());
        let key = key(0);
        let mut queue = Queue::default();
        queue.put(key.clone(), a.clone(), Ticket::new(Priority::Normal, 1));
        queue.put(key.clone(), b.clone(), Ticket::new(Priority::Normal, 1));
        assert_eq!((queue.len(&a), queue.len(&b)), (0, 1));
    }
}
