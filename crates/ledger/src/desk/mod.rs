//! The desk: the pure half of a coordinator. Events come in (an entry was read, a heartbeat was
//! heard, an append was answered, time passed), actions go out. It performs none of them.
//!
//! It never assumes that an action succeeded: what counts is what it reads in the ledger. So a
//! crash between any two actions loses nothing; whoever reads the same ledger decides the same.
//!
//! `now` is always the caller's own clock, which must never be set back (a time taken at the start,
//! and what a monotonic clock has counted since); how far it is off the server's, the desk finds out.

mod action;
mod archive;
mod clock;
mod dispatch;
mod gather;
mod gathered;
mod hear;
mod peers;
mod react;
mod timers;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use protocol::{Decision, End, InstanceId, Message, Name, Order, QueryId, Stop, Verdict, Work, message::Reason};

pub use action::{Action, Appended};

use self::{clock::Clock, peers::Peers, timers::Timers};
use crate::{Applied, Book, Entry, Fold, Hands, Key, Policy, Queue};

/// What a routing decision may look at.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The query.
    pub fold: &'a Fold,
    /// The agents that stand between the first requester and the query ([`Book::path`]).
    pub path: &'a [Name],
    /// Who is live, and what each has in hand.
    pub hands: &'a Hands,
    /// What waits for whom.
    pub queue: &'a Queue,
}

/// Who should answer a query: the routing decision, given who is live. Must be deterministic.
pub trait Router {
    /// Decides for one query. Of one that gathers from several agents without naming them, the candidates are those
    /// to ask.
    fn route(&self, at: &Situation<'_>) -> Decision;

    /// Whether somebody who is known has not been heard, or not for long.
    fn awaits(&self, _hands: &Hands) -> bool {
        false
    }

    /// Whether an agent's queries wait until somebody fetches them: a person, or a session.
    fn pulls(&self, _agent: &Name) -> bool {
        false
    }

    /// Whether everybody who was heard is known. Until then a query waits a little before nobody is
    /// found for it.
    fn is_complete(&self) -> bool {
        true
    }
}

impl<F: Fn(&Fold, &Hands) -> Decision> Router for F {
    fn route(&self, at: &Situation<'_>) -> Decision {
        self(at.fold, at.hands)
    }
}

/// The pure half of one coordinator.
#[derive(Debug)]
pub struct Desk {
    me: InstanceId,
    /// What nobody else knows: the ids of parts are drawn from it, so that nobody takes them first.
    secret: u128,
    policy: Policy,
    book: Book,
    hands: Hands,
    queue: Queue,
    /// Decisions of queries that wait for a hand.
    routed: BTreeMap<Key, Decision>,
    /// Queries with an append under way: nothing else is done about them meanwhile.
    in_flight: HashMap<Key, Flight>,
    /// When a query's current attempt was last heard of: in the ledger, or named by a heartbeat.
    heard: HashMap<Key, hear::Heard>,
    /// Since when a query of another coordinator has been waiting for that one to act.
    lying: HashMap<Key, Timestamp>,
    /// Agents that may have both a query waiting and a free hand.
    stirred: BTreeSet<Name>,
    /// When to look at which query again, by the server's clock.
    timers: Timers,
    clock: Clock,
    peers: Peers,
    listening_since: Option<Timestamp>,
    /// The ledger is full: what is over leaves it sooner.
    full: bool,
    /// Queries that are being asked of several agents, and what those have answered.
    gathers: HashMap<Key, gathered::Gathering>,
    live: bool,
    filing: archive::Filing,
}

/// An append under way.
#[derive(Debug)]
enum Flight {
    /// No answer yet.
    Sent,
    /// Stored at this sequence, and not yet read.
    Stored(u64),
}

impl Desk {
    /// An empty desk, which has read nothing yet and so does nothing yet.
    #[must_use]
    pub fn new(me: InstanceId, policy: Policy) -> Self {
        Self {
            me,
            secret: 0,
            policy,
            book: Book::default(),
            hands: Hands::default(),
            queue: Queue::default(),
            routed: BTreeMap::new(),
            in_flight: HashMap::new(),
            heard: HashMap::new(),
            lying: HashMap::new(),
            stirred: BTreeSet::new(),
            timers: Timers::default(),
            clock: Clock::default(),
            peers: Peers::default(),
            listening_since: None,
            full: false,
            gathers: HashMap::new(),
            live: false,
            filing: archive::Filing::default(),
        }
    }

