//! The instances that can take work, and how much each has in hand.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use protocol::{Heartbeat, InstanceId, Name, QueryId, Trouble};

use crate::Key;

/// What an instance says that it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// How many queries it takes at once.
    pub capacity: usize,
    /// Whether it fetches its work, so that it is there even when it takes none now.
    pub pulls: bool,
    /// The one query that it takes, where it takes no other.
    pub only: Option<QueryId>,
}

impl From<&Heartbeat> for Offer {
    fn from(beat: &Heartbeat) -> Self {
        Self { capacity: beat.capacity as usize, pulls: beat.pulls, only: beat.only }
    }
}

/// One live instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Hand {
    /// How many queries it takes at once.
    pub capacity: usize,
    /// Whether it fetches its work.
    pub pulls: bool,
    /// The one query that it takes, where it takes no other.
    pub only: Option<QueryId>,
    /// When it was last heard.
    pub heard: Timestamp,
    /// When it counts as gone, unless it is heard again.
    pub until: Timestamp,
    /// What is wrong with it, though it is heard.
    pub trouble: Option<Trouble>,
    holds: BTreeSet<Key>,
}

impl Hand {
    /// How many queries it has in hand.
    #[must_use]
    pub fn load(&self) -> usize {
        self.holds.len()
    }

    /// Whether it would take another query.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.load() < self.capacity
    }
}

/// Every live instance, by agent. What an instance holds is taken from the ledger, not from
/// what it says: an assignment counts from the moment it is stored.
#[derive(Clone, Debug, Default)]
pub struct Hands {
    agents: BTreeMap<Name, BTreeMap<InstanceId, Hand>>,
    /// Also for instances that have not been heard yet, as after a restart.
    held: HashMap<Key, (Name, InstanceId)>,
}

impl Hands {
    /// An instance was heard. Returns whether it is new, or takes more than before, or something else.
    pub fn heard(&mut self, agent: &Name, instance: &InstanceId, offer: Offer, at: Timestamp, until: Timestamp) -> bool {
        let Offer { capacity, pulls, only } = offer;
        let hands = self.agents.entry(agent.clone()).or_default();
        if let Some(hand) = hands.get_mut(instance) {
            let more = capacity > hand.capacity || only != hand.only;
            (hand.capacity, hand.pulls, hand.only, hand.heard, hand.until) = (capacity, pulls, only, at, until);
            return more;
        }
        let holds = self.held.iter().filter(|(_, holder)| holder.0 == *agent && holder.1 == *instance).map(|(key, _)| key.clone());
        let hand = Hand { capacity, pulls, only, heard: at, until, trouble: None, holds: holds.collect() };
        hands.insert(instance.clone(), hand);
        true
    }

    /// Forgets the instances that have not been heard in time; returns them.
    pub fn gone(&mut self, now: Timestamp) -> Vec<(Name, InstanceId)> {
        let mut gone = Vec::new();
        for (agent, hands) in &mut self.agents {
            hands.retain(|instance, hand| {
                let live = hand.until > now;
                if !live {
                    gone.push((agent.clone(), instance.clone()));
                }
                live
            });
        }
        self.agents.retain(|_, hands| !hands.is_empty());
        gone
    }

    /// The ledger says that an instance has a query in hand. Returns who had it before.
    pub fn hold(&mut self, key: Key, agent: Name, instance: InstanceId) -> Option<(Name, InstanceId)> {
        let before = self.release(&key);
        if let Some(hand) = self.agents.get_mut(&agent).and_then(|hands| hands.get_mut(&instance)) {
            hand.holds.insert(key.clone());
        }
        self.held.insert(key, (agent, instance));
        before
    }

    /// The ledger says that nobody has it in hand any more. Returns who had it.
    pub fn release(&mut self, key: &Key) -> Option<(Name, InstanceId)> {
        let (agent, instance) = self.held.remove(key)?;
        if let Some(hand) = self.agents.get_mut(&agent).and_then(|hands| hands.get_mut(&instance)) {
            hand.holds.remove(key);
        }
        Some((agent, instance))
    }

    /// The ledger shows that something is wrong with an instance, or that it works again.
    pub fn note(&mut self, agent: &Name, instance: &InstanceId, trouble: Option<Trouble>) {
        if let Some(hand) = self.agents.get_mut(agent).and_then(|hands| hands.get_mut(instance)) {
            hand.trouble = trouble;
        }
    }

    /// The instances of an agent that would take one query and no other, each with that query.
    pub fn choosy(&self, agent: &Name) -> impl Iterator<Item = (&InstanceId, QueryId)> {
        self.of(agent).filter(|(_, hand)| hand.has_room()).filter_map(|(instance, hand)| Some((instance, hand.only?)))
    }

