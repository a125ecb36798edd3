//! The log: on stderr, as text or JSON lines. What a command says to its user is not a log.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt};

use crate::options::LogFormat;

/// Starts logging: `RUST_LOG`, else warnings; services also tell what they do when they log JSON.
pub(crate) fn start(format: LogFormat, service: bool) {
    let level = if service && format == LogFormat::Json { "info" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let log = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()).with_target(false);
    let started = match format {
        LogFormat::Text => log.compact().try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    // A second start would be a fault of ours, and changes nothing.
    drop(started);
}
