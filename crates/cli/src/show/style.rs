//! Bold, dim and three colours. Only our own words and text that is plain already come here.

use std::fmt::Display;

use agentbus::State;

const RESET: &str = "\x1b[0m";

pub(super) fn bold(text: impl Display) -> String {
    format!("\x1b[1m{text}{RESET}")
}

pub(super) fn dim(text: impl Display) -> String {
    format!("\x1b[2m{text}{RESET}")
}

pub(crate) fn red(text: impl Display) -> String {
    format!("\x1b[31m{text}{RESET}")
}

pub(crate) fn green(text: impl Display) -> String {
    format!("\x1b[32m{text}{RESET}")
}

pub(crate) fn yellow(text: impl Display) -> String {
    format!("\x1b[33m{text}{RESET}")
}

/// A state in the colour of its kind: done, under way, ended badly.
pub(super) fn state(state: State) -> String {
    match state {
        State::Completed => green(state),
        state if state.is_terminal() => red(state),
        state => yellow(state),
    }
}
