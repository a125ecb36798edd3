//! `agentbus serve`: one part of a bus against a running NATS server. `up` is made of the same parts.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use agentbus::{Bus, Name};
use clap::{Args, Subcommand};
use coordinator::Coordinator;
use handlers::{Sources, Staff};
use nats::Connection;
use roster::Definition;

use crate::{bus, failure::Failure, options::Global, printer};

/// The context manager that the product brings.
const CONTEXT_MANAGER: &str = include_str!("../../../../agents/context-manager.md");

/// The folders that are searched when none is named.
const FOLDERS: [&str; 2] = [".claude/agents", "agents"];

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
    Coordinator,
    /// Run agents
    Agents(Agents),
}

/// Which agents, and what they answer about.
#[derive(Clone, Debug, Args)]
pub(crate) struct Agents {
    /// A folder of agent definitions, searched to the bottom; may be given several times.
    /// Default: ./.claude/agents and ./agents
    #[arg(long = "agents", value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// The repository that facts are about
    #[arg(long, value_name = "DIR", default_value = ".")]
    workdir: PathBuf,
}

impl Serve {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        match self.part {
            Part::Coordinator => coordinator(global).await,
            Part::Agents(agents) => {
                let definitions = agents.load()?;
                let staff = agents.staff(bus::options(global, host()?)?, &definitions).await?;
                staff.describe();
                super::told_to_stop().await?;
                staff.drain(GRACE).await;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

async fn coordinator(global: &Global) -> Result<ExitCode, Failure> {
    let options = bus::options(global, Name::coordinator())?;
    let url = options.url.clone();
    let connection = Connection::open(options).await?;
    let coordinator = Coordinator::start(connection.clone(), coordinator_options(Path::new("."))).await?;
    printer::data(format!("coordinator {} serves the bus '{}' at {url}", coordinator.instance(), connection.space()));
    super::told_to_stop().await?;
    coordinator.drain().await;
    connection.close().await;
    Ok(ExitCode::SUCCESS)
}

/// The ledger may take 4 GiB, and no more than half of what the disk has free.
pub(crate) fn coordinator_options(data: &Path) -> coordinator::Options {
    let mut options = coordinator::Options::default();
    if let Ok(disk) = rustix::fs::statvfs(data) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        options.limits.max_bytes = options.limits.max_bytes.min((free / 2).max(1 << 20));
    }
    options
}

impl Agents {
    /// Loads the definitions, and says what is wrong with them. The built-in context-manager
    /// always runs; a file of that name takes the place of its text.
    pub(crate) fn load(&self) -> Result<Vec<Definition>, Failure> {
        if let Some(missing) = self.folders.iter().find(|folder| !folder.exists()) {
            let message = format!("there is no folder {}", missing.display());
            return Err(Failure::usage("no_such_folder", message).hint("Name a folder of agent definitions: --agents DIR"));
        }
        if !self.workdir.is_dir() {
            return Err(Failure::usage("no_such_folder", format!("there is no folder {}", self.workdir.display()))
                .hint("Name the repository: --workdir DIR"));
        }
        let usual = || FOLDERS.iter().map(PathBuf::from).filter(|folder| folder.is_dir()).collect();
        let folders: Vec<PathBuf> = if self.folders.is_empty() { usual() } else { self.folders.clone() };
        let mut loaded = roster::load(&folders);
        for finding in &loaded.diagnostics {
            printer::say(finding.to_string());
        }
        let manager = roster::parse(Path::new("context-manager.md (built in)"), CONTEXT_MANAGER).0;
        let manager = manager.filter(|manager| loaded.get(&manager.name).is_none());
        loaded.definitions.extend(manager);
        Ok(loaded.definitions)
    }

    /// Starts the agents, and returns when the coordinator knows of them.
    pub(crate) async fn staff(&self, options: nats::Options, definitions: &[Definition]) -> Result<Crew, Failure> {
        let bus = Bus::connect(options).await?;
        let observer: Name = "context-manager".parse().map_err(agentbus::Error::from)?;
        let sources = Sources { workdir: self.workdir.clone(), observer };
        let mut staff = Staff::start(&bus, definitions, sources).await?;
        if tokio::time::timeout(Duration::from_secs(20), staff.known()).await.is_err() {
            printer::say("warning: no coordinator has greeted the agents yet; they are given work when one does");
        }
        Ok(Crew { bus, staff })
    }
}

/// The name under which a process connects that serves several agents.
pub(crate) fn host() -> Result<Name, Failure> {
    Ok("agent-host".parse().map_err(agentbus::Error::from)?)
}

/// Running agents, with their connection.
pub(crate) struct Crew {
    bus: Bus,
    staff: Staff,
}

impl Crew {
    /// Says who runs, with which handler, and who does not.
    pub(crate) fn describe(&self) {
        let total = self.staff.serving().count();
        let plural = if total == 1 { "agent" } else { "agents" };
        let verb = if total == 1 { "answers" } else { "answer" };
        printer::data(format!("  agents       {total} {plural}; {total} {verb} from facts only"));
        let mut names: Vec<_> = self.staff.serving().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        for line in names.chunks(5) {
            printer::data(format!("               {}", line.join(", ")));
        }
        for (name, handler) in self.staff.left_out() {
            printer::say(format!("warning: {name} does not run: this version has no handler '{handler}'"));
        }
    }

    /// Says what to type next.
    /// `elsewhere`: commands do not find the bus by themselves, and must be told its URL.
    pub(crate) fn next_steps(&self, elsewhere: bool, url: &str) {
        let at = if elsewhere { format!(" --nats {url}") } else { String::new() };
        printer::data("");
        printer::data("Next, in another terminal:");
        printer::data(format!(
            "  agentbus ask{at} --type get_project_context \"Context needed: languages, tests, infrastructure, team size\""
        ));
        printer::data(format!("  agentbus watch{at}          everything that happens, live"));
        printer::data(format!("  agentbus agents{at}         who is here"));
        printer::data("Ctrl-C drains and stops.");
    }

    pub(crate) async fn drain(self, grace: Duration) {
        self.staff.drain(grace).await;
        self.bus.close().await;
    }
}
