//! The agents of a process: once they run, who does and who does not, and what becomes of them when their files
//! change.
//!
//! Reading order: `agents` (what is typed), `plan` (what is loaded), this (what runs), `reload` and `watch`
//! (what changes).

mod agents;
mod matters;
mod plan;
mod reload;
mod watch;

use std::{path::Path, time::Duration};

use agentbus::{Bus, Name};
use handlers::{LeftOut, Sources, Staff, Why, checker::Checker, warden::Warden};
use roster::{Config, Definition, Diagnostic, Handler};

use crate::{bus, commands::trust, failure::Failure, printer, show};

use self::agents::CONFIG;
pub(crate) use self::{agents::Agents, plan::Plan};

/// How long agents may take to become known before they are said not to be.
const GREETING: Duration = Duration::from_secs(20);

/// The name under which a process connects that serves several agents.
pub(crate) fn host() -> Result<Name, Failure> {
    Ok("agent-host".parse().map_err(agentbus::Error::from)?)
}

/// Lays the configuration over definitions: it says what else they are, and who goes by other names. Without a file,
/// agentbus.toml in this directory, if it is there. Returns what is wrong with it.
pub(crate) fn configure(file: Option<&Path>, definitions: &mut [Definition]) -> Vec<Diagnostic> {
    let Some(path) = file.or_else(|| Some(Path::new(CONFIG)).filter(|path| path.exists())) else { return Vec::new() };
    let (config, mut found) = Config::read(path);
    found.extend(config.apply(definitions));
    found
}

/// Running agents, with their connection.
pub(crate) struct Crew {
    bus: Bus,
    staff: Staff,
    agents: Agents,
    plan: Plan,
    /// Whether they follow their files.
    watches: bool,
}

impl Crew {
    /// Starts the agents, and returns when the coordinator knows of them.
    pub(crate) async fn start(agents: &Agents, plan: Plan, options: nats::Options, watches: bool) -> Result<Self, Failure> {
        let trust = trust::record()?;
        let bus = Bus::connect(options).await?;
        let observer: Name = "context-manager".parse().map_err(agentbus::Error::from)?;
        let program = std::env::current_exe()?;
        let checker = Checker::new(program.clone(), vec!["checker".into()]);
        let warden = Some(Warden { program, args: vec!["warden".into()] });
        let sources = Sources { workdir: agents.workdir().to_owned(), observer, trust, warden, checker };
        let mut staff = Staff::start(&bus, plan.definitions(), sources).await?;
        if tokio::time::timeout(GREETING, staff.known()).await.is_err() {
            printer::say("warning: no coordinator has greeted the agents yet; they are given work when one does");
        }
        Ok(Self { bus, staff, agents: agents.clone(), plan, watches })
    }

    /// Says who runs, with which handler, and who does not.
    pub(crate) fn describe(&self) {
        let handlers: Vec<_> = self.staff.serving().map(|(_, handler)| handler).collect();
        printer::data(format!("  agents       {}", summary(&handlers)));
        let mut names: Vec<_> = self.staff.serving().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        for line in names.chunks(5) {
            printer::data(format!("               {}", line.join(", ")));
        }
        self.describe_left_out(self.staff.left_out());
    }

    fn describe_left_out(&self, left_out: &[LeftOut]) {
        let mut commands = Vec::new();
        for one in left_out {
            printer::say(show::plain(&format!("warning: {one}")));
            if matches!(one.why, Why::Untrusted(_) | Why::UntrustedProbes(_)) {
                commands.push(self.agents.trust_command(&one.definition));
            }
        }
        commands.sort();
        commands.dedup();
        let then = if self.watches { "" } else { "; then start again" };
        for command in commands {
            printer::say(format!("  hint: run '{command}' to see what these would run, and to allow it{then}"));
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
    let told = |(handler, one, many): &(Handler, &str, &str)| {
        let count = handlers.iter().filter(|each| **each == *handler).count();
        (count > 0).then(|| format!("{count} {}", if count == 1 { one } else { many }))
    };
    let told: Vec<_> = WORK.iter().filter_map(told).collect();
    let work = if told.is_empty() { "none does any work".to_owned() } else { told.join(", ") };
    format!("{total} {}; {work}", if total == 1 { "agent" } else { "agents" })
}

/// What an agent of each handler does, and what several do.
const WORK: [(Handler, &str, &str); 7] = [
    (Handler::Context, "answers from facts only", "answer from facts only"),
    (Handler::Exec, "runs a command", "run commands"),
    (Handler::ClaudeCode, "runs Claude Code", "run Claude Code"),
    (Handler::Llm, "asks a model", "ask models"),
    (Handler::Http, "calls a URL", "call URLs"),
    (Handler::Mailbox, "waits for a person", "wait for people"),
    (Handler::Synadia, "is elsewhere", "are elsewhere"),
];

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
        assert_eq!(summary(&[Handler::Mailbox, Handler::Llm, Handler::Llm]), "3 agents; 2 ask models, 1 waits for a person");
    }
}
