//! `agentbus watch`: what happens on the bus, as the ledger has it.

use std::{process::ExitCode, time::Duration};

use agentbus::{Kind, Name, QueryId, Start};
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    bus,
    failure::Failure,
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
    /// Only messages of this kind
    #[arg(long, value_name = "KIND", value_parser = kinds())]
    kind: Option<Kind>,
    /// Begin at this sequence of the ledger, then go on live
    #[arg(long, value_name = "N", conflicts_with = "since", value_parser = sequence)]
    from_seq: Option<u64>,
    /// Begin this long ago, as in 10m or 2h, then go on live
    #[arg(long, value_name = "DURATION", value_parser = options::duration)]
    since: Option<Duration>,
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
        let watch = agentbus::Watch { kind: self.kind, agent: self.agent.clone(), query: self.query, start: self.start() };
        let mut watcher = bus.watch(watch).await?;
        printer::say("watching; Ctrl-C ends it");
        let stop = super::told_to_stop();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                stop = &mut stop => {
                    stop?;
                    bus.close().await;
                    return Ok(ExitCode::SUCCESS);
                }
                entry = watcher.next() => {
                    let read = if self.json { printer::json_line(&show::entry_json(&entry)) } else { printer::data_line(show::entry(&entry)) };
                    if !read {
                        return Ok(ExitCode::SUCCESS);
                    }
                }
            }
        }
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

fn sequence(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|seq| *seq > 0).ok_or_else(|| "use a whole number; the first message is 1".to_owned())
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    let known = |text: String| Kind::from_token(&text).ok_or("no such kind");
    PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)).try_map(known)
}
