//! Whether a watch that was live has fallen behind, because what it prints is read too slowly.
//!
//! It misses nothing by that: the ledger keeps what is still to come. But who reads it should know that it is
//! not what happens now.

use std::time::Duration;

use tokio::time::Instant;

use super::source::Source;

/// Who takes so long to read a line, or does not catch up for so long, lags.
const SLOW: Duration = Duration::from_secs(1);

/// The time between two warnings.
const AGAIN: Duration = Duration::from_secs(5);

/// What is known of the lag.
#[derive(Debug, Default)]
pub(super) struct Lag {
    /// Whether it has been live: a replay of the past is no lag.
    live: bool,
    /// Since when it has not caught up.
    since: Option<Instant>,
    told: Option<Instant>,
}

impl Lag {
    /// Looks after a line that took so long to print. Returns how far behind the watch is, if that is to be told.
    pub(super) async fn look(&mut self, source: &Source, took: Duration) -> Option<u64> {
        let slow = took >= SLOW;
        if source.is_caught_up() && !slow {
            (self.live, self.since) = (true, None);
            return None;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        let is_told = self.told.is_some_and(|told| told.elapsed() < AGAIN);
        if !self.live || is_told || !(slow || since.elapsed() >= SLOW) {
            return None;
        }
        let behind = source.behind().await.ok().filter(|behind| *behind > 0)?;
        self.told = Some(Instant::now());
        Some(behind)
    }
}
