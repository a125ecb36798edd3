//! The agents of a process: which definitions, and how they are configured; and once they run, who
//! does and who does not.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use agentbus::{Bus, Name};
use clap::Args;
use handlers::{LeftOut, Sources, Staff, Why, warden::Warden};
use roster::{Config, Definition, Diagnostic, Handler};

use crate::{bus, commands::trust, failure::Failure, printer, show};

/// The context manager that the product brings.
const CONTEXT_MANAGER: &str = include_str!("../../../agents/context-manager.md");

/// The folders that are searched when none is named.
const FOLDERS: [&str; 2] = [".claude/agents", "agents"];

/// The configuration of the agents, in the working directory.
const CONFIG: &str = "agentbus.toml";

/// Which agents, and what they answer about.
#[derive(Clone, Debug, Args)]
pub(crate) struct Agents {
    /// A folder of agent definitions, searched to the bottom; may be given several times.
    /// Default: ./.claude/agents and ./agents
    #[arg(long = "agents", value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// The repository that facts are about, and in which commands run
    #[arg(long, value_name = "DIR", default_value = ".")]
    workdir: PathBuf,
    /// The configuration of the agents. Default: agentbus.toml in the working directory, if it is there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Agents {
    /// The agents of a folder: of a repository, which is then the working directory, or of a folder
    /// of definitions, for work in this directory. The options win.
    pub(crate) fn of(folder: &Path, workdir: Option<PathBuf>, config: Option<PathBuf>) -> Self {
        let folders: Vec<PathBuf> = FOLDERS.iter().map(|usual| folder.join(usual)).filter(|usual| usual.is_dir()).collect();
        if folders.is_empty() && !folder.join(CONFIG).exists() {
            return Self { folders: vec![folder.to_owned()], workdir: workdir.unwrap_or_else(|| PathBuf::from(".")), config };
        }
        let folders = if folders.is_empty() { vec![folder.to_owned()] } else { folders };
        Self { folders, workdir: workdir.unwrap_or_else(|| folder.to_owned()), config }
    }

    /// Where their commands run.
    pub(crate) fn workdir(&self) -> &Path {
        &self.workdir
    }

    /// Loads the definitions with their configuration, and says what is wrong with them. The built-in
    /// context-manager always runs; a file of that name takes the place of its text.
    pub(crate) fn load(&self) -> Result<Vec<Definition>, Failure> {
        if let Some(missing) = self.folders.iter().find(|folder| !folder.exists()) {
            let message = format!("there is no folder {}", missing.display());
            return Err(Failure::usage("no_such_folder", message).hint("Name a folder of agent definitions: --agents DIR"));
        }
        if !self.workdir.is_dir() {
            return Err(Failure::usage("no_such_folder", format!("there is no folder {}", self.workdir.display()))
                .hint("Name the repository: --workdir DIR"));
        }
        let config = self.configuration()?;
        let usual = || FOLDERS.iter().map(PathBuf::from).filter(|folder| folder.is_dir()).collect();
        let folders: Vec<PathBuf> = if self.folders.is_empty() { usual() } else { self.folders.clone() };
        let mut loaded = roster::load(&folders);
        tell(&loaded.diagnostics);
        let manager = roster::parse(Path::new("context-manager.md (built in)"), CONTEXT_MANAGER).0;
        let manager = manager.filter(|manager| loaded.get(&manager.name).is_none());
        loaded.definitions.extend(manager);
        tell(&config.apply(&mut loaded.definitions));
        Ok(loaded.definitions)
    }

    /// A configuration with a mistake in it starts nothing: agents would run otherwise than meant.
    fn configuration(&self) -> Result<Config, Failure> {
        let usual = || Some(self.workdir.join(CONFIG)).filter(|path| path.exists());
        let Some(path) = self.config.clone().or_else(usual) else { return Ok(Config::default()) };
        let (config, found) = Config::read(&path);
        tell(&found);
        if found.iter().any(Diagnostic::is_error) {
            let message = format!("{} has errors, and nothing is started", path.display());
            return Err(Failure::usage("bad_config", message).hint("'agentbus init' writes a file with every key explained."));
        }
        Ok(config)
    }

    /// Starts the agents, and returns when the coordinator knows of them.
    pub(crate) async fn staff(&self, options: nats::Options, definitions: &[Definition]) -> Result<Crew, Failure> {
        let trust = trust::record()?;
        let bus = Bus::connect(options).await?;
        let observer: Name = "context-manager".parse().map_err(agentbus::Error::from)?;
        let warden = Some(Warden { program: std::env::current_exe()?, args: vec!["warden".into()] });
        let sources = Sources { workdir: self.workdir.clone(), observer, trust, warden };
        let mut staff = Staff::start(&bus, definitions, sources).await?;
        if tokio::time::timeout(Duration::from_secs(20), staff.known()).await.is_err() {
            printer::say("warning: no coordinator has greeted the agents yet; they are given work when one does");
        }
        Ok(Crew { bus, staff, agents: self.clone() })
    }

