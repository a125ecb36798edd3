//! Where output goes: data to stdout, everything else to stderr. The only file that prints.
//!
//! What cannot be written is remembered, so that a command does not end well whose output was lost:
//! see [`lost`]. A reader that has gone away wants nothing more, and is no failure.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{
    io::{self, ErrorKind, IsTerminal, Write},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use agentbus::Problem;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

/// Why data could not be written, the first time.
static LOST: OnceLock<String> = OnceLock::new();

/// Whether stderr is for a program: then each line there is a JSON object, as in the log.
static JSON: AtomicBool = AtomicBool::new(false);

/// From now on, everything on stderr is JSON.
pub(crate) fn speak_json() {
    JSON.store(true, Ordering::Relaxed);
}

/// Prints data.
pub(crate) fn data(text: impl AsRef<str>) {
    data_line(text);
}

/// Prints one of many lines of data. Returns whether anybody still reads them.
pub(crate) fn data_line(text: impl AsRef<str>) -> bool {
    written(line(&mut anstream::stdout(), text.as_ref()))
}

/// Prints data as JSON, over several lines. Nothing is taken out of it, whoever reads it.
pub(crate) fn json<T: Serialize>(value: &T) {
    if let Ok(text) = serde_json::to_string_pretty(value) {
        written(line(&mut io::stdout(), &text));
    }
}

/// Prints one of many lines of JSON. Returns whether anybody still reads them.
pub(crate) fn json_line<T: Serialize>(value: &T) -> bool {
    serde_json::to_string(value).is_ok_and(|text| written(line(&mut io::stdout(), &text)))
}

/// Says something to the user.
pub(crate) fn say(text: impl AsRef<str>) {
    if JSON.load(Ordering::Relaxed) {
        let (level, message) = leveled(text.as_ref());
        return record(&json!({ "timestamp": Timestamp::now(), "level": level, "message": message, "target": "agentbus" }));
    }
    // Nobody can be told that stderr is closed.
    let _ = line(&mut anstream::stderr(), text.as_ref());
}

/// Asks the user something; the answer is typed on the same line.
pub(crate) fn ask(text: impl AsRef<str>) {
    let mut stderr = anstream::stderr();
    // Nobody can be told that stderr is closed.
    let _ = stderr.write_all(text.as_ref().as_bytes()).and_then(|()| stderr.flush());
}

/// Says what went wrong, and what the user can do about it. The texts must be harmless already.
pub(crate) fn fail(problem: &Problem) {
    let (code, message) = (&problem.code, &problem.message);
    if JSON.load(Ordering::Relaxed) {
        let (now, hint) = (Timestamp::now(), &problem.hint);
        return record(
            &json!({ "timestamp": now, "level": "ERROR", "code": code, "message": message, "hint": hint, "target": "agentbus" }),
        );
    }
    say(format!("error[{code}]: {message}"));
    if let Some(hint) = &problem.hint {
        say(format!("  hint: {hint}"));
    }
}

/// What is said begins with its level, where it is more than news.
fn leveled(text: &str) -> (&'static str, &str) {
    match text.strip_prefix("warning: ") {
        Some(rest) => ("WARN", rest),
        None if text.starts_with("error") => ("ERROR", text),
        None => ("INFO", text),
    }
}

fn record<T: Serialize>(value: &T) {
    if let Ok(text) = serde_json::to_string(value) {
        // Nobody can be told that stderr is closed.
        let _ = line(&mut io::stderr().lock(), &text);
    }
}

/// Whether somebody watches stderr.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Why some data could not be written, if that happened.
pub(crate) fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

/// Whether it was written; what was lost is remembered.
pub(crate) fn written(outcome: io::Result<()>) -> bool {
    match outcome {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => false,
        Err(error) => {
            let _ = LOST.set(error.to_string());
            false
        }
    }
}

fn line(out: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(out, "{}", text.trim_end_matches('\n'))?;
    out.flush()
}
