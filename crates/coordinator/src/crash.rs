//! Places at which a debug build can be made to die, to show that a crash there loses nothing.
//!
//! `AGENTBUS_CRASH_POINT=NAME` ends the process the first time that it comes past that place, `NAME:N` the
//! N-th time. As if by `kill -9`: nothing is flushed, nothing is said. A release build has none of this.

/// Dies here, if that is wanted.
#[cfg(debug_assertions)]
pub(crate) fn point(name: &str) {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    };

    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let wanted = WANTED.get_or_init(|| {
        let wanted = std::env::var("AGENTBUS_CRASH_POINT").ok()?;
        let (name, time) = wanted.split_once(':').unwrap_or((&wanted, "1"));
        Some((name.to_owned(), time.parse().unwrap_or(1)))
    });
    if let Some((place, time)) = wanted
        && place == name
        && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *time
    {
        std::process::abort();
    }
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
pub(crate) const fn point(_name: &str) {}