    /// Draws the ids of parts from this, which nobody else knows.
    #[must_use]
    pub const fn with_secret(mut self, secret: u128) -> Self {
        self.secret = secret;
        self
    }

    /// The next entry of the ledger was read.
    pub fn read(&mut self, entry: &Entry, now: Timestamp, router: &impl Router) -> Vec<Action> {
        let Applied { key, verdict } = self.book.apply(entry);
        self.clock.read(entry.time, now);
        self.file(entry);
        let mut actions = Vec::new();
        let Some(key) = key else { return actions };
        let premature = verdict == Verdict::Premature && self.is_mine_early(&key, entry);
        if matches!(self.in_flight.get(&key), Some(Flight::Stored(seq)) if *seq <= entry.seq) {
            self.in_flight.remove(&key);
        }
        if verdict == Verdict::Counted {
            self.lying.remove(&key);
            self.heard_in(&key, entry, now);
            self.note_trouble(&key, entry);
            self.note_part(&key, entry, now);
        }
        if premature {
            self.clock.set(entry.time, now);
            self.timers.hurry(entry.time);
        }
        if !self.live {
            return actions;
        }
        if verdict == Verdict::Counted {
            self.follow(&key, entry, &mut actions);
        }
        self.react(&key, now, router, &mut actions);
        if verdict == Verdict::Counted {
            self.react_kin(&key, entry, now, router, &mut actions);
        }
        self.pump(now, router, &mut actions);
        actions
    }

    /// Whether an entry is one of ours that took a time for passed: a close, or an answer for several agents.
    fn is_mine_early(&self, key: &Key, entry: &Entry) -> bool {
        match &entry.body {
            Ok(Message::Close(close)) => close.reason == Reason::Expired && close.coordinator == self.me,
            // It does not say whose it is. If another coordinator was as early, it shows the same.
            Ok(Message::Answer(_)) => self.in_flight.contains_key(key),
            _ => false,
        }
    }

    /// What follows at once from an entry that counts: an assignment of ours is handed over, now
    /// that the ledger has it, and an end is signalled.
    fn follow(&mut self, key: &Key, entry: &Entry, actions: &mut Vec<Action>) {
        let Some(fold) = self.book.get(key) else { return };
        if let Some(ended) = fold.ended().filter(|ended| ended.seq == entry.seq) {
            let digest = entry.body.as_ref().map(Message::digest).unwrap_or_default();
            let end = End { id: key.id, seq: ended.seq, state: ended.state, digest };
            actions.push(Action::End { requester: key.requester.clone(), end });
        }
        if let (Ok(Message::Assign(assign)), Some(query)) = (&entry.body, fold.posted().query()) {
            // Whatever was in hand before has been taken away by this assignment.
            if let Some(lost) = fold.attempts().iter().rev().nth(1).filter(|lost| lost.is_spent() && lost.outcome.is_none()) {
                let stop = Stop { id: key.id, requester: key.requester.clone(), attempt: lost.number };
                actions.push(Action::Hand { agent: lost.agent.clone(), instance: lost.instance.clone(), order: Order::Stop(stop) });
            }
            if assign.coordinator == self.me && !assign.agent.is_coordinator() {
                let work = Work { id: key.id, requester: key.requester.clone(), assign: assign.clone(), query: query.clone() };
                let order = Order::Work(Box::new(work));
                actions.push(Action::Hand { agent: assign.agent.clone(), instance: assign.instance.clone(), order });
            }
        }
    }

    /// Everything that was in the ledger has been read: from now on the desk acts.
    pub fn caught_up(&mut self, now: Timestamp, router: &impl Router) -> Vec<Action> {
        self.live = true;
        self.filing_begins(now);
        let mut open: Vec<Key> = self.book.folds().filter(|fold| fold.ended().is_none()).map(|fold| fold.key().clone()).collect();
        // The same ledger leads to the same actions, in the same order.
        open.sort_unstable();
        self.react_all(open, now, router)
    }

