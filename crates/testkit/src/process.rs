//! The real binary as a process.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::eventually;

/// A running process whose output is collected. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

/// What a finished process left.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

/// The binary under test, in `dir`, with an environment that no setting of the machine reaches.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn agentbus(dir: &Path) -> Command {
    plain(&binary("agentbus"), dir)
}

/// A program in `dir`, with an environment that no setting of the machine reaches.
pub(crate) fn plain(program: &Path, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir);
    for name in ["AGENTBUS_NAME", "AGENTBUS_NATS", "NATS_URL", "NATS_CONTEXT", "RUST_LOG", "NO_COLOR"] {
        command.env_remove(name);
    }
    command
}

/// A binary of this workspace: beside this one, or in the folder above where this is a test
/// (`target/PROFILE/deps/TEST`).
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("this program's own path");
    let here = own.parent().expect("its folder");
    let profile = if here.ends_with("deps") { here.parent().expect("the profile's folder") } else { here };
    let binary = profile.join(name);
    assert!(binary.exists(), "{} is not built: run the tests with 'cargo test --workspace'", binary.display());
    binary
}

impl Process {
    /// Starts a command.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = collect(child.stdout.take());
        let stderr = collect(child.stderr.take());
        Self { child, stdout, stderr }
    }

    /// Runs a command to its end, which must come within 60 s.
    ///
    /// # Panics
    /// When it does not end in time.
    #[must_use]
    pub fn run(command: &mut Command) -> Output {
        Self::start(command).finish()
    }

    /// What it has written to stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it has written to stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until its stdout holds a text; returns all of it.
    ///
    /// # Panics
    /// When the text does not come.
    #[must_use]
    pub fn says(&self, text: &str) -> String {
        eventually(&format!("{text:?} on stdout"), || {
            let stdout = self.stdout();
            if stdout.contains(text) { Ok(stdout) } else { Err((stdout, self.stderr())) }
        })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its exit code, if it has ended; -1 if a signal ended it.
    #[must_use]
    pub fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().ok().flatten().map(|status| status.code().unwrap_or(-1))
    }

    /// Sends it a signal, as in `TERM`.
    ///
    /// # Panics
    /// When there is no `kill` command.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().expect("kill runs");
        assert!(status.success(), "kill -{name} {}", self.pid());
    }

    /// Freezes it (SIGSTOP). Returns when all its threads stand still: on a busy machine one may go on for a moment.
    ///
    /// # Panics
    /// When it does not stand still within 30 s.
    pub fn freeze(&self) {
        self.signal("STOP");
        eventually("it stands still", || {
            let threads = fs::read_dir(format!("/proc/{}/task", self.pid())).map_err(|error| error.to_string())?;
            let states = threads.flatten().map(|thread| fs::read_to_string(thread.path().join("stat")).unwrap_or_default());
            // The state is the first field after the name in brackets. Source: proc_pid_stat(5).
            let moves = states.filter(|stat| !stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))).count();
            if moves == 0 { Ok(()) } else { Err(format!("{moves} threads go on")) }
        });
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end within 60 s.
    #[must_use]
    pub fn finish(mut self) -> Output {
        let status =
            eventually("the end of the process", || self.child.try_wait().ok().flatten().ok_or_else(|| (self.stdout(), self.stderr())));
        self.output(status)
    }

    fn output(&self, status: ExitStatus) -> Output {
        // The pipes close with the process; what is in them is collected a moment later.
        let whole = |text: &Arc<Mutex<String>>| {
            eventually("the rest of the output", || if Arc::strong_count(text) == 1 { Ok::<_, ()>(()) } else { Err(()) });
            text.lock().unwrap_or_else(PoisonError::into_inner).clone()
        };
        Output { code: status.code(), stdout: whole(&self.stdout), stderr: whole(&self.stderr) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Kills a process (SIGKILL).
///
/// # Panics
/// When there is no such process.
pub fn kill(pid: u32) {
    assert!(send(pid, Signal::KILL), "kill -KILL {pid}");
}

/// Sends a signal; false if there is no such process.
pub(crate) fn send(pid: u32, signal: Signal) -> bool {
    i32::try_from(pid).ok().and_then(Pid::from_raw).is_some_and(|pid| kill_process(pid, signal).is_ok())
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let into = text.clone();
    if let Some(pipe) = pipe {
        std::thread::spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                into.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
    }
    text
}