    /// The instance of an agent that takes the next query, whichever that is: the one with the smallest share of
    /// its capacity in hand, those that are in trouble after all others; `None` if all are full.
    #[must_use]
    pub fn free(&self, agent: &Name) -> Option<&InstanceId> {
        let free = self.agents.get(agent)?.iter().filter(|(_, hand)| hand.only.is_none() && hand.has_room());
        // a/b < c/d without division; ties go to the smaller instance id.
        let share = |a: &Hand, b: &Hand| (a.load() * b.capacity).cmp(&(b.load() * a.capacity));
        let well = |a: &Hand, b: &Hand| a.trouble.is_some().cmp(&b.trouble.is_some());
        free.min_by(|(_, a), (_, b)| well(a, b).then_with(|| share(a, b))).map(|(instance, _)| instance)
    }

    /// Whether an agent has a live instance that takes work, or will fetch some.
    #[must_use]
    pub fn is_live(&self, agent: &Name) -> bool {
        self.agents.get(agent).is_some_and(|hands| hands.values().any(|hand| hand.capacity > 0 || hand.pulls))
    }

    /// The queries that somebody has in hand, in no order.
    pub fn held(&self) -> impl Iterator<Item = &Key> {
        self.held.keys()
    }

    /// Whether nobody has anything in hand.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    /// The live instances of an agent.
    pub fn of(&self, agent: &Name) -> impl Iterator<Item = (&InstanceId, &Hand)> {
        self.agents.get(agent).into_iter().flatten()
    }

    /// The agents that have a live instance.
    pub fn agents(&self) -> impl Iterator<Item = &Name> {
        self.agents.keys()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::key;

    fn takes(capacity: usize) -> Offer {
        Offer { capacity, ..Offer::default() }
    }

    #[test]
    fn who_fetches_its_work_is_there_and_is_given_none() {
        let (agent, instance): (Name, InstanceId) = ("a".parse().unwrap(), "i".parse().unwrap());
        let mut hands = Hands::default();
        let (now, later) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
        hands.heard(&agent, &instance, takes(0), now, later);
        assert!(!hands.is_live(&agent), "it leaves");
        hands.heard(&agent, &instance, Offer { pulls: true, ..takes(0) }, now, later);
        assert!(hands.is_live(&agent));
        assert_eq!(hands.free(&agent), None);
    }

    #[test]
    fn who_takes_one_query_only_is_not_free_for_others() {
        let (agent, instance): (Name, InstanceId) = ("a".parse().unwrap(), "i".parse().unwrap());
        let mut hands = Hands::default();
        let (now, later) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
        let choosy = |n: usize| Offer { only: Some(key(n).id), pulls: true, ..takes(1) };
        assert!(hands.heard(&agent, &instance, choosy(1), now, later));
        assert!(!hands.heard(&agent, &instance, choosy(1), now, later), "the same again");
        assert!(hands.heard(&agent, &instance, choosy(2), now, later), "something else");
        assert_eq!(hands.free(&agent), None);
        assert_eq!(hands.choosy(&agent).collect::<Vec<_>>(), [(&instance, key(2).id)]);
        hands.hold(key(2), agent.clone(), instance);
        assert_eq!(hands.choosy(&agent).count(), 0, "it has it");
    }

    #[test]
    fn work_goes_to_the_emptiest_hand_and_never_over_capacity() {
        let agent: Name = "a".parse().unwrap();
        let (small, large): (InstanceId, InstanceId) = ("s".parse().unwrap(), "l".parse().unwrap());
        let (now, later) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
        let mut hands = Hands::default();
        assert!(hands.heard(&agent, &small, takes(1), now, later));
        assert!(hands.heard(&agent, &large, takes(3), now, later));
        let mut given = Vec::new();
        while let Some(instance) = hands.free(&agent).cloned() {
            hands.hold(key(given.len()), agent.clone(), instance.clone());
            given.push(instance);
        }
        assert_eq!(given.len(), 4);
        assert_eq!(given.iter().filter(|instance| **instance == small).count(), 1);
    }

    #[test]
    fn what_an_instance_held_before_it_was_heard_counts() {
        let (agent, instance): (Name, InstanceId) = ("a".parse().unwrap(), "i".parse().unwrap());
        let mut hands = Hands::default();
        let held = key(0);
        hands.hold(held.clone(), agent.clone(), instance.clone());
        hands.heard(&agent, &instance, takes(1), Timestamp::UNIX_EPOCH, Timestamp::MAX);
        assert_eq!(hands.free(&agent), None);
        hands.release(&held);
        assert_eq!(hands.free(&agent), Some(&instance));
    }

    #[test]
    fn a_silent_instance_is_forgotten() {
        let (agent, instance): (Name, InstanceId) = ("a".parse().unwrap(), "i".parse().unwrap());
        let mut hands = Hands::default();
        hands.heard(&agent, &instance, takes(1), Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        assert_eq!(hands.gone(Timestamp::UNIX_EPOCH), [(agent.clone(), instance)]);
        assert!(!hands.is_live(&agent));
    }
}
