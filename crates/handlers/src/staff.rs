//! The agents of a folder as running services: each definition with the handler that it names.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use agentbus::{Agent, Bus, Error, Name, Serving};
use futures::{StreamExt, TryStreamExt, future::join_all, stream};
use roster::{Definition, Handler};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    context::Library,
    exec::{
        Exec,
        process::{Groups, GroupsGuard},
    },
    probe::Probes,
    trust::{Gate, Grant, Record, RecordError, Untrusted},
    warden::Warden,
};

/// How many agents are made ready at once: each waits for the server, and none for another.
const AT_ONCE: usize = 32;

/// How long what still runs may take to end, when all agents have stopped.
const LAST: Duration = Duration::from_secs(5);

/// Agents that are being served by this process.
#[derive(Debug)]
pub struct Staff {
    serving: Vec<(Name, Handler, Serving)>,
    left_out: Vec<LeftOut>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Dropped last: what still runs then is killed.
    commands: GroupsGuard,
}

/// Where the agents' facts come from, and which of their commands may run.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The repository that the built-in inspectors look at, and in which commands run.
    pub workdir: PathBuf,
    /// Who signs what the inspectors find.
    pub observer: Name,
    /// The record of what is trusted ([`Record`]).
    pub trust: PathBuf,
    /// What kills their commands if this process is killed. None: nothing does.
    pub warden: Option<Warden>,
}

/// What of a definition does not run, and why.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// The agent.
    pub agent: Name,
    /// The file that defines it.
    pub definition: PathBuf,
    /// Why.
    pub why: Why,
}

/// Why something does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// This version does not have the handler.
    NoHandler(Handler),
    /// The handler is `exec`, and there is no command.
    NoCommand,
    /// Its command may not run, and so the agent does not.
    Untrusted(Untrusted),
    /// The agent runs, but its probes may not.
    UntrustedProbes(Untrusted),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHandler(handler) => write!(f, "does not run: this version has no handler '{handler}'"),
            Self::NoCommand => f.write_str("does not run: its handler is exec, and it names no command"),
            Self::Untrusted(why) => write!(f, "does not run: {why}"),
            Self::UntrustedProbes(why) => write!(f, "runs without its probes: {why}"),
        }
    }
}

/// What does an agent's work.
enum Work {
    Context,
    Exec(Exec),
}

impl Staff {
    /// Serves every definition whose handler there is, and whose commands may run. Returns when each
    /// can be handed work.
    ///
    /// # Errors
    /// `no_ledger`, `unavailable`.
    pub async fn start(bus: &Bus, definitions: &[Definition], sources: Sources) -> Result<Self, Error> {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let commands = GroupsGuard(Groups::new(sources.warden.clone()));
        let mut hiring = Hiring::new(&sources, commands.0.clone());
        definitions.iter().for_each(|definition| hiring.consider(definition));
        let Hiring { hired, probes, left_out, .. } = hiring;
        let library = Library::open(bus, sources.workdir, sources.observer, probes, &tasks, stop.clone()).await?;
        let starting = hired.into_iter().map(|(definition, work)| serve(bus, definition, work, library.clone()));
        let serving = stream::iter(starting).buffered(AT_ONCE).try_collect().await?;
        Ok(Self { serving, left_out, tasks, stop, commands })
    }

    /// Returns when a coordinator knows of every agent.
    pub async fn known(&mut self) {
        join_all(self.serving.iter_mut().map(|(_, _, serving)| serving.known())).await;
    }

    /// The agents that are served, each with its handler.
    pub fn serving(&self) -> impl Iterator<Item = (&Name, Handler)> {
        self.serving.iter().map(|(name, handler, _)| (name, *handler))
    }

    /// What does not run.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Lets every agent finish what it has in hand, but no longer than `grace`, and stops. Commands
    /// that still run then are ended.
    pub async fn drain(self, grace: Duration) {
        join_all(self.serving.into_iter().map(|(_, _, serving)| serving.drain(grace))).await;
        self.stop.cancel();
        self.tasks.close();
        let ended = async { tokio::join!(self.tasks.wait(), self.commands.0.ended(LAST)) };
        let _ = tokio::time::timeout(LAST, ended).await;
    }
}

/// Who is served, as far as it is settled.
struct Hiring<'a> {
    workdir: PathBuf,
    record_at: PathBuf,
    record: Result<Record, RecordError>,
    groups: Groups,
    hired: Vec<(&'a Definition, Work)>,
    probes: Probes,
    left_out: Vec<LeftOut>,
}

impl<'a> Hiring<'a> {
    fn new(sources: &Sources, groups: Groups) -> Self {
        Self {
            workdir: sources.workdir.canonicalize().unwrap_or_else(|_| sources.workdir.clone()),
            record_at: sources.trust.clone(),
            record: Record::read(&sources.trust),
            groups,
            hired: Vec::new(),
            probes: Probes::default(),
            left_out: Vec::new(),
        }
    }

    fn consider(&mut self, definition: &'a Definition) {
        let gate = Arc::new(Gate::new(definition, self.workdir.clone(), self.record_at.clone()));
        let judged = self.judge(definition);
        let work = match (definition.bus.handler(), &judged) {
            (Handler::Context, _) => Work::Context,
            (Handler::Exec, Ok(())) => match Exec::new(definition, self.workdir.clone(), gate.clone(), self.groups.clone()) {
                Some(exec) => Work::Exec(exec),
                None => return self.leave_out(definition, Why::NoCommand),
            },
            (Handler::Exec, Err(why)) => return self.leave_out(definition, Why::Untrusted(why.clone())),
            (other, _) => return self.leave_out(definition, Why::NoHandler(other)),
        };
        self.hired.push((definition, work));
        match judged {
            Ok(()) => self.probes.add(definition, &self.workdir, &gate, &self.groups),
            Err(why) => self.leave_out(definition, Why::UntrustedProbes(why)),
        }
    }

    /// Whether the commands of a definition may run. One that has none needs no trust.
    fn judge(&self, definition: &Definition) -> Result<(), Untrusted> {
        let Some(grant) = Grant::of(definition, &self.workdir) else { return Ok(()) };
        match &self.record {
            Ok(record) => record.judge(&grant),
            Err(error) => Err(Untrusted::NoRecord(error.to_string())),
        }
    }

    fn leave_out(&mut self, definition: &Definition, why: Why) {
        self.left_out.push(LeftOut { agent: definition.name.clone(), definition: definition.path.clone(), why });
    }
}

async fn serve(bus: &Bus, definition: &Definition, work: Work, library: Arc<Library>) -> Result<(Name, Handler, Serving), Error> {
    let agent = Agent::with_card(definition.card()).capacity(definition.bus.capacity()).lease(definition.bus.lease());
    let serving = match work {
        Work::Context => {
            let answer = move |task| {
                let library = library.clone();
                async move { library.answer(task).await }
            };
            bus.serve(agent, answer).await?
        }
        Work::Exec(exec) => {
            let exec = Arc::new(exec);
            let answer = move |task| {
                let exec = exec.clone();
                async move { exec.answer(task).await }
            };
            bus.serve(agent, answer).await?
        }
    };
    Ok((definition.name.clone(), definition.bus.handler(), serving))
}
