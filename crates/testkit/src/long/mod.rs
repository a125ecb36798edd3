//! `testkit long`: random faults, several at once, for as long as one likes; then a verdict as JSON. The seed
//! that it prints makes the same faults again.
//!
//! Next: `round` (a laboratory under load), `special` (faults that need one of their own), `outside` (fuzzing and
//! containers, after the faults), `report`.

mod full;
mod nodes;
mod outside;
mod report;
mod round;
mod special;

use std::{
    io::Write,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use futures::FutureExt;

pub use full::Full;
pub use outside::Check;
pub use report::{Report, Round, Tally};
pub use special::PowerCut;

use crate::{binary, faults::Fault, random::Random};

/// The longest round: then a fresh laboratory.
const ROUND: Duration = Duration::from_secs(120);

/// A shorter round is not worth a laboratory.
const SHORTEST: Duration = Duration::from_secs(20);

/// The name under which the older binary is kept.
const OLD: &str = "agentbus-old";

/// Options of `testkit long`.
#[derive(Clone, Debug, clap::Args)]
pub struct Long {
    /// What everything that is random comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long, about
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// Only these faults, as in F1,F6; all that there are otherwise
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Begin with the round of this seed, to see it again
    #[arg(long)]
    round: Option<u64>,
    /// An older binary, which every second coordinator and agent host runs (F25)
    #[arg(long, value_name = "FILE")]
    old: Option<PathBuf>,
    /// Leave out the fuzz targets and the check of the containers, which take another ten minutes
    #[arg(long)]
    faults_only: bool,
    /// Print the verdict as JSON on one line
    #[arg(long)]
    json: bool,
}

/// Says something to whoever watches.
#[expect(clippy::print_stderr, reason = "progress is for a person")]
pub(crate) fn tell(text: &str) {
    eprintln!("{text}");
}

impl Long {
    /// Runs, and prints the verdict. The exit code is 1 where a rule was broken.
    ///
    /// # Panics
    /// Where a laboratory cannot be made.
    pub async fn run(self) -> ExitCode {
        if !build() {
            tell("agentbus does not build");
            return ExitCode::from(2);
        }
        let folder = tempfile::Builder::new().prefix("lab-binaries-").tempdir().expect("a temporary folder");
        keep_binaries(folder.path(), self.old.as_deref());
        let mut report = self.rounds(folder.path()).await;
        if self.only.is_empty() && !self.faults_only {
            report.checks = outside::checks();
            report.finish();
        }
        let text = if self.json { serde_json::to_string(&report) } else { serde_json::to_string_pretty(&report) };
        let _ = writeln!(std::io::stdout(), "{}", text.unwrap_or_default());
        if report.holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    async fn rounds(&self, binaries: &Path) -> Report {
        let (begun, whole) = (Instant::now(), Duration::from_secs(60 * self.minutes));
        let mut report = Report { seed: self.seed, ..Report::default() };
        let mut seeds = Random::new(self.seed);
        let wanted = |fault: &Fault| self.only.is_empty() || self.only.contains(&fault.to_string());
        let shared = round::SHARED.iter().copied().filter(wanted);
        let shared: Vec<Fault> = shared.filter(|fault| self.old.is_none() || *fault != Fault::F32).collect();
        let mut first = self.round;
        while report.rounds.is_empty() || begun.elapsed() + SHORTEST < whole {
            let seed = first.take().unwrap_or_else(|| seeds.next());
            let left = whole.saturating_sub(begun.elapsed());
            if !shared.is_empty() {
                let made = round::round(seed, ROUND.min(left * 6 / 10), &shared, binaries, &mut report);
                let made = AssertUnwindSafe(made).catch_unwind().await;
                survived(seed, made, &mut report);
            }
            let before = report.rounds.len();
            for fault in special::SPECIAL.iter().copied().filter(wanted) {
                // In a short run they take turns.
                if before > 1 && begun.elapsed() > whole {
                    break;
                }
                tell(&format!("{seed}: {fault}"));
                let made = AssertUnwindSafe(special::special(fault, seed, binaries, &mut report)).catch_unwind().await;
                survived(seed, made, &mut report);
            }
            for round in report.rounds.iter().skip(before.saturating_sub(1)) {
                tell(&format!(
                    "{}: {} acknowledged, {} lost, {} duplicated, {} unknown, {} violations",
                    round.seed,
                    round.acknowledged,
                    round.lost,
                    round.duplicated,
                    round.unknown,
                    round.violations.len()
                ));
            }
        }
        report.seconds = begun.elapsed().as_secs();
        report.finish();
        report
    }
}

/// A laboratory that broke down is no proof of anything, and so a violation.
fn survived(seed: u64, made: std::thread::Result<()>, report: &mut Report) {
    let Err(panic) = made else { return };
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    let what = format!("the laboratory broke down: {}", text.unwrap_or("it does not say why"));
    report.add(Round::broken(seed, what));
}

/// Builds the binary under test where this is run by cargo, which tells where it is.
fn build() -> bool {
    let Some(cargo) = std::env::var_os("CARGO") else { return true };
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "-p", "agentbus-cli"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    command.status().is_ok_and(|status| status.success())
}

/// Copies of the binaries, so that a build in the meantime does not change what is tested.
fn keep_binaries(folder: &Path, old: Option<&Path>) {
    let current = ["agentbus", "testkit"].map(|name| (binary(name), name));
    for (from, name) in current.into_iter().chain(old.map(|old| (old.to_owned(), OLD))) {
        std::fs::copy(&from, folder.join(name)).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }
}
