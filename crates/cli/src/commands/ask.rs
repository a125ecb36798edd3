//! `agentbus ask`: posts a query, shows progress while it runs, prints the answer.

use std::{process::ExitCode, time::Duration};

use agentbus::{Asking, Bus, Ended, Event, QueryId, State};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    bus,
    failure::{Exit, Failure},
    options::{Global, Question},
    printer, show,
    spread::Spread,
};

/// Options of `ask`.
#[derive(Debug, Args)]
pub(crate) struct Ask {
    #[command(flatten)]
    question: Question,
    #[command(flatten)]
    spread: Spread,
    /// Print the whole record as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// The question, or - for standard input. With --id alone: the query that was posted under it
    #[arg(required_unless_present = "id")]
    text: Option<String>,
}

impl Ask {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let query = match self.text {
            Some(text) => Some(self.spread.of(self.question.query(super::text(text).await?)?)?),
            None => None,
        };
        let bus = bus::connect(global, self.question.from.from.clone()).await?;
        // From here on, so that a query that the ledger may have is never left without its id told.
        let stop = super::told_to_stop();
        let spinner = spinner();
        let mut asking = match (query, self.question.id) {
            (Some(query), _) => bus.ask(query).await?,
            (None, Some(id)) => bus.follow(id).await?,
            (None, None) => return Err(Failure::usage("usage", "there is neither a question nor an id")),
        };
        let id = asking.id();
        let ended = tokio::select! {
            ended = follow(&mut asking, &spinner) => ended?,
            stop = stop => {
                stop?;
                spinner.finish_and_clear();
                return Err(left(id));
            }
        };
        spinner.finish_and_clear();
        self::print(&bus, &ended, self.json).await?;
        bus.close().await;
        Ok(if ended.state == State::Completed { ExitCode::SUCCESS } else { ExitCode::from(Exit::Ended as u8) })
    }
}

/// Shows what happens until the ledger has the ending.
async fn follow(asking: &mut Asking, spinner: &ProgressBar) -> Result<Ended, Failure> {
    let id = asking.id();
    let before = if asking.receipt().repeated { "was posted before" } else { "posted" };
    tell(spinner, &format!("{id} {before}"));
    loop {
        let event = asking.next().await.map_err(|error| {
            Failure::from(error).hint(format!("The query is safe in the ledger; ask for it later: agentbus ask --id {id}"))
        })?;
        match event {
            Event::Accepted(agent) => tell(spinner, &format!("{agent} has taken it")),
            Event::Progress(progress) => tell(spinner, &format!("{}: {}", progress.agent, show::progress(&progress))),
            Event::Question(question) => tell(spinner, &format!("{} asks: {}", question.agent, show::plain(&question.text))),
            Event::Ended(ended) => return Ok(*ended),
        }
    }
}

async fn print(bus: &Bus, ended: &Ended, json: bool) -> Result<(), Failure> {
    if json {
        printer::json(&bus.status(ended.id).await?);
    } else {
        show::answer(ended);
    }
    Ok(())
}

/// Ctrl-C while waiting: the query runs on, and can be asked for.
fn left(id: QueryId) -> Failure {
    let failure = Failure::new(Exit::Ended, "interrupted", format!("stopped waiting; the query {id} runs on"));
    failure.about(id).hint(format!("Its answer: agentbus ask --id {id}    Stop it: agentbus cancel {id}"))
}

/// A spinner on a terminal; nothing elsewhere, where each step is a line instead.
fn spinner() -> ProgressBar {
    if !printer::is_watched() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner();
    spinner
        .set_style(ProgressStyle::with_template("{spinner} {elapsed:>3} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

fn tell(spinner: &ProgressBar, text: &str) {
    if printer::is_watched() {
        spinner.set_message(text.to_owned());
    } else {
        printer::say(text);
    }
}
