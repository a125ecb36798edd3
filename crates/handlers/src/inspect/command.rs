//! Runs git, read-only, with a time limit and an output limit.
//!
//! Owns the settings under which git may look at a repository that nobody vouches for. It must
//! never let the repository's own configuration start a program, reach the network or write.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    time::timeout,
};

/// How long one git command may take.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// The most that one git command may print, in bytes: about 500,000 commits, one line each.
const OUTPUT_LIMIT: u64 = 32 * 1024 * 1024;

/// Settings that win over those of the repository. Each of them could start a program.
const SAFE_SETTINGS: &[&str] = &[
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "core.askPass=",
    "core.sshCommand=false",
    "credential.helper=",
    "gpg.program=false",
    "log.showSignature=false",
    "protocol.allow=never",
];

/// The whole environment of git, besides what [`KEPT`] names: nothing is written, asked for or
/// fetched, and messages are in English.
const SAFE_ENVIRONMENT: &[(&str, &str)] = &[
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_ALLOW_PROTOCOL", "none"),
    ("LC_ALL", "C"),
];

/// What git needs of our environment: where it is, and the user's settings (among them which
/// folders the user trusts). A `GIT_DIR` of a surrounding hook, say, would lead it astray.
const KEPT: &[&str] = &["PATH", "HOME", "XDG_CONFIG_HOME", "SYSTEMROOT"];

/// Why a command gave no output to work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum GitError {
    /// It could not be started or read.
    #[error("cannot run git: {0}")]
    NotRun(String),
    /// It ran longer than 5 seconds.
    #[error("git took longer than 5 s")]
    TooSlow,
    /// It printed more than 32 MiB.
    #[error("git printed more than 32 MiB")]
    TooMuch,
    /// It said no; with the first line of what it said.
    #[error("{0}")]
    Refused(String),
}

/// Runs `git ARGS` in a folder and gives what it printed.
///
/// Blocking, with a small runtime of its own, because a child process with a deadline needs one.
/// It must not be called on an async task.
///
/// # Errors
/// When git is missing, fails, or exceeds a limit. It is then killed.
pub(super) fn git(folder: &Path, args: &[&str]) -> Result<String, GitError> {
    git_within(TIME_LIMIT, folder, args)
}

