//! One process of a laboratory: started, killed, frozen, thawed and started again, with its output
//! in a file that outlives it.
//!
//! Must never leave a process behind, nor call an end that the laboratory itself brought about an accident.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::Signal;

use crate::{eventually, process::send};

/// The exit code of a part that finds no server when it starts.
const UNAVAILABLE: i32 = 2;

/// How to start it: again and again.
type Starter = Box<dyn Fn() -> Command + Send>;

/// A process under test.
pub struct Part {
    name: String,
    starter: Starter,
    /// What its standard output holds when it is ready.
    ready: String,
    log: PathBuf,
    child: Option<Child>,
    /// How long the log was when it was last started.
    from: usize,
    frozen: bool,
    /// Ends that nobody here brought about.
    accidents: Vec<String>,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("name", &self.name).field("pid", &self.pid()).finish_non_exhaustive()
    }
}

impl Part {
    /// Something to start. Its output goes to `NAME.log` in `folder`, and it is ready when that says `ready`.
    #[must_use]
    pub fn new(name: &str, folder: &Path, ready: &str, starter: impl Fn() -> Command + Send + 'static) -> Self {
        Self {
            name: name.to_owned(),
            starter: Box::new(starter),
            ready: ready.to_owned(),
            log: folder.join(format!("{name}.log")),
            child: None,
            from: 0,
            frozen: false,
            accidents: Vec::new(),
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts it and does not wait. One that runs already is left alone.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(&mut self) {
        self.start_with(|_| {});
    }

    /// The same with its command changed, for this one start.
    ///
    /// # Panics
    /// As [`Part::start`].
    pub fn start_with(&mut self, change: impl FnOnce(&mut Command)) {
        if self.is_running() {
            return;
        }
        self.from = self.told().len();
        let log = || Stdio::from(open(&self.log));
        let mut command = (self.starter)();
        change(&mut command);
        let started = command.stdin(Stdio::null()).stdout(log()).stderr(log()).spawn();
        self.child = Some(started.unwrap_or_else(|error| panic!("{}: {command:?}: {error}", self.name)));
        self.frozen = false;
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become so within 30 s.
    pub fn start_ready(&mut self) {
        self.start();
        self.until_ready();
    }

    /// Waits until it is ready.
    ///
    /// # Panics
    /// As [`Part::start_ready`].
    pub fn until_ready(&mut self) {
        let what = format!("{} to be ready", self.name);
        eventually(&what, || {
            // One that found no server is started again; one that runs is left alone.
            self.start();
            if self.is_ready() { Ok(()) } else { Err(self.told()) }
        });
    }

    /// Whether it has said so since its last start.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.told().get(self.from..).is_some_and(|told| told.contains(&self.ready))
    }

    /// Everything that it has written.
    #[must_use]
    pub fn told(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Its process id, while it is ours.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The most memory that it has taken in this life, in bytes; 0 where that cannot be told.
    #[must_use]
    pub fn most_memory(&self) -> u64 {
        let status = self.pid().and_then(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok()).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak.unwrap_or_default() * 1024
    }

    /// Whether it runs. An end that was not of our making is noted.
    pub fn is_running(&mut self) -> bool {
        let Some(child) = &mut self.child else { return false };
        let Ok(Some(status)) = child.try_wait() else { return true };
        // Where there is no server to connect to, a part says so and ends: whoever supervises it starts it again.
        if status.code() == Some(UNAVAILABLE) && !self.is_ready() {
            self.child = None;
            return false;
        }
        let how = status.signal().map_or_else(|| format!("code {:?}", status.code()), |signal| format!("signal {signal}"));
        self.accidents.push(format!("{} ended by itself: {how}; see {}", self.name, self.log.display()));
        self.child = None;
        false
    }

    /// Waits for an end that the laboratory has arranged (a crash point), which is then no accident.
    ///
    /// # Panics
    /// When it does not come within 30 s.
    pub fn until_crashed(&mut self) {
        let name = self.name.clone();
        let child = &mut self.child;
        eventually(&format!("the crash of {name}"), || match child {
            Some(running) => match running.try_wait() {
                Ok(Some(_)) => Ok(()),
                other => Err(format!("{other:?}")),
            },
            None => Ok(()),
        });
        self.child = None;
    }

    /// Whether it has ended, if that is what was arranged; then it is no accident.
    pub fn has_crashed(&mut self) -> bool {
        let ended = self.child.as_mut().is_none_or(|child| matches!(child.try_wait(), Ok(Some(_))));
        if ended {
            self.child = None;
        }
        ended
    }

    /// Ends that nobody here brought about, and panics that its log tells of.
    #[must_use]
    pub fn accidents(&mut self) -> Vec<String> {
        let _ = self.is_running();
        let mut accidents = self.accidents.clone();
        let panics = self.told();
        let panics = panics.lines().filter(|line| line.contains("panicked at"));
        accidents.extend(panics.map(|line| format!("{}: {line}", self.name)));
        accidents
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) {
        if !self.is_running() {
            return;
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.frozen = false;
    }

    /// Tells it to end (SIGTERM), and waits until it has.
    ///
    /// # Panics
    /// When it does not within 30 s.
    pub fn terminate(&mut self) {
        if self.is_running() {
            self.send(Signal::TERM);
            self.until_crashed();
        }
    }

    /// Freezes it (SIGSTOP).
    pub fn stop(&mut self) {
        self.frozen = self.send(Signal::STOP);
    }

    /// Freezes it for so long.
    pub async fn freeze(&mut self, lasts: Duration) {
        self.stop();
        tokio::time::sleep(lasts).await;
        self.cont();
    }

    /// Thaws it (SIGCONT).
    pub fn cont(&mut self) {
        let _ = self.send(Signal::CONT);
        self.frozen = false;
    }

    /// Whether it is frozen.
    #[must_use]
    pub const fn is_frozen(&self) -> bool {
        self.frozen
    }

    fn send(&self, signal: Signal) -> bool {
        self.pid().is_some_and(|pid| send(pid, signal))
    }

    /// How many files it has open.
    #[must_use]
    pub fn open_files(&self) -> usize {
        self.pid().and_then(|pid| fs::read_dir(format!("/proc/{pid}/fd")).ok()).map_or(0, Iterator::count)
    }

    /// The memory that it holds, in KiB.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        let status = self.pid().and_then(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok()).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn open(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
