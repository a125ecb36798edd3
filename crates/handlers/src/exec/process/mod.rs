//! A running command: what goes in, what comes out, and its end.
//!
//! Owns the pipes and their bounds. It knows nothing of the bus, nor of what a line means. Whoever
//! drops a [`Process`] ends it with everything that it started.
//!
//! Reading order: `launch` (what is started), `group` (how it ends), `strays` (what left the group), `input` and
//! `lines` (what goes in and comes out).

mod group;
mod input;
mod launch;
mod lines;
pub(crate) mod strays;
mod tail;
#[cfg(test)]
mod tests;

use std::{
    io,
    process::ExitStatus,
    time::{Duration, Instant},
};

use tokio::process::ChildStdout;

use group::Group;
pub(crate) use group::{Groups, GroupsGuard};
use input::Writer;
use lines::Lines;
use tail::Tail;

pub(crate) use input::{Input, Unheard};
pub(crate) use launch::{Launch, StartError, search_path};
pub(crate) use lines::{Line, MAX_LINE, TooMuch};

/// How long the pipes of a command that has ended may stay open: what it left running in the
/// background may hold them, but must not hold us up.
const REST: Duration = Duration::from_millis(500);

/// A running command.
#[derive(Debug)]
pub(crate) struct Process {
    group: Group,
    lines: Lines<ChildStdout>,
    tail: Tail,
    exited: Option<(ExitStatus, Instant)>,
    input: Writer,
}

impl Process {
    /// Starts a command that may print at most `limit` bytes to its standard output. Its group is
    /// one of `groups`.
    pub(crate) fn start(launch: &Launch, input: Input, limit: u64, groups: &Groups) -> Result<Self, StartError> {
        let mut command = launch.prepare()?;
        let started = Group::start(&mut command, launch.farewell(), groups);
        let (group, pipes) = started.map_err(|error| launch.failed(&error))?;
        Ok(Self {
            group,
            lines: Lines::new(pipes.stdout, limit),
            tail: Tail::read(pipes.stderr),
            exited: None,
            input: Writer::start(pipes.stdin, input),
        })
    }

    /// The next line of standard output; none when there will be no more. Safe to cancel.
    pub(crate) async fn line(&mut self) -> Result<Option<Line>, TooMuch> {
        loop {
            if let Some((_, at)) = self.exited {
                // What is there already is read however late it is.
                let rest = tokio::time::timeout_at((at + REST).into(), self.lines.next()).await;
                return rest.unwrap_or(Ok(None));
            }
            tokio::select! {
                biased;
                line = self.lines.next() => return line,
                ended = self.group.ended() => match ended {
                    Ok(status) => self.exited = Some((status, Instant::now())),
                    Err(_) => return Ok(None),
                },
            }
        }
    }

    /// Passes a line to standard input, if it was left open. Waits for room, but no longer than this.
    pub(crate) async fn say(&self, line: String, within: Duration) -> Result<(), Unheard> {
        self.input.say(line, within).await
    }

    /// Closes standard input, if it was left open. What was not written by then never is.
    pub(crate) fn close_input(&self) {
        self.input.close();
    }

    /// Returns when the command has ended by itself, and ends what it left behind.
    pub(crate) async fn status(&mut self) -> io::Result<ExitStatus> {
        let status = match self.exited {
            Some((status, _)) => status,
            None => self.group.ended().await?,
        };
        self.group.sweep();
        self.tail.whole(REST).await;
        Ok(status)
    }

    /// Ends the command with everything that it started, and returns when it is gone.
    pub(crate) async fn end(&mut self) {
        self.group.end().await;
        self.tail.whole(REST).await;
    }

    /// The last of what it wrote to standard error: at most 4 KiB.
    pub(crate) fn stderr(&self) -> String {
        self.tail.text()
    }
}
