//! The agents of a folder as running services: each definition with the handler that it names.
//!
//! Owns who is served, and how one definition takes another's place while work is in hand ([`Staff::apply`]): the
//! new instance is there before the old one leaves, and what the old one has in hand it finishes as it began it. Knows
//! nothing of files. Reading order: `hiring` (what would do a definition's work, and whether it may), then this.

mod hiring;
mod left_out;

use std::{collections::BTreeMap, mem, path::PathBuf, sync::Arc, time::Duration};

use agentbus::{Bus, Error, Name, Serving};
use futures::{StreamExt, future::join_all, stream};
use roster::{Definition, Handler};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::hiring::Hiring;
use crate::{
    attached,
    checker::Checker,
    context::Library,
    exec::process::{Groups, GroupsGuard},
    probe::Probes,
    warden::Warden,
};

pub use left_out::{LeftOut, Why};

/// How many agents are made ready at once: each waits for the server, and none for another.
const AT_ONCE: usize = 32;

/// How long a coordinator may take to know of a new instance before the old one leaves all the same.
const KNOWN: Duration = Duration::from_secs(5);

/// How long what still runs may take to end, when all agents have stopped.
const LAST: Duration = Duration::from_secs(5);

/// Agents that are being served by this process.
#[derive(Debug)]
pub struct Staff {
    bus: Bus,
    sources: Sources,
    library: Arc<Library>,
    members: BTreeMap<Name, Member>,
    /// Instances that others have taken the place of, and that still take work.
    replaced: Vec<Serving>,
    /// Instances that finish what they have in hand.
    retired: Vec<Serving>,
    left_out: Vec<LeftOut>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Dropped last: what still runs then is killed.
    commands: GroupsGuard,
}

/// An agent that is served, as it was defined when it began.
#[derive(Debug)]
struct Member {
    definition: Definition,
    serving: Serving,
}

/// Where the agents' facts come from, and which of their commands may run.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The repository that the built-in inspectors look at, and in which commands run.
    pub workdir: PathBuf,
    /// Who signs what the inspectors find.
    pub observer: Name,
    /// The record of what is trusted ([`Record`](crate::trust::Record)).
    pub trust: PathBuf,
    /// What kills their commands if this process is killed. None: nothing does.
    pub warden: Option<Warden>,
    /// What checks their answers by the schemas of queries.
    pub checker: Checker,
}

