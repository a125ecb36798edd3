//! The server's time, as far as the ledger shows it.
//!
//! Deadlines are judged by the server's clock, and a coordinator's own may be off by minutes. What
//! the ledger shows of the server's clock corrects it; nothing else here knows of two clocks.

use jiff::{SignedDuration, Timestamp};

/// How our clock stands to the server's.
#[derive(Debug, Default)]
pub(super) struct Clock {
    ahead: SignedDuration,
}

impl Clock {
    /// The server's time when our clock shows `ours`.
    pub(super) fn server(&self, ours: Timestamp) -> Timestamp {
        ours.checked_sub(self.ahead).unwrap_or(ours)
    }

    /// What our clock shows at that time of the server.
    pub(super) fn ours(&self, server: Timestamp) -> Timestamp {
        server.checked_add(self.ahead).unwrap_or(server)
    }

    /// An entry that was stored then is read now: it cannot be earlier there.
    pub(super) fn read(&mut self, stored: Timestamp, ours: Timestamp) {
        if self.server(ours) < stored {
            self.set(stored, ours);
        }
    }

    /// It was earlier there than we thought: what we wrote as past its time was stored before it.
    /// (The time that the entry took to get here makes us late, until [`Clock::read`] shows by how much.)
    pub(super) fn set(&mut self, stored: Timestamp, ours: Timestamp) {
        self.ahead = ours.duration_since(stored);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_clock_that_is_behind_is_lifted_by_what_is_read() {
        let mut clock = Clock::default();
        clock.read(at(100), at(70));
        assert_eq!((clock.server(at(71)), clock.ours(at(101))), (at(101), at(71)));
        clock.read(at(50), at(72));
        assert_eq!(clock.server(at(72)), at(102), "an old entry shows nothing");
    }

    #[test]
    fn a_clock_that_is_ahead_is_set_back_by_what_was_stored_too_early() {
        let mut clock = Clock::default();
        clock.read(at(40), at(100));
        assert_eq!(clock.server(at(100)), at(100), "reading late is no proof");
        clock.set(at(40), at(100));
        assert_eq!(clock.server(at(101)), at(41));
    }
}
