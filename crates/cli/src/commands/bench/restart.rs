//! A coordinator that finds a large ledger: how soon it serves again.

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use agentbus::{Bus, Options, Query};
use clap::Args;
use nats::server::Fsync;
use serde::Serialize;

use super::{
    ground::{ECHO, Ground},
    load::closed_loop,
    process::resident,
    show,
};
use crate::{failure::Failure, options, printer};

/// How many queries are under way at once while the ledger is filled.
const AT_ONCE: usize = 256;

/// Options of `bench restart`.
#[derive(Debug, Args)]
pub(super) struct Restart {
    /// How many messages the ledger holds at least: of queries that were asked and answered on the spot
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    messages: u64,
    /// How often it is started
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// For how long the ledger is filled before it is looked at again
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = options::duration, hide = true)]
    fill: Duration,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// What was measured.
#[derive(Serialize)]
pub(super) struct Report {
    version: &'static str,
    /// What the ledger held.
    pub(super) messages: u64,
    /// From the start of the process until it answers calls; one figure a round.
    pub(super) ready_ms: Vec<u128>,
    /// Memory in use then.
    pub(super) resident_bytes: Option<u64>,
}

impl Restart {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let ground = Ground::start(Fsync::Every(Duration::from_secs(120))).await?;
        let coordinator = ground.coordinator().await?;
        let agent = ground.agent(true).await?;
        let messages = self.fill(&ground).await?;
        agent.kill().await?;
        coordinator.kill().await?;
        let (mut ready_ms, mut resident_bytes) = (Vec::new(), None);
        for _ in 0..self.rounds {
            let begun = Instant::now();
            let coordinator = ground.coordinator().await?;
            ready_ms.push(begun.elapsed().as_millis());
            resident_bytes = resident(coordinator.pid());
            coordinator.kill().await?;
        }
        ground.stop().await?;
        let report = Report { version: env!("CARGO_PKG_VERSION"), messages, ready_ms, resident_bytes };
        if self.json {
            printer::json(&report)
        } else {
            printer::data(show::restart(&report))
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Asks until the ledger holds enough.
    async fn fill(&self, ground: &Ground) -> Result<u64, Failure> {
        let name: agentbus::Name = "bench".parse().map_err(agentbus::Error::from)?;
        let bus = Bus::connect(Options::new(ground.url(), name)).await?;
        let last = Arc::new(AtomicU64::new(0));
        loop {
            let stored = last.load(Relaxed);
            if stored >= self.messages {
                return Ok(stored);
            }
            printer::say(format!("filling the ledger: {stored} of {} messages", self.messages));
            let (asking, seen) = (bus.clone(), last.clone());
            let op = move || {
                let (bus, seen) = (asking.clone(), seen.clone());
                async move {
                    let mut query = Query::new(bus.name().clone(), "request", "Context needed: tests");
                    query.target = Some(ECHO.parse().map_err(agentbus::Error::from)?);
                    let ended = bus.ask(query).await?.ended().await?;
                    seen.fetch_max(ended.seq, Relaxed);
                    Ok(())
                }
            };
            closed_loop(AT_ONCE, self.fill, op).await?;
        }
    }
}
