//! What a desk hears beside the ledger: heartbeats of instances and coordinators, and whether it
//! hears anything at all.

use jiff::{SignedDuration, Timestamp};
use protocol::{Heartbeat, Kind, Lease, Order, Stop};

use super::{Action, Desk, Router};
use crate::{Attempt, Entry, Key};

impl Desk {
    /// Since when the coordinator hears everything, or `None` while it may be deaf. Call
    /// [`Desk::tick`] soon after.
    pub fn listening(&mut self, since: Option<Timestamp>) {
        if since == self.listening_since {
            return;
        }
        self.listening_since = since;
        let Some(since) = since else { return };
        // While the clocks stood still, nothing was due.
        for key in self.hands.held() {
            self.timers.set(key.clone(), self.clock.server(since));
        }
    }

    /// A heartbeat was heard.
    pub fn heartbeat(&mut self, beat: &Heartbeat, now: Timestamp, router: &impl Router) -> Vec<Action> {
        let until = silence_ends(beat, now);
        if beat.agent.is_coordinator() {
            self.peers.heard(&beat.instance_id, until);
            return Vec::new();
        }
        let mut actions = Vec::new();
        for lease in &beat.leases {
            self.heard_lease(beat, lease, now, &mut actions);
        }
        let was_live = self.hands.is_live(&beat.agent);
        let more = self.hands.heard(&beat.agent, &beat.instance_id, beat.capacity as usize, now, until);
        if !self.live {
            return actions;
        }
        if more {
            self.stirred.insert(beat.agent.clone());
        }
        if was_live != self.hands.is_live(&beat.agent) {
            self.reroute(now, router, &mut actions);
        }
        self.pump(now, router, &mut actions);
        actions
    }

    /// An instance says that it works on a query.
    fn heard_lease(&mut self, beat: &Heartbeat, lease: &Lease, now: Timestamp, actions: &mut Vec<Action>) {
        let key = Key { id: lease.id, requester: lease.requester.clone() };
        let Some(fold) = self.book.get(&key) else { return };
        let is_it = |a: &&Attempt| a.number == lease.attempt && a.agent == beat.agent && a.instance == beat.instance_id;
        if fold.current().filter(is_it).is_some() {
            self.heard.insert(key, now);
            return;
        }
        // Of an attempt that is over: say so until it stops naming it. One that is still to come is
        // healthy: its assignment is on its way here.
        if self.live && lease.attempt <= fold.last_number() {
            let stop = Stop { id: lease.id, requester: lease.requester.clone(), attempt: lease.attempt };
            let (agent, instance) = (beat.agent.clone(), beat.instance_id.clone());
            actions.push(Action::Hand { agent, instance, order: Order::Stop(stop) });
        }
    }

    /// The ledger shows that somebody has a query in hand, or no longer.
    pub(super) fn heard_in(&mut self, key: &Key, entry: &Entry, now: Timestamp) {
        match entry.subject.kind() {
            Kind::Assign | Kind::Accept | Kind::Progress | Kind::Question => self.heard.insert(key.clone(), now),
            Kind::Answer | Kind::Close => self.heard.remove(key),
            Kind::Query | Kind::Reply | Kind::Cancel | Kind::Notice => None,
        };
    }

    /// For how long nothing was heard of the current attempt, though it could have been.
    pub(super) fn silent(&self, key: &Key, now: Timestamp) -> Option<SignedDuration> {
        let since = self.listening_since?;
        let heard = self.heard.get(key).map_or(since, |heard| since.max(*heard));
        Some(now.duration_since(heard))
    }
}

/// An instance counts as gone after three missed heartbeats.
fn silence_ends(beat: &Heartbeat, now: Timestamp) -> Timestamp {
    let interval = beat.interval_s.clamp(0.05, 3600.0) * 3.0;
    now.checked_add(SignedDuration::from_secs_f64(interval)).unwrap_or(Timestamp::MAX)
}
