//! The warden: a small process beside an agent host, which kills the host's commands when the host is gone.
//!
//! A host that is killed cannot end what it started, and its work is given to another meanwhile. The warden
//! reads the numbers of living process groups from its standard input, a line each (`+123` lives, `+123 mark` has
//! strays, `-123` is gone); when that pipe closes, however it comes, it kills those that are left. It must never signal a
//! number that it was not told, or was told to forget. Next: `exec/process/group.rs`, which keeps it informed.

use std::{
    collections::HashMap,
    ffi::OsString,
    io::{self, BufRead, Write},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{ChildStdin, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::exec::process::strays;

/// The command line that runs [`watch`].
#[derive(Clone, Debug)]
pub struct Warden {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

impl Warden {
    /// Starts it, out of reach of the signals of our terminal.
    pub(crate) fn start(&self) -> io::Result<Told> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn()?;
        let pipe = child.stdin.take();
        Ok(Told { pipe, child })
    }
}

/// A running warden. Dropping it closes its input, and waits until it has ended.
#[derive(Debug)]
pub(crate) struct Told {
    pipe: Option<ChildStdin>,
    child: std::process::Child,
}

impl Told {
    /// Tells it that a group lives, and by which mark it knows what leaves the group.
    pub(crate) fn lives(&mut self, id: Pid, mark: Option<&str>) -> io::Result<()> {
        self.tell(&format!("+{} {}\n", id.as_raw_nonzero(), mark.unwrap_or_default()))
    }

    /// Tells it that a group is gone.
    pub(crate) fn gone(&mut self, id: Pid) -> io::Result<()> {
        self.tell(&format!("-{}\n", id.as_raw_nonzero()))
    }

    /// One write of a few bytes: a pipe takes it whole.
    fn tell(&mut self, line: &str) -> io::Result<()> {
        self.pipe.as_mut().map_or(Ok(()), |pipe| pipe.write_all(line.as_bytes()))
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.child.wait();
    }
}

/// Reads from `input` which groups live, and kills what is left when it ends.
pub fn watch(input: impl BufRead) {
    for (id, mark) in left(input) {
        let _ = kill_process_group(id, Signal::KILL);
        mark.iter().for_each(|mark| strays::kill(mark));
    }
}

/// The groups that live when the input ends, each with its mark.
fn left(input: impl BufRead) -> HashMap<Pid, Option<String>> {
    let mut living = HashMap::new();
    for line in input.lines().map_while(Result::ok) {
        let Some((sign, id)) = line.split_at_checked(1) else { continue };
        let (id, mark) = id.split_once(' ').unwrap_or((id, ""));
        // Neither 0 nor 1: the first would be our own group, the second is nobody's command.
        let Some(id) = id.parse().ok().filter(|id| *id > 1).and_then(Pid::from_raw) else { continue };
        match sign {
            "+" => drop(living.insert(id, Some(mark.to_owned()).filter(|mark| !mark.is_empty()))),
            "-" => drop(living.remove(&id)),
            _ => {}
        }
    }
    living
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_what_lives_is_left() {
        let told = "+100 \n+200 a-mark\n-100\nrubbish\n+0\n+1 x\n+-5\n+\n\n+300\n+30";
        let left: HashMap<i32, Option<String>> =
            left(told.as_bytes()).into_iter().map(|(id, mark)| (id.as_raw_nonzero().get(), mark)).collect();
        assert_eq!(left, HashMap::from([(200, Some("a-mark".to_owned())), (300, None), (30, None)]));
    }
}
