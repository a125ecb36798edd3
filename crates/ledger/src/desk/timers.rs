//! When to look at which query again: one time for each.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::Key;

#[derive(Debug, Default)]
pub(super) struct Timers {
    order: BTreeSet<(Timestamp, Key)>,
    times: HashMap<Key, Timestamp>,
}

impl Timers {
    pub(super) fn set(&mut self, key: Key, at: Timestamp) {
        self.clear(&key);
        self.order.insert((at, key.clone()));
        self.times.insert(key, at);
    }

    pub(super) fn clear(&mut self, key: &Key) {
        if let Some(at) = self.times.remove(key) {
            self.order.remove(&(at, key.clone()));
        }
    }

    /// Everything is due at this time at the latest: the clock by which it was set was wrong.
    pub(super) fn hurry(&mut self, at: Timestamp) {
        let late: Vec<Key> = self.order.iter().filter(|(set, _)| *set > at).map(|(_, key)| key.clone()).collect();
        for key in late {
            self.set(key, at);
        }
    }

    /// Takes out what is due.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<Key> {
        let mut due = Vec::new();
        while self.order.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, key)) = self.order.pop_first() {
                self.times.remove(&key);
                due.push(key);
            }
        }
        due
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }
}
