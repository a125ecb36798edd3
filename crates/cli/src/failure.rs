//! What went wrong, as the user sees it: a sentence, a hint, and an exit code.

use std::process::ExitCode;

use agentbus::{Problem, QueryId, protocol::Invalid};
use serde_json::json;

use crate::{logging, printer, show};

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
    /// The query that is left behind: data, whatever went wrong.
    about: Option<QueryId>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self { exit, problem: Problem::new(code, message), about: None }
    }

    pub(crate) fn usage(code: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, code, message)
    }

    /// The output could not be written. Not 1: how a query ended is another matter.
    pub(crate) fn lost(why: &str) -> Self {
        let failure = Self::new(Exit::Unreachable, "output_lost", format!("the output could not be written: {why}"));
        failure.hint("What was asked for may be done all the same; free space, or write elsewhere.")
    }

    /// What somebody gave, and what is wrong with it.
    pub(crate) fn invalid(what: &str, invalid: Invalid) -> Self {
        let message = match invalid.keyword.as_str() {
            "json" => format!("{what} is no JSON: {}", invalid.reason),
            _ => format!("{what} is not valid: {invalid}"),
        };
        Self::usage(&Problem::from(invalid).code, message)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.problem.hint = Some(hint.into());
        self
    }

    /// Names the query that is left behind.
    pub(crate) fn about(mut self, id: QueryId) -> Self {
        self.about = Some(id);
        self
    }

    /// The same as data.
    pub(crate) fn into_problem(self) -> Problem {
        self.problem
    }

    /// What happened.
    pub(crate) fn message(&self) -> &str {
        &self.problem.message
    }

    /// What the user can do about it.
    pub(crate) fn remedy(&self) -> Option<&str> {
        self.problem.hint.as_deref()
    }

    /// Why a bus is not ready, on one line.
    pub(crate) fn not_ready(mut self) -> Self {
        self.problem.message = format!("not ready: {}", self.problem.message);
        self.problem.hint = None;
        self
    }

    /// Tells the user, and gives the exit code.
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        match self.about {
            Some(id) if json => printer::json(&json!({ "id": id, "error": self.problem })),
            None if json => printer::json(&json!({ "error": self.problem })),
            Some(id) => printer::data(id.to_string()),
            None => {}
        }
        // A problem of the coordinator may quote what somebody sent.
        let mut problem = self.problem.clone();
        problem.message = show::plain(&problem.message);
        problem.hint = problem.hint.as_deref().map(show::plain);
        printer::fail(&problem);
        ExitCode::from(self.exit as u8)
    }
}

/// clap's own message; help and version are no failures.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && logging::wants_json(std::env::args_os()) {
        printer::speak_json();
        return Failure::usage("usage", error.render().to_string()).report(false);
    }
    printer::written(error.print());
    if error.use_stderr() { ExitCode::from(Exit::Usage as u8) } else { ExitCode::SUCCESS }
}

impl From<agentbus::Error> for Failure {
    fn from(error: agentbus::Error) -> Self {
        let exit = match error.code() {
            _ if error.is_unavailable() => Exit::Unreachable,
            "auth" | "tls" | "unreadable_file" | "forbidden" | "ledger_settings" | "storage_full" => Exit::Unreachable,
            "bad_name" | "bad_id" | "bad_subject" | "schema_violation" | "malformed_json" | "usage" | "writer" | "attachment_twice" => {
                Exit::Usage
            }
            _ => Exit::Ended,
        };
        Self { exit, problem: error.problem(), about: None }
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
        Self { exit: Exit::Unreachable, problem, about: None }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Unreachable, "io", error.to_string())
    }
}
