//! The live coordinators, and which of them looks after which query.
//!
//! Only a matter of economy: compare-and-set makes a wrong guess harmless, and a query that its
//! coordinator leaves lying is taken up by the others.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use jiff::Timestamp;
use protocol::InstanceId;

use crate::Key;

#[derive(Debug, Default)]
pub(super) struct Peers {
    live: BTreeMap<InstanceId, Timestamp>,
}

impl Peers {
    pub(super) fn heard(&mut self, peer: &InstanceId, until: Timestamp) {
        self.live.insert(peer.clone(), until);
    }

    pub(super) fn gone(&mut self, now: Timestamp) {
        self.live.retain(|_, until| *until > now);
    }

    /// Whether `me` looks after the query: the live coordinator with the highest hash of itself
    /// and the id, so that few queries change hands when one comes or goes.
    pub(super) fn is_mine(&self, me: &InstanceId, key: &Key) -> bool {
        let weight = |peer: &InstanceId| {
            let mut hasher = DefaultHasher::new();
            (peer, key.id).hash(&mut hasher);
            (hasher.finish(), peer.clone())
        };
        let mine = weight(me);
        self.live.keys().all(|peer| weight(peer) <= mine)
    }
}
