//! Telling a caller what happens, and waiting for something on its behalf. It is told that it still waits, and may give up.

use std::time::Duration;

use agentbus::Problem;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::{bus::seat::Seat, mcp::Caller};

/// How often a caller that waits is told so: many clients give up a call of which they hear nothing.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Beats that tell a caller that it still waits.
pub(super) fn heartbeat() -> Interval {
    let mut heartbeat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat
}

/// Tells the caller something. A seat that is left tells nobody any more, and does not wait for whoever no longer listens.
pub(super) async fn tell(seat: &Seat, caller: &Caller, what: &str) {
    tokio::select! {
        biased;
        () = caller.given_up().cancelled() => {}
        () = seat.leaving().cancelled() => {}
        () = caller.progress(what) => {}
    }
}

/// Waits; `None` if the seat is left meanwhile. What is waited for is dropped then, or when the caller gives up.
///
/// # Errors
/// `cancelled` when the caller has given up.
pub(super) async fn waiting<T>(seat: &Seat, caller: &Caller, what: &str, for_it: impl Future<Output = T>) -> Result<Option<T>, Problem> {
    let mut for_it = std::pin::pin!(for_it);
    let mut heartbeat = heartbeat();
    loop {
        tokio::select! {
            biased;
            () = caller.given_up().cancelled() => return Err(Problem::new("cancelled", "the call was given up")),
            done = &mut for_it => return Ok(Some(done)),
            () = seat.leaving().cancelled() => return Ok(None),
            _ = heartbeat.tick() => tell(seat, caller, what).await,
        }
    }
}
