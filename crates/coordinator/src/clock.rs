//! The coordinator's own clock, and whether it hears everything. What the server's clock shows
//! is the desk's business.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// Own heartbeats may take this long to come back before we count as deaf.
const DEAF: SignedDuration = SignedDuration::from_secs(3);

/// A pause of the whole process that is longer than this makes all clocks start afresh.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);

/// A clock that is never set back: the time at its start, and what has passed since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Timestamp,
    began: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Timestamp::now(), began: Instant::now() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.start.checked_add(SignedDuration::try_from(self.began.elapsed()).unwrap_or_default()).unwrap_or(Timestamp::MAX)
    }

    /// A moment of this clock as a deadline of the runtime; a day from now at the latest.
    pub(crate) fn instant(&self, at: Timestamp) -> Instant {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let ahead = Duration::try_from(at.duration_since(self.now())).unwrap_or_default();
        Instant::now() + ahead.min(DAY)
    }
}

/// Whether we hear everything: our own heartbeat comes back, our reading is current, and the
/// process has not stood still.
#[derive(Debug)]
pub(crate) struct Hearing {
    heard_self: Option<Timestamp>,
    since: Option<Timestamp>,
    last_look: Timestamp,
}

impl Hearing {
    pub(crate) const fn new(now: Timestamp) -> Self {
        Self { heard_self: None, since: None, last_look: now }
    }

    /// Our own heartbeat came back.
    pub(crate) const fn heard_self(&mut self, now: Timestamp) {
        self.heard_self = Some(now);
    }

    /// Time passed. Since when we hear everything; `None` if we may be deaf.
    pub(crate) fn look(&mut self, now: Timestamp, current: bool) -> Option<Timestamp> {
        let paused = now.duration_since(self.last_look) > PAUSE;
        self.last_look = now;
        let hears = self.heard_self.is_some_and(|at| now.duration_since(at) <= DEAF) && current;
        if !hears || paused {
            self.since = None;
        }
        if hears && self.since.is_none() {
            self.since = Some(now);
        }
        self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_deaf_or_lagging_coordinator_does_not_hear_everything() {
        let mut hearing = Hearing::new(at(0));
        assert_eq!(hearing.look(at(1), true), None, "nothing was heard yet");
        hearing.heard_self(at(1));
        assert_eq!(hearing.look(at(1), false), None, "the ledger is not read to its end");
        assert_eq!(hearing.look(at(2), true), Some(at(2)));
        assert_eq!(hearing.look(at(3), true), Some(at(2)));
        assert_eq!(hearing.look(at(4), true), Some(at(2)));
        assert_eq!(hearing.look(at(5), true), None, "its own heartbeat has not come back for too long");
    }

    #[test]
    fn after_a_pause_all_clocks_start_afresh() {
        let mut hearing = Hearing::new(at(0));
        hearing.heard_self(at(1));
        assert_eq!(hearing.look(at(1), true), Some(at(1)));
        hearing.heard_self(at(9));
        assert_eq!(hearing.look(at(9), true), Some(at(9)));
    }

    #[test]
    fn the_clock_goes_on_from_where_it_began() {
        let clock = Clock::start();
        let now = clock.now();
        assert!(now >= clock.start && clock.now() >= now);
        assert!(clock.instant(Timestamp::MAX) <= Instant::now() + Duration::from_secs(24 * 60 * 60));
    }
}
