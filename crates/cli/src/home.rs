//! `.agentbus/`: what `up` keeps in the directory in which it runs, and how others find it.

use std::{
    fs::{self, File, TryLockError},
    io::Write,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use agentbus::Space;
use serde::{Deserialize, Serialize};

use crate::failure::{Exit, Failure};

/// The folder's name.
pub(crate) const NAME: &str = ".agentbus";

/// The file in it that says that it was made here.
const MARK: &str = "made-here";

/// How often a lock is tried that somebody may hold for a moment only.
const LOOKS: usize = 20;

/// The time between two tries.
const LOOK: Duration = Duration::from_millis(20);

/// What `up` says of the bus that it runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Running {
    /// Where its server listens.
    pub(crate) url: String,
    /// Its space.
    pub(crate) space: String,
    /// The process that runs it.
    pub(crate) pid: u32,
}

/// Held by the process that runs the bus of a folder, and by no other. It ends with the process,
/// however that ends, which no process id tells reliably.
#[derive(Debug)]
pub(crate) struct Claim(#[expect(dead_code, reason = "held, never read")] File);

/// The folder of one bus.
#[derive(Clone, Debug)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// The nearest folder in which a bus runs, from this directory upwards, and that bus. One above
    /// counts only if it is this user's own: in a shared place, somebody else's would draw queries.
    pub(crate) fn nearest() -> Option<(Self, Running)> {
        let here = Self(PathBuf::from(NAME));
        here.running().map(|running| (here, running)).or_else(|| Self::above(&std::env::current_dir().ok()?))
    }

    /// The nearest above a folder.
    fn above(folder: &Path) -> Option<(Self, Running)> {
        let homes = folder.ancestors().skip(1).map(|folder| folder.join(NAME));
        homes.filter(|home| is_own(home)).map(Self).find_map(|home| home.running().map(|running| (home, running)))
    }

    /// Whether it is in this directory, and not in one above.
    pub(crate) fn is_here(&self) -> bool {
        self.0 == Path::new(NAME)
    }

    /// A folder of the user's choice.
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Makes it, or takes up what this user's `up` made here before. What came some other way, as with a
    /// repository, is not believed: it could hold anybody's facts, and links to anywhere.
    /// `adopt`: the user says that it is to be believed.
    pub(crate) fn make(&self, adopt: bool) -> Result<(), Failure> {
        let shown = self.0.display();
        let unusable = |error: std::io::Error| self.unusable(&error);
        if self.0.is_symlink() {
            let message = format!("{shown} is a link, and may lead anywhere");
            return Err(Failure::new(Exit::Unreachable, "data_dir", message).hint("Name the folder itself: --data DIR"));
        }
        fs::create_dir_all(&self.0).map_err(unusable)?;
        if self.is_made_here() {
            return Ok(());
        }
        if !adopt && fs::read_dir(&self.0).map_err(unusable)?.next().is_some() {
            let message =
                format!("{shown} holds what no 'agentbus up' has put there: it came with the repository, or was copied or moved here");
            return Err(Failure::new(Exit::Unreachable, "foreign_data", message)
                .hint("Remove it, or name another folder: --data DIR. To believe all that it holds: --adopt"));
        }
        self.mark().map_err(unusable)
    }

    fn unusable(&self, error: &std::io::Error) -> Failure {
        Failure::new(Exit::Unreachable, "data_dir", format!("{} cannot be written: {error}", self.0.display()))
            .hint("Name a folder that can be written: --data DIR")
    }

    /// Whether the mark is here, and of this very folder: a copy of it is another folder.
    fn is_made_here(&self) -> bool {
        let mark = fs::read_to_string(self.0.join(MARK)).ok();
        mark.is_some_and(|mark| self.identity().is_ok_and(|identity| identity == mark))
    }

    /// Puts the mark, and keeps the folder out of version control.
    fn mark(&self) -> std::io::Result<()> {
        anew(&self.0.join(".gitignore"), b"*\n", 0o644)?;
        anew(&self.0.join(MARK), self.identity()?.as_bytes(), 0o644)
    }

    /// What no two folders of a disk share. The disk's own number is left out: it may change when the machine is
    /// started again.
    fn identity(&self) -> std::io::Result<String> {
        Ok(format!("{}\n", self.0.symlink_metadata()?.ino()))
    }

    /// Where the embedded server keeps its store.
    pub(crate) fn server(&self) -> PathBuf {
        self.0.join("nats")
    }

    /// The bus that runs here, if one does.
    pub(crate) fn running(&self) -> Option<Running> {
        let said: Running = serde_json::from_slice(&fs::read(self.file()).ok()?).ok()?;
        // What a killed bus left behind is held by nobody. A lock that may not be looked at is
        // another user's, and so is the bus.
        let held = File::open(self.lock()).map_or(true, |lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)));
        held.then_some(said)
    }

    /// Claims the folder for this process.
    pub(crate) async fn claim(&self) -> Result<Claim, Failure> {
        let lock = File::options().create(true).truncate(false).write(true).open(self.lock()).map_err(|error| self.unusable(&error))?;
        for _ in 0..LOOKS {
            if lock.try_lock().is_ok() {
                return Ok(Claim(lock));
            }
            // Somebody who only looks whether a bus runs here holds it for a moment, too.
            tokio::time::sleep(LOOK).await;
        }
        let message = match self.running() {
            Some(running) => format!("a bus already runs here: {} (process {})", nats::public(&running.url), running.pid),
            None => format!("a bus is starting or stopping in {}", self.0.display()),
        };
        Err(Failure::new(Exit::Unreachable, "already_running", message)
            .hint("Use it, stop it with Ctrl-C, or choose another folder: --data DIR"))
    }

    /// Says that this process runs a bus here, and where.
    pub(crate) fn announce(&self, url: &str, space: &Space) -> Result<(), Failure> {
        let running = Running { url: url.to_owned(), space: space.to_string(), pid: std::process::id() };
        // Written beside and renamed, so that nobody reads half of it.
        let beside = self.0.join("bus.json.new");
        // Others may read where the bus is, unless that is told with a password in it.
        let mode = if nats::public(url) == url { 0o644 } else { 0o600 };
        anew(&beside, &serde_json::to_vec_pretty(&running).unwrap_or_default(), mode)?;
        Ok(fs::rename(beside, self.file())?)
    }

    /// Says that none runs here any more.
    pub(crate) fn release(&self) {
        let _ = fs::remove_file(self.file());
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn lock(&self) -> PathBuf {
        self.0.join("up.lock")
    }

    fn file(&self) -> PathBuf {
        self.0.join("bus.json")
    }
}

