//! What left a command's group: found by a variable in its environment, which it inherits however often it forks.
//!
//! Some programs start what they run in a session of its own, where no signal to the group reaches it; Claude Code does
//! so with every shell command. Linux shows the environment of one's processes in `/proc`; elsewhere nothing is found.
//! It must never signal a process whose environment it has not read: the process is held by a descriptor first,
//! so that its number cannot become another's in between.

/// The variable. Its value is unique to one attempt.
pub(crate) const VARIABLE: &str = "AGENTBUS_RUN";

/// How often it looks: what forks while it is looked for is found the next time.
#[cfg(target_os = "linux")]
const ROUNDS: usize = 4;

/// Kills every process in whose environment the variable has this value.
#[cfg(target_os = "linux")]
pub(crate) fn kill(mark: &str) {
    let wanted = format!("{VARIABLE}={mark}");
    for _ in 0..ROUNDS {
        let killed = std::fs::read_dir("/proc").into_iter().flatten().flatten().filter(|entry| linux::end(entry, wanted.as_bytes()));
        if killed.count() == 0 {
            return;
        }
    }
}

/// Nothing is found here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn kill(_mark: &str) {}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::{self, DirEntry};

    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    /// Kills the process that an entry of `/proc` stands for, if it is one of those; returns whether it was.
    pub(super) fn end(entry: &DirEntry, wanted: &[u8]) -> bool {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else { return false };
        let Ok(held) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
        // The environment of somebody else's process cannot be read, and that of a zombie is empty.
        let Ok(environment) = fs::read(entry.path().join("environ")) else { return false };
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted) && pidfd_send_signal(&held, Signal::KILL).is_ok()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{os::unix::process::ExitStatusExt, process::Command};

    use super::*;

    #[test]
    fn what_bears_the_mark_is_killed_and_nothing_else() {
        let start = |mark: &str| Command::new("sleep").arg("600").env(VARIABLE, mark).spawn().unwrap();
        let (mut ours, mut other, mut longer) = (start("one-of-ours"), start("other"), start("one-of-ours-too"));
        kill("one-of-ours");
        assert_eq!(ours.wait().unwrap().signal(), Some(9));
        assert!(other.try_wait().unwrap().is_none() && longer.try_wait().unwrap().is_none());
        for child in [&mut other, &mut longer] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
