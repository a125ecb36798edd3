//! What can be broken in a debug build on purpose: places at which it dies, to show that a crash there loses
//! nothing, and safeguards that it goes without, to show that whoever looks for the damage finds it.
//!
//! `AGENTBUS_CRASH_POINT=NAME` ends the process the first time that it comes past that place, `NAME:N` the
//! N-th time. As if by `kill -9`: nothing is flushed, nothing is said. `AGENTBUS_WITHOUT=NAME` takes a safeguard
//! away. A release build has none of this.

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

/// Whether a safeguard is taken away.
#[cfg(debug_assertions)]
pub(crate) fn without(safeguard: &str) -> bool {
    use std::sync::OnceLock;

    static WITHOUT: OnceLock<Option<String>> = OnceLock::new();
    WITHOUT.get_or_init(|| std::env::var("AGENTBUS_WITHOUT").ok()).as_deref() == Some(safeguard)
}

/// Never, in a release build.
#[cfg(not(debug_assertions))]
pub(crate) const fn without(_safeguard: &str) -> bool {
    false
}
