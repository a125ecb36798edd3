//! What belongs to a long run and is a program of its own: the fuzz targets, for a bounded time each, and the check of
//! the containers.
//!
//! Must never fail a run because this machine lacks a tool: then it says that the check was not run, and why.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use serde::Serialize;

/// Seconds that each fuzz target is given.
const FUZZ_SECONDS: &str = "60";

/// How much of what a check said is kept, in lines.
const LAST: usize = 12;

/// How a check went.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What it is.
    pub name: &'static str,
    /// Whether it held; none where it was not run.
    pub holds: Option<bool>,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// The last that it said, or why it was not run.
    pub said: String,
}

/// Runs all of them, one after the other.
pub(super) fn checks() -> Vec<Check> {
    vec![fuzz(), containers()]
}

fn fuzz() -> Check {
    let is_there = Command::new("cargo").args(["fuzz", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !is_there.is_ok_and(|status| status.success()) {
        return not_run("fuzz", "cargo-fuzz is not installed: cargo install cargo-fuzz");
    }
    run("fuzz", Command::new("bash").args(["fuzz/run", FUZZ_SECONDS]))
}

fn containers() -> Check {
    if !rustix::process::geteuid().is_root() {
        return not_run("containers", "tests/compose.sh needs root");
    }
    run("containers", Command::new("bash").arg("tests/compose.sh"))
}

fn run(name: &'static str, command: &mut Command) -> Check {
    super::tell(&format!("{name} …"));
    let begun = Instant::now();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // The toolchain that runs us is not the one that these want.
    let output = command.current_dir(root).env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").stdin(Stdio::null()).output();
    let seconds = begun.elapsed().as_secs();
    let (holds, said) = match output {
        Ok(output) => {
            let text = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
            (output.status.success(), last_lines(&text))
        }
        Err(error) => (false, error.to_string()),
    };
    super::tell(&format!("{name}: {}", if holds { "holds" } else { "does not hold" }));
    Check { name, holds: Some(holds), seconds, said }
}

fn not_run(name: &'static str, why: &str) -> Check {
    super::tell(&format!("{name} is not run: {why}"));
    Check { name, holds: None, seconds: 0, said: why.to_owned() }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(LAST)).copied().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_holds_if_its_program_says_so_and_keeps_the_last_that_it_said() {
        let script = |text: &str| run("check", Command::new("sh").args(["-c", text]));
        let good = script("ls fuzz/run tests/compose.sh && for n in $(seq 20); do echo line $n; done");
        assert_eq!((good.holds, good.said.lines().next()), (Some(true), Some("line 9")));
        let bad = script("echo why >&2; exit 1");
        assert_eq!((bad.holds, bad.said.as_str()), (Some(false), "why"));
        assert_eq!(run("check", &mut Command::new("no-such-program")).holds, Some(false));
    }
}
