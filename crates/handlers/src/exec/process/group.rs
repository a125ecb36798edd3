//! A command's process group: everything that it starts, unless it leaves the group on purpose.
//!
//! Owns the promise that the group is gone soon after its owner has lost interest: SIGTERM (or what its farewell
//! says) at once, SIGKILL to all that is left of it 0.7 s later, and SIGKILL when the process ends in a hurry. What
//! calls `setsid` has left the group and is out of reach, unless it bears a mark: then it is killed when the group is
//! given up (`strays`). It must never signal a number that the system may have given to somebody else.

use std::{
    collections::HashMap,
    io,
    process::ExitStatus,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::{Child, Command};
use tokio_util::task::TaskTracker;

use super::{launch::Farewell, strays};
use crate::warden::{Told, Warden};

/// How long a command may take to end itself, once told to. A cancel reaches all of it within a second.
const GRACE: Duration = Duration::from_millis(700);

/// How often it is looked whether a group without its leader is empty: nobody is told when it is.
const LOOK: Duration = Duration::from_millis(10);

/// All groups of one owner. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    /// Where groups are ended that nobody waits for.
    tasks: TaskTracker,
    /// Those that live; none when no more may be started.
    living: Arc<Mutex<Option<Living>>>,
}

/// The numbers of living groups, and who else knows them.
#[derive(Debug, Default)]
struct Living {
    /// Each with its mark, if it has one.
    ids: HashMap<Pid, Option<String>>,
    warden: Option<Warden>,
    told: Option<Told>,
}

impl Living {
    /// Notes a group. The warden is there from the first one on.
    fn insert(&mut self, id: Pid, mark: Option<&str>) -> io::Result<()> {
        self.ids.insert(id, mark.map(str::to_owned));
        if let (None, Some(warden)) = (&self.told, &self.warden) {
            self.told = Some(warden.start()?);
        }
        self.told.as_mut().map_or(Ok(()), |told| told.lives(id, mark))
    }

    fn remove(&mut self, id: Pid) {
        self.ids.remove(&id);
        if let Some(told) = &mut self.told
            && let Err(error) = told.gone(id)
        {
            tracing::warn!(%error, "the warden of the commands is gone");
            self.told = None;
        }
    }
}

/// Kills all groups of its owner when it is dropped.
#[derive(Debug)]
pub(crate) struct GroupsGuard(pub(crate) Groups);

/// A running group. Dropping it ends it, in a task.
#[derive(Debug)]
pub(super) struct Group(Option<Held>);

/// The leader and the number of its group.
#[derive(Debug)]
struct Held {
    leader: Child,
    id: Option<Pid>,
    farewell: Farewell,
    groups: Groups,
}

impl Groups {
    /// Groups that a warden kills, if there is one, should this process be killed.
    pub(crate) fn new(warden: Option<Warden>) -> Self {
        let living = Living { warden, ..Living::default() };
        Self { tasks: TaskTracker::new(), living: Arc::new(Mutex::new(Some(living))) }
    }

    /// Returns when every group has ended that was told to, but no later than this.
    pub(crate) async fn ended(&self, patience: Duration) {
        self.tasks.close();
        let _ = tokio::time::timeout(patience, self.tasks.wait()).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Living>> {
        self.living.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for GroupsGuard {
    fn drop(&mut self) {
        let Some(living) = self.0.lock().take() else { return };
        for (id, mark) in &living.ids {
            let _ = kill_process_group(*id, Signal::KILL);
            mark.iter().for_each(|mark| strays::kill(mark));
        }
    }
}

impl Group {
    /// Starts a command that was prepared to lead a group of its own.
    pub(super) fn start(command: &mut Command, farewell: Farewell, groups: &Groups) -> io::Result<(Self, Pipes)> {
        let mut leader = command.spawn()?;
        let pipes = Pipes { stdin: leader.stdin.take(), stdout: leader.stdout.take(), stderr: leader.stderr.take() };
        let id = leader.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let held = Held { leader, id, farewell, groups: groups.clone() };
        let Some(living) = &mut *groups.lock() else {
            held.signal(Signal::KILL);
            return Err(io::Error::other("the agents are being stopped"));
        };
        if let Err(error) = id.map_or(Ok(()), |id| living.insert(id, held.farewell.mark.as_deref())) {
            tracing::warn!(%error, "there is no warden: commands will outlive this process if it is killed");
        }
        Ok((Self(Some(held)), pipes))
    }

    /// Returns when the leader has ended. Safe to cancel.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let Some(held) = &mut self.0 else { return Err(io::ErrorKind::NotFound.into()) };
        let status = held.leader.wait().await?;
        held.reaped();
        Ok(status)
    }

    /// Ends what is left when the leader has ended by itself.
    pub(super) fn sweep(&mut self) {
        if let Some(held) = &mut self.0 {
            held.signal(Signal::KILL);
            held.forget();
        }
    }

    /// Ends the group, and returns when it is gone.
    pub(super) async fn end(&mut self) {
        if let Some(held) = &mut self.0 {
            held.end().await;
        }
    }
}

/// The pipes of a child.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdin: Option<tokio::process::ChildStdin>,
    pub(super) stdout: Option<tokio::process::ChildStdout>,
    pub(super) stderr: Option<tokio::process::ChildStderr>,
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(mut held) = self.0.take() else { return };
        if held.id.is_none() {
            return;
        }
        held.signal(held.farewell.signal);
        // Without a runtime there is nobody to wait: then dropping what is held kills the group.
        if tokio::runtime::Handle::try_current().is_ok() {
            let tasks = held.groups.tasks.clone();
            tasks.spawn(async move { held.end().await });
        }
    }
}

impl Held {
    async fn end(&mut self) {
        self.signal(self.farewell.signal);
        let _ = tokio::time::timeout(GRACE, self.emptied()).await;
        self.signal(Signal::KILL);
        let _ = self.leader.wait().await;
        self.forget();
    }

    /// Returns when nobody is in the group any more. A shell that leads it may end at once, and what it runs
    /// needs the time to tidy up as much.
    async fn emptied(&mut self) {
        let _ = self.leader.wait().await;
        self.reaped();
        while self.id.is_some() {
            tokio::time::sleep(LOOK).await;
            self.reaped();
        }
    }

    /// The leader's number is free again. That of the group is not while somebody is in it; when
    /// nobody is, nobody is to be signalled.
    fn reaped(&mut self) {
        if self.id.is_some_and(|id| test_kill_process_group(id).is_err()) {
            self.forget();
        }
    }

    /// From now on the number may be somebody else's. What left the group is ended with it.
    fn forget(&mut self) {
        let Some(id) = self.id.take() else { return };
        self.farewell.mark.iter().for_each(|mark| strays::kill(mark));
        if let Some(living) = &mut *self.groups.lock() {
            living.remove(id);
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // That it is gone already is no error.
            let _ = kill_process_group(id, signal);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        self.forget();
    }
}
