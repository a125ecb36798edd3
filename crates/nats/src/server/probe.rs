//! Asks a nats-server program for its version and judges it.
//!
//! Owns the minimum version and its reason. Must never trust a program: it may hang, fail, or print anything.
//! `find` decides what an unusable one means.

use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use semver::Version;
use tokio::process::Command;

use super::output::{self, Ended};

/// The oldest nats-server that the bus accepts.
pub const MIN_VERSION: Version = Version::new(2, 12, 3);

const TIME_LIMIT: Duration = Duration::from_secs(5);

/// Why a nats-server program cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// There is no such file.
    #[error("there is no such file")]
    Missing,
    /// The system refused to run it.
    #[error("it cannot be run: {0}")]
    CannotRun(io::Error),
    /// It did not tell its version in time.
    #[error("`--version` did not end within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// It ended badly.
    #[error("`--version` failed ({0})")]
    Failed(ExitStatus),
    /// What it printed is not a nats-server's version.
    #[error("`--version` did not print a nats-server's version")]
    Garbage,
    /// It is older than [`MIN_VERSION`].
    #[error("it is version {0}, and {MIN_VERSION} or later is needed")]
    TooOld(Version),
}

/// The version of the nats-server at `program`, which is [`MIN_VERSION`] or later.
pub(super) async fn probe(program: &Path) -> Result<Version, Unusable> {
    probe_within(program, TIME_LIMIT).await
}

pub(super) async fn probe_within(program: &Path, limit: Duration) -> Result<Version, Unusable> {
    let ended = output::run(Command::new(program).arg("--version"), limit).await.map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound && !program.exists() { Unusable::Missing } else { Unusable::CannotRun(error) }
    })?;
    let text = match ended {
        Ended::TimedOut { .. } => return Err(Unusable::TimedOut(limit)),
        Ended::Exited { status, .. } if !status.success() => return Err(Unusable::Failed(status)),
        Ended::Exited { text, .. } => text,
    };
    judge(parse(&text).ok_or(Unusable::Garbage)?)
}

fn judge(version: Version) -> Result<Version, Unusable> {
    if version < MIN_VERSION { Err(Unusable::TooOld(version)) } else { Ok(version) }
}

/// Reads a line such as `nats-server: v2.15.1`.
fn parse(text: &str) -> Option<Version> {
    let rest = text.lines().find_map(|line| line.trim().strip_prefix("nats-server:"))?;
    let rest = rest.trim();
    Version::parse(rest.strip_prefix('v').unwrap_or(rest)).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_the_servers_own_form_and_nothing_else() {
        assert_eq!(parse("nats-server: v2.15.1\n"), Some(Version::new(2, 15, 1)));
        assert_eq!(parse("warning: x\nnats-server: 2.9.10"), Some(Version::new(2, 9, 10)));
        for garbage in ["", "v2.15.1", "nats-server: ", "nats-server: v2", "nats-server: vé.1.2", "gnatsd: v2.15.1"] {
            assert_eq!(parse(garbage), None, "{garbage:?}");
        }
    }

    #[test]
    fn the_minimum_itself_will_do_and_its_release_candidates_will_not() {
        assert!(judge(MIN_VERSION).is_ok());
        assert!(judge(Version::new(2, 13, 0)).is_ok());
        assert!(judge(Version::new(2, 12, 2)).is_err());
        assert!(judge(Version::parse("2.12.3-RC.1").unwrap()).is_err());
    }
}
