//! `agentbus ask`: posts a query, shows progress while it runs, prints the answer. What the agent asks back is `prompt`'s.

mod prompt;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use agentbus::{Asking, Bus, Ended, Event, QueryId, State};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use self::prompt::Prompt;
use crate::{
    bus,
    enclosed::Enclosed,
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
    #[command(flatten)]
    enclosed: Enclosed,
    /// Print the whole record as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// The question, or - for standard input. With --id alone: the query that was posted under it
    #[arg(required_unless_present = "id")]
    text: Option<String>,
}

impl Ask {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let mut query = match self.text {
            Some(text) => Some(self.spread.of(self.question.query(super::text(text).await?)?)?),
            None => None,
        };
        let bus = bus::connect(global, self.question.from.from.clone()).await?;
        if let Some(query) = &mut query {
            self.enclosed.enclose(&bus, query).await?;
        }
        // From here on, so that a query that the ledger may have is never left without its id told.
        let stop = super::told_to_stop();
        let mut spinner = spinner();
        let mut asking = match (query, self.question.id) {
            (Some(query), _) => bus.ask(query).await?,
            (None, Some(id)) => bus.follow(id).await?,
            (None, None) => return Err(Failure::usage("usage", "there is neither a question nor an id")),
        };
        let id = asking.id();
        let ended = tokio::select! {
            ended = follow(&bus, &mut asking, &mut spinner) => ended?,
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

/// Shows what happens until the ledger has the ending, and passes on what is typed for the agent.
async fn follow(bus: &Bus, asking: &mut Asking, spinner: &mut ProgressBar) -> Result<Ended, Failure> {
    let (id, begun) = (asking.id(), Instant::now());
    let before = if asking.receipt().repeated { "was posted before" } else { "posted" };
    tell(spinner, &format!("{id} {before}"));
    let mut prompt = Prompt::default();
    // Whoever follows it later is asked what is open by then.
    if asking.receipt().repeated {
        for question in bus.status(id).await.map(|record| record.questions).unwrap_or_default() {
            put(&mut prompt, spinner, id, question);
        }
    }
    loop {
        if spinner.is_finished() && !prompt.is_open() {
            *spinner = self::spinner().with_elapsed(begun.elapsed());
        }
        let event = tokio::select! {
            event = asking.next() => event,
            line = prompt.line(), if prompt.is_open() => {
                prompt.answer(bus, asking, &line).await;
                continue;
            }
        };
        let event = event.map_err(|error| {
            Failure::from(error).hint(format!("The query is safe in the ledger; ask for it later: agentbus ask --id {id}"))
        })?;
        match event {
            Event::Accepted(agent) => tell(spinner, &format!("{agent} has taken it")),
            Event::Progress(progress) => {
                tell(spinner, &format!("{}: {}", progress.agent, show::progress(&progress)));
                progress.defaulted.into_iter().for_each(|question| prompt.withdraw(question));
            }
            Event::Question(question) => put(&mut prompt, spinner, id, question),
            Event::Ended(ended) => return Ok(*ended),
        }
    }
}

/// Shows a question. A spinner would write over what is being typed, so it goes.
fn put(prompt: &mut Prompt, spinner: &ProgressBar, id: QueryId, question: protocol::message::Question) {
    spinner.finish_and_clear();
    prompt.put(id, question);
}

async fn print(bus: &Bus, ended: &Ended, json: bool) -> Result<(), Failure> {
    if json {
        let mut record = bus.status(ended.id).await?;
        // With a result that was too large for its message, too.
        record.answer.clone_from(&ended.answer);
        printer::json(&record);
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
