//! `agentbus watch`: what happens on the bus, as the ledger has it.

mod lag;
mod source;

use std::{process::ExitCode, time::Duration};

use agentbus::{Kind, Name, QueryId, Seen, Start};
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use self::{lag::Lag, source::Source};
use crate::{
    bus,
    failure::{Exit, Failure},
    options::{self, Global},
    printer, show,
};

/// Options of `watch`.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Only what this agent writes
    #[arg(long, value_name = "NAME")]
    agent: Option<Name>,
    /// Only this query
    #[arg(long, value_name = "ID")]
    query: Option<QueryId>,
    /// Only what is addressed to AGENTBUS_NAME: answers that came while it was away, with --since or --durable
    #[arg(long, conflicts_with = "query")]
    inbox: bool,
    /// Only messages of this kind
    #[arg(long, value_name = "KIND", value_parser = kinds())]
    kind: Option<Kind>,
    /// Begin at this sequence of the ledger, then go on live
    #[arg(long, value_name = "N", conflicts_with = "since", value_parser = sequence)]
    from_seq: Option<u64>,
    /// Begin this long ago, as in 10m or 2h, then go on live
    #[arg(long, value_name = "DURATION", value_parser = options::duration)]
    since: Option<Duration>,
    /// Keep the place under this name: the next watch of the same name goes on where this one was stopped
    #[arg(long, value_name = "NAME")]
    durable: Option<Name>,
    /// Forget the place that is kept under this name
    #[arg(long, value_name = "NAME", conflicts_with_all = ["agent", "query", "kind", "from_seq", "since", "durable", "json"])]
    forget: Option<Name>,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    // Not --from: beside --agent that would read as a filter.
    #[arg(long = "as", value_name = "NAME", env = "AGENTBUS_NAME", default_value = "cli", hide = true)]
    me: Name,
}

impl Watch {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let bus = bus::connect(global, self.me.clone()).await?;
        if let Some(name) = &self.forget {
            let forgotten = bus.forget_watcher(name).await?;
            bus.close().await;
            return forgotten.then_some(ExitCode::SUCCESS).ok_or_else(|| unknown(name));
        }
        let to = self.inbox.then(|| self.me.clone());
        let watch = agentbus::Watch { kind: self.kind, agent: self.agent.clone(), query: self.query, to, start: self.start() };
        let source = match &self.durable {
            Some(name) => Source::Durable(Box::new(bus.watch_durably(name, watch).await?)),
            None => Source::Live(Box::new(bus.watch(watch).await?)),
        };
        printer::say("watching; Ctrl-C ends it");
        let watched = self.follow(source).await;
        bus.close().await;
        watched
    }

    async fn follow(&self, mut source: Source) -> Result<ExitCode, Failure> {
        let stop = super::told_to_stop();
        tokio::pin!(stop);
        let mut lag = Lag::default();
        loop {
            let seen = tokio::select! {
                stop = &mut stop => {
                    stop?;
                    break;
                }
                seen = source.seen() => seen?,
            };
            let begun = tokio::time::Instant::now();
            // What nobody reads any more has not been dealt with.
            if !self.print(&seen) {
                break;
            }
            source.confirm();
            if let Some(behind) = lag.look(&source, begun.elapsed()).await {
                self.warn(behind);
            }
        }
        source.close().await?;
        Ok(ExitCode::SUCCESS)
    }

    /// Prints what is seen; returns whether anybody still reads it.
    fn print(&self, seen: &Seen) -> bool {
        match seen {
            Seen::Entry(entry) if self.json => printer::json_line(&show::entry_json(entry)),
            Seen::Entry(entry) => printer::data_line(show::entry(entry)),
            Seen::Missed { from, to } => {
                let missed = to - from + 1;
                let why = if self.is_from_the_past() {
                    "erased, or past their retention"
                } else {
                    "they left the ledger before they could be read"
                };
                printer::say(format!(
                    "warning: {} missed, sequences {from} to {to}: {why}",
                    show::count(usize::try_from(missed).unwrap_or(usize::MAX), "message")
                ));
                !self.json || printer::json_line(&json!({ "missed": missed, "from_seq": from, "to_seq": to }))
            }
        }
    }

    /// Says how far behind it is.
    fn warn(&self, behind: u64) {
        let most = if self.agent.is_some() || self.query.is_some() || self.kind.is_some() || self.inbox { "at most " } else { "" };
        let messages = show::count(usize::try_from(behind).unwrap_or(usize::MAX), "message");
        printer::say(format!("warning: {most}{messages} behind: what is shown is read too slowly; nothing is left out"));
        if self.json {
            printer::json_line(&json!({ "behind": behind }));
        }
    }

    /// Whether the archive is read, too.
    const fn is_from_the_past(&self) -> bool {
        self.durable.is_some() || self.from_seq.is_some() || self.since.is_some()
    }

    fn start(&self) -> Start {
        let ago = |since: Duration| {
            let since = SignedDuration::try_from(since).unwrap_or(SignedDuration::MAX);
            // Longer ago than there is time means everything.
            Timestamp::now().checked_sub(since).map_or(Start::First, Start::Time)
        };
        match (self.from_seq, self.since) {
            (Some(seq), _) => Start::Seq(seq),
            (None, Some(since)) => ago(since),
            (None, None) => Start::Now,
        }
    }
}

fn unknown(name: &Name) -> Failure {
    let message = format!("no place is kept under the name {name}");
    Failure::new(Exit::Ended, "not_found", message).hint("Places belong to whoever watches: AGENTBUS_NAME says who you are.")
}

fn sequence(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|seq| *seq > 0).ok_or_else(|| "use a whole number; the first message is 1".to_owned())
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    let known = |text: String| Kind::from_token(&text).ok_or("no such kind");
    PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)).try_map(known)
}
