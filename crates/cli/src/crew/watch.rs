//! Notices that files of the agents have changed. Knows nothing of what is in them; which ones matter stands in
//! `matters.rs`.
//!
//! Every folder is watched by itself, those that definitions are looked for in and the nearest one above each
//! thing that is not there yet, so that `node_modules` costs nothing. What happens is only a signal to look: of
//! many at once there is one. Where the system's notices cannot be had, files are looked at every two seconds.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use notify::{Config, ErrorKind, Event, EventKind, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher, event::ModifyKind};
use roster::Definition;
use tokio::{sync::Notify, time::Instant};

use super::matters::Matters;
use crate::failure::{Exit, Failure};

/// How long nothing may happen before it is looked: an editor writes in several steps.
const QUIET: Duration = Duration::from_millis(100);

/// It is looked at most once in this time, and no later than this after the first change.
const BETWEEN: Duration = Duration::from_millis(500);

/// How long it waits for a writer to close a file: half of it may be a valid definition, too.
const WRITING: Duration = Duration::from_secs(2);

/// Time between looks where there are no notices.
const POLL: Duration = Duration::from_secs(2);

/// Watched files.
pub(super) struct Watch {
    watcher: Box<dyn Watcher + Send + Sync>,
    polls: bool,
    /// The folders that are watched.
    watched: BTreeSet<PathBuf>,
    noticed: Arc<Noticed>,
    looked: Instant,
}

/// What the watcher's own thread notices.
#[derive(Debug, Default)]
struct Noticed {
    matters: RwLock<Matters>,
    /// Files that have been written to, and not been closed.
    open: Mutex<BTreeSet<PathBuf>>,
    changed: Notify,
}

impl Watch {
    /// Watches folders of definitions and other files, which need not be there.
    pub(super) fn start(folders: &[PathBuf], files: &[PathBuf]) -> Result<Self, Failure> {
        let matters = Matters::new(folders, files)?;
        let noticed = Arc::new(Noticed { matters: RwLock::new(matters), ..Noticed::default() });
        let (watcher, polls) = match RecommendedWatcher::new(handler(&noticed), Config::default()) {
            Ok(watcher) => (Box::new(watcher) as Box<dyn Watcher + Send + Sync>, false),
            Err(error) => {
                tracing::warn!(%error, "the system tells nothing of changed files; looking at them every {POLL:?}");
                (polling(&noticed)?, true)
            }
        };
        // The first look may come at once.
        let looked = Instant::now().checked_sub(BETWEEN).unwrap_or_else(Instant::now);
        Ok(Self { watcher, polls, watched: BTreeSet::new(), noticed, looked })
    }

    /// Watches what is there now; links among the files of the definitions are followed.
    pub(super) fn renew(&mut self, definitions: &[Definition]) -> Result<(), Failure> {
        let wanted = {
            let mut matters = self.noticed.matters.write().unwrap_or_else(PoisonError::into_inner);
            matters.link(definitions);
            matters.places()
        };
        for gone in self.watched.difference(&wanted) {
            // It may be gone by itself.
            let _ = self.watcher.unwatch(gone);
        }
        // All of them again: one that was removed and made anew is another folder to the system.
        for folder in &wanted {
            match self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => {}
                Err(error) if !self.polls && matches!(error.kind, ErrorKind::MaxFilesWatch) => {
                    tracing::warn!(%error, "too many folders for the system's notices; looking at them every {POLL:?}");
                    (self.watcher, self.polls) = (polling(&self.noticed)?, true);
                    self.watched.clear();
                    return self.renew(definitions);
                }
                Err(error) => tracing::debug!(%error, folder = %folder.display(), "a folder cannot be watched"),
            }
        }
        self.watched = wanted;
        Ok(())
    }

    /// Returns when something has changed and it has become quiet, or after `again` at the latest.
    pub(super) async fn changed(&mut self, again: Option<Duration>) {
        let changed = &self.noticed.changed;
        if tokio::time::timeout(again.unwrap_or(Duration::MAX), changed.notified()).await.is_ok() {
            let latest = Instant::now() + BETWEEN;
            while Instant::now() < latest && tokio::time::timeout(QUIET, changed.notified()).await.is_ok() {}
        }
        tokio::time::sleep_until(self.looked + BETWEEN).await;
        let closed = async {
            while self.noticed.is_being_written() {
                changed.notified().await;
            }
        };
        // Nobody tells of closing where files are only looked at.
        let limit = if self.polls { Duration::ZERO } else { WRITING };
        let _ = tokio::time::timeout(limit, closed).await;
        self.noticed.open().clear();
        self.looked = Instant::now();
    }
}

