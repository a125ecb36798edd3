//! How an attempt went, judged by how its command ended.
//!
//! Pure. Owns the codes of the failures; `exec/mod.rs` documents them. A bad end wins over an answer
//! that was given before it: who says "done" and then fails has not done it. Next: `mod.rs`.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus, time::Duration};

use agentbus::{Done, Fact, Fault};

use super::{process::TooMuch, said::Given};

/// By this exit code a command asks for another try (`EX_TEMPFAIL` of sysexits.h).
const TRY_AGAIN: i32 = 75;

/// How much of the last line of standard error a message quotes, in characters.
const LAST_LINE: usize = 200;

/// What a command has said so far.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(super) facts: Vec<Fact>,
    pub(super) answer: Option<Given>,
    /// Whether something that it asked for could not be told to it.
    pub(super) unheard: bool,
}

/// What ended an attempt.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The command ended by itself.
    Exited(ExitStatus),
    /// It printed more than it may, in bytes.
    TooMuch(u64),
    /// It ran longer than it may.
    TooLong(Duration),
    /// It printed no line for longer than it may be silent.
    Stalled(Duration),
    /// A line for the bus was not right, and why.
    Bad(String),
    /// It cannot go on, and why.
    Failed(Fault),
    /// The system does not tell how it ended.
    Lost(String),
}

impl From<TooMuch> for Ending {
    fn from(TooMuch(limit): TooMuch) -> Self {
        Self::TooMuch(limit)
    }
}

/// The outcome. `by_shell`: a shell started the program, and says by 126 and 127 that it could not.
pub(crate) fn verdict(ending: Ending, heard: Heard, stderr: &str, by_shell: bool) -> Result<Done, Fault> {
    let unheard = heard.unheard;
    let fault = match ending {
        Ending::Exited(status) if status.success() => match heard.answer {
            Some(given) => return Ok(done(given, heard.facts)),
            None => Fault::fail("no_answer", "the command ended without an answer").with("exit_code", 0),
        },
        Ending::Exited(status) => exited(status, stderr, by_shell),
        Ending::TooMuch(limit) => Fault::fail("output_limit", format!("the command printed more than {limit} bytes")),
        Ending::TooLong(limit) => Fault::fail("time_limit", format!("the command ran longer than {limit:?}")),
        Ending::Stalled(limit) => Fault::retry("stalled", format!("the command printed no line for {limit:?}")),
        Ending::Bad(why) => Fault::fail("bad_output", format!("the command printed a line that is not right: {why}")),
        Ending::Failed(fault) => fault,
        Ending::Lost(why) => Fault::crash("command_lost", format!("nobody knows how the command ended: {why}")),
    };
    let fault = if unheard { fault.with("input_closed", true) } else { fault };
    Err(if stderr.is_empty() { fault } else { fault.with("stderr_tail", stderr) })
}

fn done(given: Given, facts: Vec<Fact>) -> Done {
    Done { delivery: given.delivery, result: given.result, facts, unknown: given.unknown, usage: given.usage, ..Done::default() }
}

/// The failure of a command that ended badly, with the last line of what it said of it.
fn exited(status: ExitStatus, stderr: &str, by_shell: bool) -> Fault {
    let last = stderr.lines().rev().map(str::trim).find(|line| !line.is_empty());
    let because = last.map(|line| format!(": {}", line.chars().take(LAST_LINE).collect::<String>())).unwrap_or_default();
    let Some(code) = status.code() else {
        let signal = status.signal().unwrap_or_default();
        return Fault::crash("killed_by_signal", format!("the command was ended by signal {signal}{because}")).with("signal", signal);
    };
    let fault = match code {
        TRY_AGAIN => Fault::retry("temporary_failure", format!("the command asks for another try (exit code {code}){because}")),
        127 if by_shell => Fault::fail("command_not_found", format!("the shell does not find the command{because}")),
        126 if by_shell => Fault::fail("command_not_executable", format!("the shell cannot run the command{because}")),
        _ => Fault::fail("exit_status", format!("the command ended with exit code {code}{because}")),
    };
    fault.with("exit_code", code)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A wait status as the system gives it.
    fn ended(raw: i32) -> Ending {
        Ending::Exited(ExitStatus::from_raw(raw))
    }

    fn heard() -> Heard {
        Heard { answer: Some(Given { delivery: "Reviewed.".to_owned(), ..Given::default() }), ..Heard::default() }
    }

    #[rstest::rstest]
    #[case(ended(3 << 8), "exit_status", false)]
    #[case(ended(75 << 8), "temporary_failure", true)]
    #[case(ended(127 << 8), "command_not_found", false)]
    #[case(ended(126 << 8), "command_not_executable", false)]
    #[case(ended(9), "killed_by_signal", true)]
    #[case(Ending::TooMuch(9), "output_limit", false)]
    #[case(Ending::TooLong(Duration::from_secs(2)), "time_limit", false)]
    #[case(Ending::Stalled(Duration::from_secs(2)), "stalled", true)]
    #[case(Ending::Bad("x".to_owned()), "bad_output", false)]
    #[case(Ending::Failed(Fault::retry("x", "y")), "x", true)]
    #[case(Ending::Lost("x".to_owned()), "command_lost", true)]
    fn a_bad_end_wins_over_an_answer(#[case] ending: Ending, #[case] code: &str, #[case] again: bool) {
        let fault = verdict(ending, heard(), "first\nlast \n\n", true).unwrap_err();
        assert_eq!((fault.code(), fault.is_retry()), (code, again), "{fault:?}");
        assert!(format!("{fault:?}").contains("stderr_tail"), "{fault:?}");
    }

    #[test]
    fn a_good_end_needs_an_answer() {
        assert_eq!(verdict(ended(0), heard(), "", false).unwrap().delivery, "Reviewed.");
        assert_eq!(verdict(ended(0), Heard::default(), "", false).unwrap_err().code(), "no_answer");
    }

    #[test]
    fn only_a_shell_says_127() {
        let fault = verdict(ended(127 << 8), heard(), "first\nlast\n", false).unwrap_err();
        assert_eq!(fault.code(), "exit_status");
        assert!(format!("{fault:?}").contains("exit code 127: last\""), "{fault:?}");
    }
}
