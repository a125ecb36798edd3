//! The log: on stderr, as text or JSON lines. What a command says to its user is not a log, but with
//! JSON it takes the same form (see `printer`), so that everything on stderr can be read by a program.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt};

use crate::{options::LogFormat, printer};

/// Starts logging: `RUST_LOG`, else warnings; services also tell what they do when they log JSON.
pub(crate) fn start(format: LogFormat, service: bool) {
    let level = if service && format == LogFormat::Json { "info" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("{level},{}", nats::LOG_FILTER)));
    let log = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).with_target(false).compact().try_init(),
        LogFormat::Json => {
            printer::speak_json();
            std::panic::set_hook(Box::new(|panic| printer::say(format!("error: a fault of agentbus: {panic}"))));
            log.with_ansi(false).json().flatten_event(true).try_init()
        }
    };
    // A second start would be a fault of ours, and changes nothing.
    drop(started);
}

/// Whether JSON is wanted, as far as a command line can tell that could not be read.
pub(crate) fn wants_json(mut args: impl Iterator<Item = std::ffi::OsString>) -> bool {
    while let Some(arg) = args.next() {
        if arg == "--log-format=json" || (arg == "--log-format" && args.next().is_some_and(|format| format == "json")) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_from_words_that_make_no_command() {
        let wants = |line: &str| wants_json(line.split(' ').map(Into::into));
        assert!(wants("agentbus --log-format json nonsense") && wants("agentbus x --log-format=json"));
        assert!(!wants("agentbus --log-format text json") && !wants("agentbus --log-format"));
    }
}
