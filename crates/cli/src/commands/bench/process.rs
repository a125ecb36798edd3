//! Other processes: starting one and waiting until it says that it is ready, and what it has used so far.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::failure::{Exit, Failure};

/// How long a part may take to be ready.
const READY: Duration = Duration::from_secs(120);

/// A part of the bus in a process of its own; killed when dropped.
pub(super) struct Part {
    child: Child,
}

impl Part {
    /// Starts this binary with `args`, and returns when it has printed its first line.
    pub(super) async fn start(args: &[&str]) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        // What is set for the user's own bus does not reach the one that is measured.
        for variable in ["AGENTBUS_NATS", "NATS_URL", "AGENTBUS_NAME"] {
            command.env_remove(variable);
        }
        let mut child = command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let Some(stdout) = child.stdout.take() else { return Err(silent(args)) };
        let mut lines = BufReader::new(stdout).lines();
        let ready = tokio::time::timeout(READY, lines.next_line()).await;
        if !matches!(ready, Ok(Ok(Some(_)))) {
            return Err(silent(args));
        }
        // Its output is read to the end, so that it never waits for us.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child })
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Kills it, and waits until it is gone.
    pub(super) async fn kill(mut self) -> Result<(), Failure> {
        Ok(self.child.kill().await?)
    }
}

fn silent(args: &[&str]) -> Failure {
    let message = format!("'agentbus {}' was not ready within {READY:?}", args.join(" "));
    Failure::new(Exit::Unreachable, "not_ready", message).hint("What it said stands above.")
}

/// The processor time that a process has used; `None` where the system does not tell.
/// Source: proc_pid_stat(5), fields 14 and 15.
pub(super) fn processor_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets, and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_millis((user + system) * 1000 / ticks))
}

/// The memory of a process that is in use, in bytes; `None` where the system does not tell.
/// Source: proc_pid_status(5), `VmRSS`.
pub(super) fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_tells_what_it_uses() {
        let me = std::process::id();
        assert!(resident(me).is_some_and(|bytes| bytes > 1 << 20));
        assert!(processor_time(me).is_some());
        assert_eq!(resident(u32::MAX), None);
    }
}
