//! The live coordinators, and which of them looks after which query.
//!
//! Only a matter of economy: compare-and-set makes a wrong guess harmless, and a query that its
//! coordinator leaves lying is taken up by the others.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use jiff::Timestamp;
use protocol::{InstanceId, QueryId};

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

    /// Whether `me` looks after the query.
    pub(super) fn is_mine(&self, me: &InstanceId, key: &Key) -> bool {
        self.owns(me, key.id)
    }

    /// Whether `me` looks after what stands under an id: the live coordinator with the highest hash of
    /// itself and the id, so that few ids change hands when one comes or goes.
    pub(super) fn owns(&self, me: &InstanceId, id: QueryId) -> bool {
        let weight = |peer: &InstanceId| {
            let mut hasher = DefaultHasher::new();
            (peer, id).hash(&mut hasher);
            (hasher.finish(), peer.clone())
        };
        let mine = weight(me);
        self.live.keys().all(|peer| weight(peer) <= mine)
    }
}
