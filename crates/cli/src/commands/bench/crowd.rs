//! Many agents in one host: how soon it is ready, and what memory it takes.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use agentbus::{Bus, Options, Query, State};
use clap::Args;
use nats::server::Fsync;
use serde::Serialize;

use super::{
    ground::Ground,
    process::{Part, resident},
    show,
};
use crate::{
    failure::{Exit, Failure},
    printer,
};

/// Options of `bench agents`.
#[derive(Debug, Args)]
pub(super) struct Crowd {
    /// How many agents
    #[arg(long, value_name = "N", default_value_t = 160, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// What was measured.
#[derive(Serialize)]
pub(super) struct Report {
    version: &'static str,
    pub(super) agents: u32,
    /// From the start of the process until the coordinator knows of every agent.
    pub(super) ready_ms: u128,
    /// Memory in use when it is ready.
    pub(super) resident_bytes: Option<u64>,
    /// Memory in use after every agent has answered a query.
    pub(super) worked_bytes: Option<u64>,
}

impl Crowd {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let folder = tempfile::tempdir()?;
        for number in 1..=self.count {
            std::fs::write(folder.path().join(format!("{}.md", name(number))), definition(number))?;
        }
        let (agents, work) = (folder.path().join(""), tempfile::tempdir()?);
        let (agents, work) = (agents.to_string_lossy(), work.path().to_string_lossy());
        let ground = Ground::start(Fsync::Every(Duration::from_secs(120))).await?;
        let coordinator = ground.coordinator().await?;
        let begun = Instant::now();
        let host = Part::start(&["serve", "agents", "--nats", &ground.url(), "--agents", &agents, "--workdir", &work]).await?;
        let ready = begun.elapsed();
        let resident_bytes = resident(host.pid());
        self.ask_all(&ground).await?;
        let report = Report {
            version: env!("CARGO_PKG_VERSION"),
            agents: self.count,
            ready_ms: ready.as_millis(),
            resident_bytes,
            worked_bytes: resident(host.pid()),
        };
        host.kill().await?;
        coordinator.kill().await?;
        ground.stop().await?;
        if self.json {
            printer::json(&report)
        } else {
            printer::data(show::crowd(&report))
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Each agent answers one query: what is ready must work.
    async fn ask_all(&self, ground: &Ground) -> Result<(), Failure> {
        let from: agentbus::Name = "bench".parse().map_err(agentbus::Error::from)?;
        let bus = Bus::connect(Options::new(ground.url(), from.clone())).await?;
        for number in 1..=self.count {
            let mut query = Query::new(from.clone(), "request", "Context needed: languages, tests");
            query.target = Some(name(number).parse().map_err(agentbus::Error::from)?);
            let ended = bus.ask(query).await?.ended().await?;
            if ended.state != State::Completed {
                return Err(Failure::new(Exit::Ended, ended.state.as_str(), ended.notification()));
            }
        }
        Ok(())
    }
}

fn name(number: u32) -> String {
    format!("bench-agent-{number}")
}

/// A definition of about 6 KB, the size that published ones have.
fn definition(number: u32) -> String {
    let name = name(number);
    let duty = "Reads what is there before changing it, measures before and after, and says what is not known.\n";
    format!(
        "---\nname: {name}\ndescription: Looks after part {number} of the platform, its tests and its releases\ntools: Read, Bash\n---\n\n\
         You look after part {number}.\n\n## Communication protocol\n\n```json\n{{\"requesting_agent\": \"{name}\", \"request_type\": \
         \"get_part_context\", \"payload\": {{\"query\": \"Context needed: tests, releases\"}}}}\n```\n\n{}",
        duty.repeat(55)
    )
}