/// Writes a file that was not there before; one that was there is removed, and no link is followed.
fn anew(path: &Path, content: &[u8], mode: u32) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::options().create_new(true).write(true).mode(mode).open(path)?.write_all(content)
}

/// Whether a folder, itself and not through a link, belongs to whoever runs this.
fn is_own(folder: &Path) -> bool {
    folder.symlink_metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::{chown, symlink};

    /// A folder in which a bus runs, for as long as the claim is held.
    async fn with_bus(folder: &Path) -> (Home, Claim) {
        let home = Home::at(folder.join(NAME));
        home.make(false).unwrap();
        let claim = home.claim().await.unwrap();
        home.announce("nats://127.0.0.1:1", &Space::default()).unwrap();
        (home, claim)
    }

    /// What is found from two folders below. Whatever runs on this machine further up is none of the test's.
    fn found(root: &Path) -> Option<PathBuf> {
        let (home, _) = Home::above(&root.join("a/b"))?;
        Some(home.0).filter(|home| home.starts_with(root))
    }

    #[tokio::test]
    async fn a_bus_above_is_found_while_it_runs() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(found(root.path()), None);
        let (home, claim) = with_bus(root.path()).await;
        assert_eq!(found(root.path()).as_deref(), Some(home.path()));
        drop(claim);
        assert_eq!(found(root.path()), None, "what a killed bus left behind");
    }

    #[tokio::test]
    async fn a_bus_above_that_is_somebody_elses_is_not_found() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("a")).unwrap();
        let (outer, _outer) = with_bus(root.path()).await;
        let (inner, _inner) = with_bus(&root.path().join("a")).await;
        assert_eq!(found(root.path()).as_deref(), Some(inner.path()));
        if rustix::process::geteuid().is_root() {
            chown(inner.path(), Some(65_534), None).unwrap();
            assert_eq!(found(root.path()).as_deref(), Some(outer.path()), "the next above is one's own");
        } else {
            // Who is not root can give nothing away, but has a folder of somebody else's at hand.
            assert!(!is_own(Path::new("/")));
        }
    }

    #[tokio::test]
    async fn a_link_to_a_bus_elsewhere_is_not_followed() {
        let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (home, _claim) = with_bus(elsewhere.path()).await;
        symlink(home.path(), root.path().join(NAME)).unwrap();
        assert_eq!(found(root.path()), None);
    }

    #[test]
    fn what_came_with_a_repository_is_not_believed_nor_overwritten() {
        let (root, victim) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
        let home = Home::at(root.path().join(NAME));
        fs::create_dir(home.path()).unwrap();
        symlink(victim.path(), home.path().join(".gitignore")).unwrap();
        assert!(home.make(false).is_err());
        home.make(true).unwrap();
        assert_eq!(fs::read(victim.path()).unwrap(), b"", "no link is followed");
        home.make(false).unwrap();
        let copy = Home::at(root.path().join("copy"));
        fs::create_dir(copy.path()).unwrap();
        fs::copy(home.path().join(MARK), copy.path().join(MARK)).unwrap();
        assert!(copy.make(false).is_err(), "a copy is another folder");
    }

    #[test]
    fn a_folder_of_other_things_is_left_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(".gitignore"), "target\n").unwrap();
        assert!(Home::at(root.path().to_owned()).make(false).is_err());
        assert_eq!(fs::read_to_string(root.path().join(".gitignore")).unwrap(), "target\n");
    }
}
