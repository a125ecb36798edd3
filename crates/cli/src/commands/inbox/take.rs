//! `agentbus inbox take`: takes a query in hand, prints it, and leaves with it.

use std::{process::ExitCode, time::Duration};

use agentbus::{Bus, Held, QueryId};
use clap::Args;
use jiff::Timestamp;

use super::{Desk, as_json};
use crate::{
    commands::told_to_stop,
    failure::{Exit, Failure},
    options::duration,
    printer, show,
};

/// How long a query that waits may take to be handed over: it takes milliseconds, but for a machine that is very busy.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Options of `inbox take`.
#[derive(Debug, Args)]
pub(super) struct Take {
    /// Which one. Default: the next one, by priority and age
    id: Option<QueryId>,
    /// How long it stays in hand unless progress is reported, up to 24h; then the next attempt begins
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = lease)]
    lease: Duration,
    /// Wait so long for one, as in 10m, if none is there
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait: Option<Duration>,
}

/// A lease as the wire takes it.
fn lease(text: &str) -> Result<Duration, String> {
    let lease = duration(text)?;
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));
    if (least..=most).contains(&lease) { Ok(lease) } else { Err("use 1s at least, and 24h at most".to_owned()) }
}

impl Take {
    pub(super) async fn run(self, Desk { bus, json }: &Desk) -> Result<ExitCode, Failure> {
        if self.wait.is_none() {
            self.look(bus).await?;
        }
        let agent = bus.mailbox(bus.name().clone()).await?.lease(self.lease);
        let inbox = bus.inbox(agent).await?;
        let held = tokio::select! {
            held = inbox.take(self.wait.unwrap_or(AT_ONCE), self.id) => held?,
            stop = told_to_stop() => {
                stop?;
                None
            }
        };
        if let Some(held) = held {
            let printed = print(bus, &held, *json).await;
            held.keep();
            inbox.close().await;
            printed?;
            return Ok(ExitCode::SUCCESS);
        }
        inbox.close().await;
        // Somebody else may have been first: that is what the record says then.
        self.look(bus).await?;
        Err(nothing(bus).hint("Somebody else was first, or the bus is busy: try again."))
    }

    /// Whether there is something to take; why not, if there is nothing.
    async fn look(&self, bus: &Bus) -> Result<(), Failure> {
        let me = bus.name();
        let Some(id) = self.id else {
            let addressed = bus.addressed(me).await?;
            let free = !addressed.waiting.is_empty() || addressed.in_hand.iter().any(|(_, until)| ran_out(*until));
            return if free { Ok(()) } else { Err(nothing(bus).hint(format!("Wait for one: agentbus inbox take --wait 10m --as {me}"))) };
        };
        match bus.taken(id).await {
            // Whoever had it was silent for too long: now anybody of this name may take it.
            Ok(taken) if ran_out(taken.lease_until()) => Ok(()),
            Ok(taken) => {
                let held = Failure::new(
                    Exit::Ended,
                    "in_hand",
                    format!("{me} has the query {id} in hand already, as attempt {}", taken.attempt()),
                );
                Err(held.hint(format!("Answer it: agentbus inbox answer {id} TEXT --as {me}")))
            }
            // It waits for somebody, or will again; for whom, the coordinator decides.
            Err(error) if matches!(error.code(), "not_taken" | "taken_away") => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn ran_out(lease_until: Option<Timestamp>) -> bool {
    lease_until.is_some_and(|until| until <= Timestamp::now())
}

fn nothing(bus: &Bus) -> Failure {
    Failure::new(Exit::Ended, "nothing_waits", format!("nothing waits for {}", bus.name()))
}

async fn print(bus: &Bus, held: &Held, json: bool) -> Result<(), Failure> {
    let taken = bus.taken(held.id()).await?;
    let record = bus.status(held.id()).await?;
    if json {
        printer::json(&as_json(&record, taken.lease_until()));
    } else {
        show::inbox_query(&record, taken.lease_until());
        let (id, me) = (held.id(), bus.name());
        printer::say(format!("answer: agentbus inbox answer {id} TEXT --as {me}"));
    }
    Ok(())
}