fn git_within(limit: Duration, folder: &Path, args: &[&str]) -> Result<String, GitError> {
    let not_run = |error: std::io::Error| GitError::NotRun(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(not_run)?;
    runtime.block_on(async {
        let mut child = command(folder, args).spawn().map_err(not_run)?;
        // A child that is dropped is killed, so that the limit holds whatever git does.
        timeout(limit, output(&mut child)).await.map_err(|_| GitError::TooSlow)?
    })
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.env_clear().kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in KEPT {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.envs(SAFE_ENVIRONMENT.iter().copied());
    command.arg("-C").arg(folder).arg("--no-pager");
    for setting in SAFE_SETTINGS {
        command.args(["-c", setting]);
    }
    command.args(args);
    command
}

async fn output(child: &mut Child) -> Result<String, GitError> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr) = tokio::join!(read(stdout), read(stderr));
    let status = child.wait().await.map_err(|error| GitError::NotRun(error.to_string()))?;
    // Too much output first: git then ends badly because nobody reads on.
    let stdout = stdout?;
    if status.success() {
        return Ok(stdout);
    }
    let said = stderr?;
    let said = said.lines().next().unwrap_or_default().trim_start_matches("fatal: ");
    Err(GitError::Refused(if said.is_empty() { status.to_string() } else { said.to_owned() }))
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> Result<String, GitError> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let read = pipe.take(OUTPUT_LIMIT + 1).read_to_end(&mut bytes).await;
        read.map_err(|error| GitError::NotRun(error.to_string()))?;
    }
    if bytes.len() as u64 > OUTPUT_LIMIT {
        return Err(GitError::TooMuch);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::inspect::fixture::{Folder, now, observer};

    const AT: &str = "2026-11-20T12:00:00Z";

    /// A signature header that git takes for one, and asks the signing program about.
    const SIGNATURE: &str = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n";

    #[test]
    fn git_says_what_it_printed_or_why_not() {
        let folder = Folder::new();
        assert!(git(folder.path(), &["version"]).unwrap().starts_with("git version"));
        let refused = git(folder.path(), &["rev-parse", "HEAD"]).unwrap_err();
        assert!(matches!(&refused, GitError::Refused(why) if why.starts_with("not a git repository")), "{refused}");
    }

    #[cfg(unix)]
    #[test]
    fn a_git_that_hangs_is_killed() {
        let folder = Folder::new();
        folder.commit("dev@example.com", AT);
        // git waits for somebody to write its configuration.
        folder.pipe(".git/config");
        assert_eq!(git_within(Duration::from_millis(50), folder.path(), &["log"]), Err(GitError::TooSlow));
    }

    /// A repository with a script that leaves a mark when somebody runs it.
    fn trap() -> (Folder, String) {
        let folder = Folder::new();
        folder.write("trap.sh", format!("#!/bin/sh\ntouch {}\n", folder.path().join("mark").display()));
        folder.executable("trap.sh");
        folder.commit("dev@example.com", AT);
        let script = folder.path().join("trap.sh").display().to_string();
        (folder, script)
    }

    fn set(folder: &Folder, settings: &[(&str, &str)]) {
        for (name, value) in settings {
            folder.git(&["config", name, value], "dev@example.com", AT);
        }
    }

    /// Makes a signed commit the last one.
    fn sign(folder: &Folder) {
        let tree = folder.git(&["write-tree"], "dev@example.com", AT);
        folder.write("commit", format!("tree {}\nauthor A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n{SIGNATURE}\nm\n", tree.trim()));
        let id = folder.git(&["hash-object", "-t", "commit", "-w", "--literally", "commit"], "dev@example.com", AT);
        folder.write(".git/refs/heads/main", id);
    }

    fn by_monitor(folder: &Folder, script: &str) {
        set(folder, &[("core.fsmonitor", script)]);
    }

    fn by_signature(folder: &Folder, script: &str) {
        sign(folder);
        set(folder, &[("gpg.program", script), ("log.showSignature", "true")]);
    }

    fn by_fetching(folder: &Folder, script: &str) {
        // A tag of an object that is said to be at the remote.
        folder.write(".git/refs/tags/v1", "1".repeat(40));
        let url = format!("ext::{script}");
        set(
            folder,
            &[
                ("core.repositoryFormatVersion", "1"),
                ("extensions.partialClone", "origin"),
                ("remote.origin.promisor", "true"),
                ("remote.origin.url", &url),
                ("protocol.ext.allow", "always"),
            ],
        );
    }

    #[cfg(unix)]
    #[rstest::rstest]
    #[case::monitor(by_monitor, &["status"])]
    #[case::signature(by_signature, &["log"])]
    #[case::fetching(by_fetching, &["for-each-ref", "--sort=creatordate"])]
    fn the_repositorys_settings_start_nothing(#[case] set_up: fn(&Folder, &str), #[case] control: &[&str]) {
        let (folder, script) = trap();
        set_up(&folder, &script);
        let mark = folder.path().join("mark");
        let _ = git(folder.path(), control);
        let _ = crate::inspect::inspect(folder.path(), now(), &observer());
        assert!(!mark.exists());
        // The control: the trap works when git is run without our settings.
        std::process::Command::new("git").arg("-C").arg(folder.path()).args(control).output().unwrap();
        assert!(mark.exists());
    }

    #[test]
    fn endless_output_is_cut_off() {
        let folder = Folder::new();
        folder.write("large", "x".repeat(33 * 1024 * 1024));
        folder.commit("dev@example.com", AT);
        assert_eq!(git(folder.path(), &["cat-file", "blob", "HEAD:large"]), Err(GitError::TooMuch));
    }
}
