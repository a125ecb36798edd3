//! `agentbus route`: explains who would answer a query. Sends nothing to any agent.
//!
//! With `--eval`, the same for a file of prompts whose answers are known: see `eval.rs`.

mod eval;
mod prompt;
mod report;
mod source;

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use self::source::Source;
use crate::{
    failure::{Exit, Failure},
    options::{Global, Question},
    printer, show,
};

/// Options of `route`.
#[derive(Debug, Args)]
pub(crate) struct Route {
    #[command(flatten)]
    question: Question,
    /// Route the prompts of this file, one JSON object a line ({"text", "tags", "expect": […]}), and
    /// print how many went to an agent that was expected
    #[arg(long, value_name = "FILE", conflicts_with_all = ["text", "to", "tags", "id"])]
    eval: Option<PathBuf>,
    /// Ask the definitions in this folder instead of a running bus, as agentbus.toml in this directory configures
    /// them; may be given several times
    #[arg(long, value_name = "DIR")]
    agents: Vec<PathBuf>,
    /// Print the decision as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// The question, or - for standard input
    #[arg(required_unless_present = "eval")]
    text: Option<String>,
}

impl Route {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        if let Some(file) = &self.eval {
            // Before anything is asked: a bad line is found at once.
            let prompts = prompt::read(file)?;
            let source = Source::open(&self.agents, global, &self.question).await?;
            let report = eval::run(&prompts, &self.question, &source).await;
            source.close().await;
            let report = report?;
            if self.json {
                printer::json(&report)
            } else {
                printer::data(report::text(&report))
            }
            return Ok(ExitCode::SUCCESS);
        }
        let query = self.question.query(super::text(self.text.unwrap_or_default()).await?)?;
        let source = Source::open(&self.agents, global, &self.question).await?;
        let decision = source.route(&query).await;
        source.close().await;
        let decision = decision?;
        if self.json {
            printer::json(&decision);
        } else {
            show::decision(&decision);
        }
        Ok(if decision.agent.is_some() { ExitCode::SUCCESS } else { ExitCode::from(Exit::Ended as u8) })
    }
}