impl Noticed {
    /// Takes notice of an event, and returns whether it matters.
    fn take(&self, event: &Event) -> bool {
        if !self.matters.read().unwrap_or_else(PoisonError::into_inner).is_about(event) {
            return false;
        }
        let mut open = self.open();
        for path in &event.paths {
            match event.kind {
                EventKind::Modify(ModifyKind::Data(_)) => drop(open.insert(path.clone())),
                // It is closed, renamed or removed.
                EventKind::Access(_) | EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_) => drop(open.remove(path)),
                _ => {}
            }
        }
        true
    }

    fn is_being_written(&self) -> bool {
        !self.open().is_empty()
    }

    fn open(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn polling(noticed: &Arc<Noticed>) -> Result<Box<dyn Watcher + Send + Sync>, Failure> {
    let config = Config::default().with_poll_interval(POLL);
    let watcher = PollWatcher::new(handler(noticed), config);
    Ok(Box::new(watcher.map_err(|error| Failure::new(Exit::Ended, "not_watched", error.to_string()))?))
}

/// Called by the watcher's own thread for whatever happens: passes on that something that matters did.
fn handler(noticed: &Arc<Noticed>) -> impl Fn(notify::Result<Event>) + Send + Sync + 'static {
    let noticed = noticed.clone();
    move |event| {
        // After an error, something may have been missed.
        if event.map_or(true, |event| noticed.take(&event)) {
            noticed.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::{fs, io::Write};

    /// Waits for a change and for the files to be watched as they are then.
    async fn noticed(watch: &mut Watch) {
        tokio::time::timeout(Duration::from_secs(20), watch.changed(None)).await.expect("a change is noticed");
        watch.renew(&[]).unwrap();
    }

    #[tokio::test]
    async fn folders_that_come_later_and_come_again_are_watched() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(".claude/agents");
        let mut watch = Watch::start(std::slice::from_ref(&folder), &[root.path().join("agentbus.toml")]).unwrap();
        watch.renew(&[]).unwrap();
        for _ in 0..2 {
            fs::create_dir(root.path().join(".claude")).unwrap();
            noticed(&mut watch).await;
            fs::create_dir_all(folder.join("deep")).unwrap();
            noticed(&mut watch).await;
            fs::write(folder.join("deep/a.md"), "x").unwrap();
            noticed(&mut watch).await;
            fs::remove_dir_all(root.path().join(".claude")).unwrap();
            noticed(&mut watch).await;
        }
        fs::write(root.path().join("agentbus.toml"), "x").unwrap();
        noticed(&mut watch).await;
        fs::write(root.path().join("other.toml"), "x").unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(300), watch.changed(None)).await.is_err(), "nothing that matters has changed");
    }

    #[tokio::test]
    async fn a_file_is_not_looked_at_while_it_is_being_written() {
        let root = tempfile::tempdir().unwrap();
        let mut watch = Watch::start(&[root.path().to_owned()], &[]).unwrap();
        watch.renew(&[]).unwrap();
        let mut file = fs::File::create(root.path().join("a.md")).unwrap();
        file.write_all(b"---\nname: a\n---\nHalf of").unwrap();
        // Something else that changes meanwhile is no reason to look either.
        fs::write(root.path().join("b.md"), "x").unwrap();
        let early = tokio::time::timeout(BETWEEN + QUIET * 4, watch.changed(None)).await;
        assert!(early.is_err(), "it is still open");
        file.write_all(b" it.\n").unwrap();
        drop(file);
        noticed(&mut watch).await;
    }

    #[tokio::test]
    async fn what_changes_all_the_time_is_looked_at_now_and_then() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("agentbus.toml");
        let mut watch = Watch::start(&[], std::slice::from_ref(&file)).unwrap();
        watch.renew(&[]).unwrap();
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let until = stop.clone();
        let writer = std::thread::spawn(move || {
            while !until.load(std::sync::atomic::Ordering::Relaxed) {
                fs::write(&file, "x").unwrap();
                std::thread::yield_now();
            }
        });
        let begun = Instant::now();
        for _ in 0..3 {
            noticed(&mut watch).await;
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        writer.join().unwrap();
        assert!(begun.elapsed() >= BETWEEN * 2, "{:?}", begun.elapsed());
    }
}
