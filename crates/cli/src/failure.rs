//! What went wrong, as the user sees it: a sentence, a hint, and an exit code.

use std::process::ExitCode;

use agentbus::Problem;
use serde_json::json;

use crate::{printer, show};

/// Exit codes (contract): 1 the query ended badly, 2 cannot reach or start the bus, 64 wrong use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Ended = 1,
    Unreachable = 2,
    Usage = 64,
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    problem: Problem,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self { exit, problem: Problem::new(code, message) }
    }

    pub(crate) fn usage(code: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, code, message)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.problem.hint = Some(hint.into());
        self
    }

    /// Tells the user, and gives the exit code.
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        if json {
            printer::json(&json!({ "error": self.problem }));
        }
        // A problem of the coordinator may quote what somebody sent.
        printer::say(format!("error[{}]: {}", self.problem.code, show::plain(&self.problem.message)));
        if let Some(hint) = &self.problem.hint {
            printer::say(format!("  hint: {}", show::plain(hint)));
        }
        ExitCode::from(self.exit as u8)
    }
}

/// clap's own message; help and version are no failures.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(Exit::Usage as u8) } else { ExitCode::SUCCESS }
}

impl From<agentbus::Error> for Failure {
    fn from(error: agentbus::Error) -> Self {
        let exit = match error.code() {
            _ if error.is_unavailable() => Exit::Unreachable,
            "forbidden" | "ledger_settings" | "storage_full" => Exit::Unreachable,
            "bad_name" | "bad_id" | "bad_subject" | "schema_violation" | "malformed_json" | "usage" | "writer" => Exit::Usage,
            _ => Exit::Ended,
        };
        Self { exit, problem: error.problem() }
    }
}

impl From<nats::Error> for Failure {
    fn from(error: nats::Error) -> Self {
        agentbus::Error::from(error).into()
    }
}

impl From<nats::server::Error> for Failure {
    fn from(error: nats::server::Error) -> Self {
        let mut problem = Problem::new(error.code(), error.to_string());
        problem.hint = error.hint();
        Self { exit: Exit::Unreachable, problem }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Unreachable, "io", error.to_string())
    }
}
