//! What can happen next, and when.

use std::{cmp::Ordering, collections::BinaryHeap, rc::Rc};

use ledger::{Appended, Key};
use protocol::{Heartbeat, Order};

use crate::{
    requests::Act,
    stream::{Draft, Expect, Ms},
};

/// Which life of which part: a part that crashed and came back is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) index: usize,
    pub(crate) epoch: u32,
}

/// A message on its way to the server.
#[derive(Clone, Debug)]
pub(crate) struct Publish {
    pub(crate) draft: Draft,
    pub(crate) expect: Option<Expect>,
    /// The coordinator that wants to know, and how far it had read.
    pub(crate) by: Option<(Life, Key, u64)>,
    /// The server refuses it though nothing stands in the way.
    pub(crate) refused: bool,
    /// The acknowledgement will not come back.
    pub(crate) unacknowledged: bool,
}

#[derive(Debug)]
pub(crate) enum Event {
    /// A message reaches the server.
    Publish(Box<Publish>),
    /// A coordinator learns what became of its append.
    Acked(Life, Key, Appended),
    /// A coordinator reads the ledger up to this sequence.
    Read(Life, usize),
    /// A coordinator that has just started reads on from the beginning.
    Replay(Life),
    /// A coordinator's timer fires, that was set to this time.
    Wake(Life, Ms),
    /// A coordinator's own heartbeat is due.
    Beat(Life),
    /// A coordinator hears a coordinator: who, sent when, and how much was in the ledger then.
    Peer {
        to: Life,
        beat: Rc<Heartbeat>,
        from: Life,
        sent: Ms,
        stored: usize,
    },
    /// A coordinator hears an instance.
    Heard(Life, Rc<Heartbeat>),
    /// An instance's heartbeat is due.
    Pulse(Life),
    /// An instance is told something.
    Order(Life, Rc<Order>),
    /// An instance goes on with a query, as this attempt.
    Work(Life, Key, u32),
    /// Somebody outside does something.
    Act(Act),
    /// An agent is taken from the roster, or comes back to it.
    Roster,
    /// A coordinator learns that the roster has changed.
    Rerouted(Life),
    /// A fault strikes.
    Fault,
    /// A coordinator or an instance comes back.
    StartCoordinator(usize),
    StartInstance(usize),
    /// From here on there are no faults.
    Calm,
}

struct Due {
    at: Ms,
    number: u64,
    event: Event,
}

/// Everything that will happen, in order of time; at one time, in the order in which it was planned.
#[derive(Default)]
pub(crate) struct Agenda {
    due: BinaryHeap<Due>,
    number: u64,
}

impl Agenda {
    pub(crate) fn put(&mut self, at: Ms, event: Event) {
        self.number += 1;
        self.due.push(Due { at, number: self.number, event });
    }

    pub(crate) fn next(&mut self) -> Option<(Ms, Event)> {
        self.due.pop().map(|due| (due.at, due.event))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}