    /// An append was answered, or nobody knows whether it was stored.
    pub fn appended(&mut self, key: &Key, outcome: Appended, now: Timestamp, router: &impl Router) -> Vec<Action> {
        match outcome {
            Appended::Stored(seq) if seq > self.book.last() => {
                self.in_flight.insert(key.clone(), Flight::Stored(seq));
                Vec::new()
            }
            // It was read before it was acknowledged.
            Appended::Stored(_) => {
                self.in_flight.remove(key);
                self.react_all(vec![key.clone()], now, router)
            }
            Appended::Gone => {
                self.in_flight.remove(key);
                self.lost(key);
                Vec::new()
            }
            // Refused: somebody else was first, and what it wrote is on its way here; or, rarely,
            // a refusal without cause. Unknown: it may yet appear. Either way, look again.
            Appended::Refused | Appended::Unknown => {
                self.in_flight.remove(key);
                self.timers.set(key.clone(), react::later(self.clock.server(now), react::LOOK_AGAIN));
                Vec::new()
            }
        }
    }

    /// Time passed: does what is due.
    pub fn tick(&mut self, now: Timestamp, router: &impl Router) -> Vec<Action> {
        if !self.live {
            return Vec::new();
        }
        self.peers.gone(now);
        let gone = self.hands.gone(now);
        let mut actions = Vec::new();
        if gone.iter().any(|(agent, _)| !self.hands.is_live(agent)) {
            self.reroute(now, router, &mut actions);
        }
        for key in self.timers.due(self.clock.server(now)) {
            self.react(&key, now, router, &mut actions);
        }
        self.pump(now, router, &mut actions);
        self.send_off(now, &mut actions);
        actions
    }

    /// The agents or their definitions have changed: decides anew for what waits.
    pub fn roster_changed(&mut self, now: Timestamp, router: &impl Router) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.live {
            self.reroute(now, router, &mut actions);
            self.pump(now, router, &mut actions);
        }
        actions
    }

    fn react_all(&mut self, keys: Vec<Key>, now: Timestamp, router: &impl Router) -> Vec<Action> {
        let mut actions = Vec::new();
        for key in keys {
            self.react(&key, now, router, &mut actions);
        }
        self.pump(now, router, &mut actions);
        actions
    }

    /// Decides anew for every query that waits for a hand: who is live, or known, has changed.
    fn reroute(&mut self, now: Timestamp, router: &impl Router, actions: &mut Vec<Action>) {
        let waiting: Vec<Key> = self.routed.keys().cloned().collect();
        self.routed.clear();
        for key in waiting {
            self.react(&key, now, router, actions);
        }
    }

    /// When to call [`Desk::tick`] at the latest; once a second does as well, and is needed besides,
    /// to notice who has gone silent.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.timers.next().map(|at| self.clock.ours(at))
    }

    /// Whether the ledger is full. While it is, what is over leaves it sooner. No query is refused here: the server
    /// stores no new ones then, and those that it has stored are acknowledged.
    pub const fn full(&mut self, full: bool) {
        self.full = full;
    }

    /// Whether the ledger is taken to be full.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.full
    }

    /// A message was stored under the guard of a query that is none of the bus: its subject is
    /// not one. It is nobody's message, and yet compare-and-set counts it.
    pub fn passed_over(&mut self, key: &Key, seq: u64) {
        self.book.passed_over(key, seq);
        self.file_junk(key.id);
    }

    /// Whether nothing waits, is under way, or is in anybody's hands: all that is left are the folds.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let waits = !self.queue.is_empty() || !self.routed.is_empty() || !self.lying.is_empty() || !self.gathers.is_empty();
        let works = !self.in_flight.is_empty() || !self.hands.is_idle() || !self.heard.is_empty();
        !waits && !works && self.timers.next().is_none()
    }

    /// Everything that was read.
    #[must_use]
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// What waits for whom.
    #[must_use]
    pub const fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Who is live.
    #[must_use]
    pub const fn hands(&self) -> &Hands {
        &self.hands
    }

    /// The query under an id, as `asker` may mean it.
    #[must_use]
    pub fn find(&self, id: QueryId, asker: &protocol::Name) -> Option<&Fold> {
        self.book.find(id, asker)
    }
}

#[cfg(test)]
mod tests;
