//! From a decision about one query to actions.

use jiff::{SignedDuration, Timestamp};
use protocol::{AttemptState, Kind, Message, Order, Stop, Subject, To, message::Close};

use super::{Action, Desk, Flight, Router, gathered::Gathering};
use crate::{Entry, Fold, Key, Next, Now, decide};

/// How soon to look again after an append that was refused or whose fate is unknown.
pub(super) const LOOK_AGAIN: SignedDuration = SignedDuration::from_millis(50);

/// How long a query may lie before a coordinator takes it up that it does not belong to.
const TAKE_UP: SignedDuration = SignedDuration::from_secs(2);

impl Desk {
    /// Looks at one query and does what is to be done about it.
    pub(super) fn react(&mut self, key: &Key, now: Timestamp, router: &impl Router, actions: &mut Vec<Action>) {
        if self.in_flight.contains_key(key) || self.waits_for_archive(key, now, actions) {
            return;
        }
        let Some(next) = self.next(key, now) else { return };
        self.settle(key, &next, actions);
        match next {
            Next::Nothing => self.forget(key),
            Next::Wait { until, .. } => {
                self.unqueue(key);
                self.timers.set(key.clone(), until);
            }
            // What nobody waits for any more is ended by whoever sees it first, so that a tree ends at once.
            Next::Dispatch { .. } | Next::Close { .. } if !is_abandoned(&next) && !self.may_act(key, now) => {}
            Next::Dispatch { until, gives_up, .. } => {
                self.timers.set(key.clone(), until);
                self.enqueue(key, gives_up.as_ref(), now, router, actions);
            }
            Next::Gather => self.gather(key, now, actions),
            close @ Next::Close { .. } => self.finish(key, close, actions),
        }
    }

    /// Looks at the queries that an entry may concern beside its own: what was asked on its behalf, once that may
    /// not go on; and a query that gathers what this one was asked for.
    pub(super) fn react_kin(&mut self, key: &Key, entry: &Entry, now: Timestamp, router: &impl Router, actions: &mut Vec<Action>) {
        if !matches!(entry.subject.kind(), Kind::Assign | Kind::Answer | Kind::Close) {
            return;
        }
        let open = |child: &&Fold| child.ended().is_none();
        let mut kin: Vec<Key> = self.book.children(key).filter(open).map(|child| child.key().clone()).collect();
        kin.extend(self.whole_of(key));
        for key in kin {
            self.react(&key, now, router, actions);
        }
    }

    /// Ends a query as was decided.
    pub(super) fn finish(&mut self, key: &Key, next: Next, actions: &mut Vec<Action>) {
        let Next::Close { reason, code, message, pointer, hint } = next else { return };
        let (coordinator, extra) = (self.me.clone(), protocol::Extra::new());
        self.close(key, Close { reason, code: code.to_owned(), message, pointer, hint, coordinator, extra }, actions);
    }

    /// What to do about a query now.
    pub(super) fn next(&self, key: &Key, now: Timestamp) -> Option<Next> {
        let fold = self.book.get(key)?;
        let (silent, mut idle) = self.silent(key, now);
        // Whoever waits for what it asked others is not idle.
        if self.book.is_waiting(key) {
            idle = None;
        }
        let clock = Now { time: self.clock.server(now), silent, idle };
        let mut kin = self.book.kin(key);
        kin.unanswerable = self.gathers.get(key).is_some_and(Gathering::is_unanswerable);
        Some(decide(fold, &kin, &clock, &self.policy))
    }

    /// Keeps what instances hold in step with the fold, and stops an instance whose query ended
    /// without it.
    fn settle(&mut self, key: &Key, next: &Next, actions: &mut Vec<Action>) {
        let Some(fold) = self.book.get(key) else { return };
        if matches!(next, Next::Gather) {
            return;
        }
        // An attempt that is to be replaced is lost, and its hand free: perhaps for the very same query.
        let lost = matches!(next, Next::Dispatch { .. });
        if let Some(attempt) = fold.current().filter(|_| !lost) {
            let held = self.hands.hold(key.clone(), attempt.agent.clone(), attempt.instance.clone());
            self.stirred.extend(held.filter(|(_, instance)| *instance != attempt.instance).map(|(agent, _)| agent));
            return;
        }
        let Some((agent, instance)) = self.hands.release(key) else { return };
        if let Some(stopped) = fold.attempts().last().filter(|attempt| attempt.state == AttemptState::Stopped) {
            let stop = Stop { id: key.id, requester: key.requester.clone(), attempt: stopped.number };
            actions.push(Action::Hand { agent: agent.clone(), instance, order: Order::Stop(stop) });
        }
        self.stirred.insert(agent);
    }

    /// Whether this coordinator does what is to be done: the query is its own, or its owner has
    /// left it lying. Otherwise it looks again later.
    pub(super) fn may_act(&mut self, key: &Key, now: Timestamp) -> bool {
        if self.peers.is_mine(&self.me, key) {
            return true;
        }
        let since = *self.lying.entry(key.clone()).or_insert(now);
        let taken_up = later(since, TAKE_UP);
        if now < taken_up {
            self.timers.set(key.clone(), self.clock.server(taken_up));
        }
        now >= taken_up
    }

    pub(super) fn close(&mut self, key: &Key, close: Close, actions: &mut Vec<Action>) {
        self.unqueue(key);
        self.append(key, Kind::Close, To::One(key.requester.clone()), Message::Close(close), actions);
    }

    /// Wants a message appended in the requester's name, and does nothing more about the query
    /// until it knows what became of it.
    pub(super) fn append(&mut self, key: &Key, kind: Kind, to: To, message: Message, actions: &mut Vec<Action>) {
        let Some(fold) = self.book.get(key) else { return };
        let Ok(subject) = Subject::new(kind, key.id, key.requester.clone(), to) else { return };
        let expect = Some(fold.guard());
        self.in_flight.insert(key.clone(), Flight::Sent);
        actions.push(Action::Append { key: key.clone(), subject, message: Box::new(message), expect });
    }

    /// Nothing more is to be done about a query: it keeps only its fold.
    pub(super) fn forget(&mut self, key: &Key) {
        self.unqueue(key);
        self.timers.clear(key);
        self.forget_look(key);
    }

    pub(super) fn unqueue(&mut self, key: &Key) {
        self.queue.remove(key);
        self.routed.remove(key);
    }
}

/// Whether a query is to be ended because what it was asked for is over.
fn is_abandoned(next: &Next) -> bool {
    matches!(next, Next::Close { code: "parent_ended", .. })
}

pub(super) fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
