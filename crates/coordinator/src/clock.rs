//! The server's time as far as it can be told from here, and whether we hear everything.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// Stored messages whose times are compared with our own clock.
const SAMPLES: usize = 64;

/// Own heartbeats may take this long to come back before we count as deaf.
const DEAF: SignedDuration = SignedDuration::from_secs(3);

/// A pause of the whole process that is longer than this makes all clocks start afresh.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);

/// The clock of one coordinator.
#[derive(Debug)]
pub(crate) struct Clock {
    /// How far each stored message's time was ahead of ours when we read it.
    ahead: VecDeque<SignedDuration>,
    heard_self: Option<Timestamp>,
    listening_since: Option<Timestamp>,
    last_tick: Timestamp,
}

impl Clock {
    pub(crate) const fn new(now: Timestamp) -> Self {
        Self { ahead: VecDeque::new(), heard_self: None, listening_since: None, last_tick: now }
    }

    /// The server's time. What was stored was on its way for a while, so the largest lead comes
    /// closest to the truth.
    pub(crate) fn server(&self, local: Timestamp) -> Timestamp {
        let ahead = self.ahead.iter().max().copied().unwrap_or_default();
        local.checked_add(ahead).unwrap_or(local)
    }

    /// A message was read as soon as it was stored, then.
    pub(crate) fn stored(&mut self, at: Timestamp, local: Timestamp) {
        if self.ahead.len() == SAMPLES {
            self.ahead.pop_front();
        }
        self.ahead.push_back(at.duration_since(local));
    }

    /// The server has called a message premature that was not so by our reckoning: begin anew.
    pub(crate) fn corrected(&mut self, at: Timestamp, local: Timestamp) {
        self.ahead.clear();
        self.stored(at, local);
    }

    /// Our own heartbeat came back.
    pub(crate) const fn heard_self(&mut self, local: Timestamp) {
        self.heard_self = Some(local);
    }

    /// Time passed. Since when we hear everything, in server time; `None` if we may be deaf.
    pub(crate) fn tick(&mut self, local: Timestamp, caught_up: bool) -> Option<Timestamp> {
        let paused = local.duration_since(self.last_tick) > PAUSE;
        self.last_tick = local;
        let hears = self.heard_self.is_some_and(|at| local.duration_since(at) <= DEAF);
        if !hears || !caught_up || paused {
            self.listening_since = None;
        }
        if hears && caught_up && self.listening_since.is_none() {
            self.listening_since = Some(self.server(local));
        }
        self.listening_since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_servers_time_is_told_from_what_it_stored() {
        let mut clock = Clock::new(at(0));
        assert_eq!(clock.server(at(100)), at(100));
        clock.stored(at(1100), at(100));
        clock.stored(at(1100), at(103));
        assert_eq!(clock.server(at(200)), at(1200), "the sample that was delayed least counts");
        clock.corrected(at(150), at(200));
        assert_eq!(clock.server(at(200)), at(150));
    }

    #[test]
    fn a_deaf_or_lagging_coordinator_is_not_listening() {
        let mut clock = Clock::new(at(0));
        assert_eq!(clock.tick(at(1), true), None, "nothing was heard yet");
        clock.heard_self(at(1));
        assert_eq!(clock.tick(at(1), false), None, "the ledger is not read to its end");
        assert_eq!(clock.tick(at(2), true), Some(at(2)));
        assert_eq!(clock.tick(at(3), true), Some(at(2)));
        assert_eq!(clock.tick(at(4), true), Some(at(2)));
        assert_eq!(clock.tick(at(5), true), None, "its own heartbeat has not come back for too long");
    }

    #[test]
    fn after_a_pause_the_clocks_start_afresh() {
        let mut clock = Clock::new(at(0));
        clock.heard_self(at(1));
        assert_eq!(clock.tick(at(1), true), Some(at(1)));
        clock.heard_self(at(9));
        assert_eq!(clock.tick(at(9), true), Some(at(9)));
    }
}
