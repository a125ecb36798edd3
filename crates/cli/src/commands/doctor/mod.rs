//! `agentbus doctor`: looks at everything a bus rests on, and says how to mend what is wrong.
//!
//! It changes nothing and writes nothing to the bus. Reading order: `look` (what is seen), `judge`
//! (what that means: pure), `report` (how it is shown), `ready` (the short form for supervisors).

mod judge;
mod look;
mod ready;
mod report;

use std::process::ExitCode;

use clap::Args;

use crate::{
    failure::{Exit, Failure},
    options::{From, Global},
    printer,
};

use report::{Report, Verdict};

/// Options of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    from: From,
    /// Only say, within 5 s, whether queries are being taken: a coordinator answers and has read the ledger
    #[arg(long)]
    ready: bool,
    /// Print the checks as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Doctor {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        if self.ready {
            return ready::run(global, self.from.from, self.json).await;
        }
        let seen = look::look(global, self.from.from).await?;
        let reached = seen.server.is_ok();
        let report = Report::of(judge::all(&seen));
        if self.json {
            printer::json(&report);
        } else {
            printer::data(report.text());
            printer::say(report.summary());
        }
        Ok(match report.verdict {
            _ if !reached => ExitCode::from(Exit::Unreachable as u8),
            Verdict::Problem => ExitCode::from(Exit::Ended as u8),
            Verdict::Ok | Verdict::Warning => ExitCode::SUCCESS,
        })
    }
}
