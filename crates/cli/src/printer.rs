//! Where output goes: data to stdout, everything else to stderr. The only file that prints.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::{IsTerminal, Write};

use serde::Serialize;

/// Prints data.
pub(crate) fn data(text: impl AsRef<str>) {
    line(&mut anstream::stdout(), text.as_ref());
}

/// Prints data as JSON, over several lines.
pub(crate) fn json<T: Serialize>(value: &T) {
    data(serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Prints data as JSON on one line.
pub(crate) fn json_line<T: Serialize>(value: &T) {
    data(serde_json::to_string(value).unwrap_or_default());
}

/// Says something to the user.
pub(crate) fn say(text: impl AsRef<str>) {
    line(&mut anstream::stderr(), text.as_ref());
}

/// Whether somebody watches stderr.
pub(crate) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

fn line(out: &mut impl Write, text: &str) {
    // A reader that has gone away (a closed pipe) ends nothing that matters.
    let _ = writeln!(out, "{}", text.trim_end_matches('\n'));
    let _ = out.flush();
}