/// What [`Staff::apply`] has changed. Each list is in the order of the names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Agents that were not served before.
    pub started: Vec<Name>,
    /// Agents that are served as they are defined now.
    pub changed: Vec<Name>,
    /// Agents that are not served any more.
    pub stopped: Vec<Name>,
    /// What does not run, and was not known not to.
    pub left_out: Vec<LeftOut>,
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
        let (workdir, observer) = (sources.workdir.clone(), sources.observer.clone());
        let library = Library::open(bus, workdir, observer, &tasks, stop.clone()).await?;
        let mut staff = Self {
            bus: bus.clone(),
            sources,
            library,
            members: BTreeMap::new(),
            replaced: Vec::new(),
            retired: Vec::new(),
            left_out: Vec::new(),
            tasks,
            stop,
            commands,
        };
        // Beside the start: there may be much in that folder.
        staff.tasks.spawn_blocking(|| attached::sweep(&std::env::temp_dir()));
        staff.apply(definitions).await?;
        Ok(staff)
    }

    /// Serves these definitions in place of those before. An agent that is defined as it was is left alone. Of one
    /// that has changed, a new instance begins, and when a coordinator knows of it (within 5 s) the old one leaves;
    /// one that may not run as it is now, goes on as it was. An agent that is not among them leaves.
    ///
    /// Dropping the future leaves everybody served who was, by the old definition or by the new one.
    ///
    /// # Errors
    /// `unavailable`. What has not been changed by then stays as it was; try again.
    pub async fn apply(&mut self, definitions: &[Definition]) -> Result<Changes, Error> {
        self.retired.retain(|serving| !serving.has_stopped());
        let mut changes = Changes { stopped: self.dismiss(definitions), ..Changes::default() };
        let hiring = Hiring::new(&self.sources, self.commands.0.clone());
        let (mut due, mut left_out) = (Vec::new(), Vec::new());
        for definition in definitions {
            let member = self.members.get(&definition.name);
            if member.is_some_and(|member| is_same(&member.definition, definition)) {
                continue;
            }
            match hiring.work(definition) {
                Ok(work) => due.push((definition, work)),
                Err(why) => left_out.push(LeftOut::new(definition, why, member.is_some())),
            }
        }
        let starting = due.into_iter().map(|(definition, work)| work.serve(&self.bus, definition, self.library.clone()));
        let mut started = stream::iter(starting).buffered(AT_ONCE);
        while let Some(begun) = started.next().await {
            let (definition, serving) = begun?;
            let (name, member) = (definition.name.clone(), Member { definition: definition.clone(), serving });
            match self.members.insert(name.clone(), member) {
                Some(earlier) => {
                    self.replaced.push(earlier.serving);
                    changes.changed.push(name);
                }
                None => changes.started.push(name),
            }
        }
        drop(started);
        left_out.extend(self.take_up_probes(&hiring));
        changes.left_out = left_out.iter().filter(|one| !self.left_out.contains(one)).cloned().collect();
        self.left_out = left_out;
        self.hand_over(&changes.changed).await;
        changes.started.sort();
        changes.changed.sort();
        Ok(changes)
    }

    /// Lets those leave who are not among the definitions.
    fn dismiss(&mut self, definitions: &[Definition]) -> Vec<Name> {
        let stays = |name: &Name| definitions.iter().any(|definition| definition.name == *name);
        let leaving: Vec<_> = self.members.extract_if(.., |name, _| !stays(name)).collect();
        let mut names = Vec::new();
        for (name, member) in leaving {
            member.serving.retire();
            self.retired.push(member.serving);
            names.push(name);
        }
        names
    }

    /// From here on, queries find the probes of those who are served now. Returns whose may not run.
    fn take_up_probes(&self, hiring: &Hiring) -> Vec<LeftOut> {
        let (mut probes, mut left_out) = (Probes::default(), Vec::new());
        for Member { definition, .. } in self.members.values() {
            match hiring.probes(definition, &mut probes) {
                Ok(()) => {}
                // Then its work is not done either, and each query is told why.
                Err(_) if definition.bus.handler() != Handler::Context => {}
                Err(why) => left_out.push(LeftOut::new(definition, why, false)),
            }
        }
        self.library.take_up(probes);
        left_out
    }

    /// Waits until the new instances are known, and lets those leave whose place they take.
    async fn hand_over(&mut self, changed: &[Name]) {
        let new = self.members.iter_mut().filter(|(name, _)| changed.contains(name));
        let known = join_all(new.map(|(_, member)| member.serving.known()));
        if !self.replaced.is_empty() && tokio::time::timeout(KNOWN, known).await.is_err() {
            tracing::warn!("no coordinator knows of the new instances yet; the old ones leave all the same");
        }
        for serving in mem::take(&mut self.replaced) {
            serving.retire();
            self.retired.push(serving);
        }
    }

    /// Returns when a coordinator knows of every agent.
    pub async fn known(&mut self) {
        join_all(self.members.values_mut().map(|member| member.serving.known())).await;
    }

    /// The agents that are served, each with its handler, by name.
    pub fn serving(&self) -> impl Iterator<Item = (&Name, Handler)> {
        self.members.iter().map(|(name, member)| (name, member.definition.bus.handler()))
    }

    /// What does not run.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Lets every agent finish what it has in hand, but no longer than `grace`, and stops. Commands
    /// that still run then are ended.
    pub async fn drain(self, grace: Duration) {
        let members = self.members.into_values().map(|member| member.serving);
        join_all(members.chain(self.replaced).chain(self.retired).map(|serving| serving.drain(grace))).await;
        self.stop.cancel();
        self.tasks.close();
        let ended = async { tokio::join!(self.tasks.wait(), self.commands.0.ended(LAST)) };
        let _ = tokio::time::timeout(LAST, ended).await;
    }
}

/// Whether two definitions of an agent make it do the same. Where in its file something stands does not count.
fn is_same(one: &Definition, other: &Definition) -> bool {
    one.digest == other.digest && one.path == other.path && one.bus == other.bus && one.card() == other.card()
}
