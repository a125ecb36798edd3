//! Waiting for a thing to hold, never for a time.

use std::{
    fmt::Debug,
    future::Future,
    time::{Duration, Instant},
};

/// How long a thing may take to come about. Generous, since the machine may be busy; a test that
/// needs a tighter bound measures it itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Looks until `look` gives a value, and returns it.
///
/// # Panics
/// When it has not come within 30 s: with `what` and the last reason.
#[expect(clippy::disallowed_methods, reason = "between two looks, in a test's own thread")]
pub fn eventually<T, E: Debug>(what: &str, mut look: impl FnMut() -> Result<T, E>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(value) => return value,
            Err(why) if begun.elapsed() > PATIENCE => panic!("{what} did not come about within {PATIENCE:?}: {why:?}"),
            Err(_) => std::thread::sleep(LOOK),
        }
    }
}

/// The same for an async look.
///
/// # Panics
/// As [`eventually`].
pub async fn eventually_async<T, E: Debug, F: Future<Output = Result<T, E>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(value) => return value,
            Err(why) if begun.elapsed() > PATIENCE => panic!("{what} did not come about within {PATIENCE:?}: {why:?}"),
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}
