//! Keeps a server running: starts it again, on the same port and store, when it dies.
//!
//! Owns the pace of restarts and when to give up. Must never run two servers, nor restart one that was asked to
//! end. The store's lock would refuse a second one in any case, see `lock`.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Error, Event, Server, guard};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// This many deaths within [`WINDOW`] are too many.
const TOO_MANY: usize = 10;
const WINDOW: Duration = Duration::from_secs(60);

/// Owns `server` until `cancel` is cancelled, and then stops it. When it dies it is started again on the same port
/// and store, after 200 ms, then twice as long each time, 5 s at most; each step goes to `report`. A start under way
/// at the cancellation is called off without waiting for its end.
///
/// # Errors
/// [`Error::GaveUp`] at the tenth death or failed start within a minute; [`Error::NotStopped`] at the end.
pub async fn supervise(mut server: Server, cancel: CancellationToken, report: impl Fn(Event)) -> Result<(), Error> {
    let mut deaths = Deaths::default();
    loop {
        let how = tokio::select! {
            biased;
            () = cancel.cancelled() => return server.stop(guard::GRACE).await,
            how = server.exited() => how,
        };
        report(Event::Died { how });
        let revived = revive(&server, &mut deaths, &report);
        server = match cancel.run_until_cancelled(revived).await {
            None => return Ok(()),
            Some(Some(server)) => server,
            Some(None) => {
                let log = server.log_path().to_owned();
                return Err(Error::GaveUp { deaths: TOO_MANY, within: WINDOW, log });
            }
        };
        report(Event::Restarted { pid: server.pid() });
    }
}

/// Starts the server again, as often as it takes; `None` when there were too many deaths.
async fn revive(dead: &Server, deaths: &mut Deaths, report: &impl Fn(Event)) -> Option<Server> {
    loop {
        let pause = deaths.record(Instant::now())?;
        report(Event::Restarting { pause });
        tokio::time::sleep(pause).await;
        match dead.restart().await {
            Ok(server) => return Some(server),
            Err(error) => report(Event::RestartFailed { error }),
        }
    }
}

/// When the server died, within the last [`WINDOW`].
#[derive(Default)]
struct Deaths(VecDeque<Instant>);

impl Deaths {
    /// Notes a death; how long to pause before the next start, or `None` to give up.
    fn record(&mut self, now: Instant) -> Option<Duration> {
        self.0.retain(|&death| now.duration_since(death) < WINDOW);
        self.0.push_back(now);
        if self.0.len() >= TOO_MANY {
            return None;
        }
        let doublings = u32::try_from(self.0.len()).unwrap_or(u32::MAX).saturating_sub(1);
        Some(FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_seconds_and_the_tenth_death_in_a_minute_is_the_last() {
        let (mut deaths, start) = (Deaths::default(), Instant::now());
        let pauses: Vec<_> = (0..10).map(|n| deaths.record(start + Duration::from_secs(n))).collect();
        let millis = |ms| Some(Duration::from_millis(ms));
        let expected = [200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000].map(millis);
        assert_eq!(pauses, [expected.as_slice(), &[None]].concat());
    }

    #[test]
    fn deaths_far_apart_do_not_add_up() {
        let (mut deaths, start) = (Deaths::default(), Instant::now());
        for minute in 0..100 {
            assert_eq!(deaths.record(start + WINDOW * minute), Some(FIRST_PAUSE));
        }
    }
}
