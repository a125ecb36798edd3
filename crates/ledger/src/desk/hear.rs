//! What a desk hears beside the ledger: heartbeats of instances and coordinators, and whether it
//! hears anything at all.

use jiff::{SignedDuration, Timestamp};
use protocol::{Heartbeat, Kind, Lease, Message, Order, Stop, Trouble, message::Assign};

use super::{Action, Desk, Router};
use crate::{Attempt, Entry, Key};

/// When a query's current attempt was last heard of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// In the ledger, or named by a heartbeat.
    pub(super) at: Timestamp,
    /// In the ledger: it showed progress, or was given what it needs for it.
    pub(super) worked: Timestamp,
}

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
        let more = self.hands.heard(&beat.agent, &beat.instance_id, beat.into(), now, until);
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
            self.heard.entry(key).or_insert(Heard { at: now, worked: now }).at = now;
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
            Kind::Assign | Kind::Accept | Kind::Progress | Kind::Question => {
                self.heard.insert(key.clone(), Heard { at: now, worked: now });
            }
            Kind::Answer | Kind::Close => drop(self.heard.remove(key)),
            // It has what it needs to go on; that says nothing of whether it lives.
            Kind::Reply => {
                if let Some(heard) = self.heard.get_mut(key) {
                    heard.worked = now;
                }
            }
            Kind::Query | Kind::Cancel | Kind::Notice => {}
        }
    }

    /// What an entry that counts shows of the instances: whom it was taken from and why, or who works.
    pub(super) fn note_trouble(&mut self, key: &Key, entry: &Entry) {
        let Some(fold) = self.book.get(key) else { return };
        let (attempt, trouble) = match &entry.body {
            Ok(Message::Assign(Assign { gives_up: Some(failure), .. })) => {
                let trouble = match failure.code.as_str() {
                    "not_accepted" => Trouble::Deaf,
                    "stalled" => Trouble::Stalled,
                    _ => return,
                };
                (fold.attempts().iter().nth_back(1), Some(trouble))
            }
            Ok(Message::Accept(_) | Message::Progress(_) | Message::Answer(_)) => (fold.attempts().last(), None),
            _ => return,
        };
        if let Some(attempt) = attempt {
            self.hands.note(&attempt.agent, &attempt.instance, trouble);
        }
    }

    /// For how long nothing was heard of the current attempt, and for how long it has shown no progress,
    /// though it could have been heard.
    pub(super) fn silent(&self, key: &Key, now: Timestamp) -> (Option<SignedDuration>, Option<SignedDuration>) {
        let Some(since) = self.listening_since else { return (None, None) };
        let heard = self.heard.get(key);
        let after = |at: Option<Timestamp>| now.duration_since(at.map_or(since, |at| since.max(at)));
        (Some(after(heard.map(|heard| heard.at))), Some(after(heard.map(|heard| heard.worked))))
    }
}

/// An instance counts as gone after three missed heartbeats.
fn silence_ends(beat: &Heartbeat, now: Timestamp) -> Timestamp {
    let interval = beat.interval_s.clamp(0.05, 3600.0) * 3.0;
    now.checked_add(SignedDuration::from_secs_f64(interval)).unwrap_or(Timestamp::MAX)
}
