//! Where output goes: data to stdout, everything else to stderr. The only file that prints.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::{IsTerminal, Write};

use serde::Serialize;

/// Prints data.
pub(crate) fn data(text: impl AsRef<str>) {
    data_line(text);
}

/// Prints one of many lines of data. Returns whether anybody still reads them.
pub(crate) fn data_line(text: impl AsRef<str>) -> bool {
    line(&mut anstream::stdout(), text.as_ref()).is_ok()
}

/// Prints data as JSON, over several lines. Nothing is taken out of it, whoever reads it.
pub(crate) fn json<T: Serialize>(value: &T) {
    if let Ok(text) = serde_json::to_string_pretty(value) {
        // A reader that has gone away ends nothing that matters.
        let _ = line(&mut std::io::stdout(), &text);
    }
}

/// Prints one of many lines of JSON. Returns whether anybody still reads them.
pub(crate) fn json_line<T: Serialize>(value: &T) -> bool {
    serde_json::to_string(value).is_ok_and(|text| line(&mut std::io::stdout(), &text).is_ok())
}

/// Says something to the user.
pub(crate) fn say(text: impl AsRef<str>) {
    // Nobody can be told that stderr is closed.
    let _ = line(&mut anstream::stderr(), text.as_ref());
}

/// Whether somebody watches stderr.
pub(crate) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

fn line(out: &mut impl Write, text: &str) -> std::io::Result<()> {
    writeln!(out, "{}", text.trim_end_matches('\n'))?;
    out.flush()
}
