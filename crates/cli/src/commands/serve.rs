//! `agentbus serve`: one part of a bus against a running NATS server. `up` is made of the same parts.

use std::{convert::Infallible, path::Path, process::ExitCode, time::Duration};

use agentbus::Name;
use clap::{Args, Subcommand};
use coordinator::Coordinator;
use nats::Connection;

use crate::{
    bus,
    crew::{self, Agents, Crew},
    failure::Failure,
    keeping::Keeping,
    options::Global,
    printer, supervisor,
};

/// How long agents may take to finish what they have in hand, once told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Options of `serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(subcommand)]
    part: Part,
}

/// The parts.
#[derive(Debug, Subcommand)]
enum Part {
    /// Route queries and track them; several coordinators share the work
    Coordinator(Keeping),
    /// Run agents
    Agents(Hosted),
}

/// Options of `serve agents`.
#[derive(Debug, Args)]
struct Hosted {
    #[command(flatten)]
    agents: Agents,
    /// Reload the agents when their files change
    #[arg(long)]
    watch: bool,
}

impl Serve {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        match self.part {
            Part::Coordinator(keeping) => coordinator(global, &keeping).await,
            Part::Agents(hosted) => agents(global, hosted).await,
        }
    }
}

async fn agents(global: &Global, Hosted { agents, watch }: Hosted) -> Result<ExitCode, Failure> {
    let plan = agents.plan()?;
    let options = bus::options(global, crew::host()?)?;
    let starting = async {
        let crew = Crew::start(&agents, plan, options, watch).await?;
        crew.describe();
        Ok(crew)
    };
    let crew = until_stopped(starting, async |crew: &mut Crew| crew.follow().await).await?;
    if let Some(crew) = crew {
        crew.drain(GRACE).await;
    }
    Ok(ExitCode::SUCCESS)
}

async fn coordinator(global: &Global, keeping: &Keeping) -> Result<ExitCode, Failure> {
    let options = bus::options(global, Name::coordinator())?;
    let url = bus::shown(&options.url);
    let starting = async {
        let connection = Connection::open(options).await?;
        let coordinator = Coordinator::start(connection.clone(), keeping.options(&connection, Path::new(".")).await?).await?;
        printer::data(format!("coordinator {} serves the bus '{}' at {url}", coordinator.instance(), connection.space()));
        Ok((coordinator, connection))
    };
    if let Some((coordinator, connection)) = until_stopped(starting, async |_| std::future::pending().await).await? {
        coordinator.drain().await;
        connection.close().await;
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts a part, tells a supervisor that it is ready, lets it `run`, which never ends, and returns it when it is
/// to stop. None, if that came before it had started.
async fn until_stopped<T>(
    starting: impl Future<Output = Result<T, Failure>>,
    run: impl AsyncFnOnce(&mut T) -> Infallible,
) -> Result<Option<T>, Failure> {
    let mut stop = std::pin::pin!(super::told_to_stop());
    let mut part = tokio::select! {
        started = starting => started?,
        stop = &mut stop => return stop.map(|()| None),
    };
    supervisor::ready();
    tokio::select! {
        stop = &mut stop => stop?,
        never = run(&mut part) => match never {},
    }
    supervisor::stopping();
    Ok(Some(part))
}