    /// What to type so that the commands of a definition are trusted.
    fn trust_command(&self, definition: &Path) -> String {
        let folder = self.folders.iter().find(|folder| definition.starts_with(folder)).or(self.folders.first());
        let mut command = format!("agentbus trust {}", folder.map_or_else(|| ".".into(), |folder| folder.display().to_string()));
        if self.workdir != Path::new(".") {
            command.push_str(&format!(" --workdir {}", self.workdir.display()));
        }
        if let Some(config) = &self.config {
            command.push_str(&format!(" --config {}", config.display()));
        }
        show::plain(&command)
    }
}

fn tell(found: &[Diagnostic]) {
    found.iter().for_each(|finding| printer::say(show::plain(&finding.to_string())));
}

/// The name under which a process connects that serves several agents.
pub(crate) fn host() -> Result<Name, Failure> {
    Ok("agent-host".parse().map_err(agentbus::Error::from)?)
}

/// Running agents, with their connection.
pub(crate) struct Crew {
    bus: Bus,
    staff: Staff,
    agents: Agents,
}

impl Crew {
    /// Says who runs, with which handler, and who does not.
    pub(crate) fn describe(&self) {
        let handlers: Vec<_> = self.staff.serving().map(|(_, handler)| handler).collect();
        printer::data(format!("  agents       {}", summary(&handlers)));
        let mut names: Vec<_> = self.staff.serving().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        for line in names.chunks(5) {
            printer::data(format!("               {}", line.join(", ")));
        }
        self.describe_left_out();
    }

    fn describe_left_out(&self) {
        let mut commands = Vec::new();
        for LeftOut { agent, definition, why } in self.staff.left_out() {
            printer::say(show::plain(&format!("warning: {agent} {why}")));
            if matches!(why, Why::Untrusted(_) | Why::UntrustedProbes(_)) {
                commands.push(self.agents.trust_command(definition));
            }
        }
        commands.sort();
        commands.dedup();
        for command in commands {
            printer::say(format!("  hint: run '{command}' to see what these would run, and to allow it; then start again"));
        }
    }

    /// Says what to type next.
    /// `elsewhere`: commands do not find the bus by themselves, and must be told its URL.
    pub(crate) fn next_steps(&self, elsewhere: bool, url: &str) {
        let at = if elsewhere { format!(" --nats {}", bus::shown(url)) } else { String::new() };
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

/// How many agents there are, and what they do: "3 agents; 2 answer from facts only, 1 runs a command".
fn summary(handlers: &[Handler]) -> String {
    let total = handlers.len();
    let commands = handlers.iter().filter(|handler| **handler == Handler::Exec).count();
    let facts = total - commands;
    let mut text = format!("{total} {}; ", if total == 1 { "agent" } else { "agents" });
    if facts > 0 || commands == 0 {
        text.push_str(&format!("{facts} {} from facts only", if facts == 1 { "answers" } else { "answer" }));
    }
    if commands > 0 {
        let and = if facts > 0 { ", " } else { "" };
        let verb = if commands == 1 { "runs a command" } else { "run commands" };
        text.push_str(&format!("{and}{commands} {verb}"));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_summary_says_what_agents_do() {
        let agents = |facts: usize, commands: usize| {
            let handlers: Vec<_> = [Handler::Context].repeat(facts).into_iter().chain([Handler::Exec].repeat(commands)).collect();
            summary(&handlers)
        };
        assert_eq!(agents(16, 0), "16 agents; 16 answer from facts only");
        assert_eq!(agents(14, 2), "16 agents; 14 answer from facts only, 2 run commands");
        assert_eq!(agents(1, 1), "2 agents; 1 answers from facts only, 1 runs a command");
        assert_eq!(agents(0, 2), "2 agents; 2 run commands");
        assert_eq!(agents(1, 0), "1 agent; 1 answers from facts only");
    }

    #[test]
    fn a_repository_is_a_working_directory_and_a_folder_of_definitions_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let agents = Agents::of(at, None, None);
        assert_eq!((agents.workdir(), agents.folders.clone()), (Path::new("."), vec![at.to_owned()]));
        std::fs::create_dir(at.join("agents")).unwrap();
        let repository = Agents::of(at, None, None);
        assert_eq!((repository.workdir(), repository.folders.clone()), (at, vec![at.join("agents")]));
        assert_eq!(Agents::of(at, Some(PathBuf::from("x")), None).workdir(), Path::new("x"));
    }
}
