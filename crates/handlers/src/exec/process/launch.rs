//! What is started: a command with its environment and its folder.
//!
//! Owns the environment that a command sees. It must never pass on the whole environment of this
//! process: that may hold keys and tokens which are nobody else's business. Next: `group`.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Stdio,
};

use roster::Command;
use rustix::process::Signal;

use super::strays;

/// What a command sees of our environment: where programs are, who and where the user is, and how
/// text and time are written.
const KEPT: [&str; 11] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TERM"];

/// Sets the limit of the address space (in KiB), and becomes the program that follows. In a shell,
/// since the limit must hold from the first instruction on, and setting it between fork and exec
/// takes unsafe code.
const LIMITED: &str = r#"ulimit -v "$1" && shift && exec "$@""#;

/// A command, ready to be started.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// The command.
    pub(crate) command: Command,
    /// Variables of its definition.
    pub(crate) env: BTreeMap<String, String>,
    /// Which variables of our environment it sees, beside the few that every command sees.
    pub(crate) pass: Vec<String>,
    /// Variables of ours, which win over those of the definition.
    pub(crate) own: Vec<(&'static str, String)>,
    /// Where it runs. A program or argument that is a relative path is meant from here.
    pub(crate) workdir: PathBuf,
    /// The address space of each of its processes, in bytes.
    pub(crate) memory: Option<u64>,
    /// The mark of what it starts, if it starts things outside its group ([`strays`]). Such a command is told to
    /// end by SIGINT, on which it may end those itself.
    pub(crate) mark: Option<String>,
}

/// How a command is told to end.
#[derive(Clone, Debug)]
pub(super) struct Farewell {
    /// The signal; SIGKILL comes some time after it.
    pub(crate) signal: Signal,
    /// The mark of what it starts outside its group.
    pub(crate) mark: Option<String>,
}

/// Why a command was not started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StartError {
    /// There is no such program.
    #[error("there is no program '{0}'")]
    NotFound(String),
    /// The file is there, but cannot be run.
    #[error("'{0}' cannot be run: {1}")]
    NotExecutable(String, String),
    /// The folder to run in is not there.
    #[error("there is no folder {0} to run in")]
    NoFolder(String),
    /// The command is empty, or holds what no command can.
    #[error("the command cannot be used: {0}")]
    Unusable(String),
    /// The machine has no room for another process, or the like.
    #[error("'{0}' was not started: {1}")]
    NotStarted(String, String),
}

impl StartError {
    /// The stable code.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "command_not_found",
            Self::NotExecutable(..) => "command_not_executable",
            Self::NoFolder(_) => "no_such_folder",
            Self::Unusable(_) => "bad_command",
            Self::NotStarted(..) => "command_not_started",
        }
    }

    /// Whether it may go better next time.
    pub(crate) const fn may_pass(&self) -> bool {
        matches!(self, Self::NotStarted(..))
    }
}

impl Launch {
    /// Whether a shell starts the program, and reports by 126 and 127 that it cannot.
    pub(crate) const fn by_shell(&self) -> bool {
        matches!(self.command, Command::Line(_)) || self.memory.is_some()
    }

    pub(super) fn farewell(&self) -> Farewell {
        Farewell { signal: if self.mark.is_some() { Signal::INT } else { Signal::TERM }, mark: self.mark.clone() }
    }

    /// The command as the operating system takes it, with pipes on all three sides.
    pub(super) fn prepare(&self) -> Result<tokio::process::Command, StartError> {
        let words = self.words()?;
        let mut command = match self.memory {
            Some(bytes) => {
                let mut limited = tokio::process::Command::new("sh");
                // It could say only in its own words that there is none.
                self.is_there()?;
                limited.args(["-c", LIMITED, "sh"]).arg((bytes / 1024).max(1).to_string()).args(words);
                limited
            }
            None => {
                let mut plain = tokio::process::Command::new(words.first().map(OsString::as_os_str).unwrap_or_default());
                plain.args(words.iter().skip(1));
                plain
            }
        };
        command.current_dir(&self.workdir).env_clear();
        let passed = KEPT.into_iter().chain(self.pass.iter().map(String::as_str));
        command.envs(passed.filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(&self.env).envs(self.own.iter().map(|(name, value)| (name, value)));
        command.envs(self.mark.iter().map(|mark| (strays::VARIABLE, mark)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that all of it can be ended; the leader at least ends with its handle.
        command.process_group(0).kill_on_drop(true);
        Ok(command)
    }

    /// What an error of the operating system means.
    pub(super) fn failed(&self, error: &std::io::Error) -> StartError {
        let program = match &self.command {
            Command::Words(words) => words.first().cloned().unwrap_or_default(),
            Command::Line(_) => "sh".to_owned(),
        };
        match error.kind() {
            _ if !self.workdir.is_dir() => StartError::NoFolder(self.workdir.display().to_string()),
            ErrorKind::NotFound if self.resolved(&program).exists() => {
                StartError::NotExecutable(program, "the interpreter that its first line names is not there".to_owned())
            }
            ErrorKind::NotFound => StartError::NotFound(program),
            // ENOEXEC has no kind of its own.
            _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
                StartError::NotExecutable(program, "it is neither a binary nor a script with a '#!' line".to_owned())
            }
            ErrorKind::PermissionDenied | ErrorKind::IsADirectory | ErrorKind::NotADirectory => {
                StartError::NotExecutable(program, error.to_string())
            }
            ErrorKind::InvalidInput | ErrorKind::ArgumentListTooLong => StartError::Unusable(error.to_string()),
            _ => StartError::NotStarted(program, error.to_string()),
        }
    }

    /// The program and its arguments.
    fn words(&self) -> Result<Vec<OsString>, StartError> {
        match &self.command {
            Command::Line(line) if line.trim().is_empty() => Err(StartError::Unusable("it is empty".to_owned())),
            Command::Line(line) => Ok(["sh", "-c", line].map(OsString::from).to_vec()),
            Command::Words(words) => match words.split_first() {
                Some((program, args)) if !program.is_empty() => {
                    let program = self.resolved(program).into_os_string();
                    Ok(std::iter::once(program).chain(args.iter().map(OsString::from)).collect())
                }
                _ => Err(StartError::Unusable("it names no program".to_owned())),
            },
        }
    }

    /// Whether there is such a program at all.
    fn is_there(&self) -> Result<(), StartError> {
        let Command::Words(words) = &self.command else { return Ok(()) };
        let program = words.first().map(String::as_str).unwrap_or_default();
        let is_there = match program.contains('/') {
            true => self.resolved(program).exists(),
            false => search_path(&self.env, &self.workdir).iter().any(|folder| folder.join(program).exists()),
        };
        if is_there { Ok(()) } else { Err(StartError::NotFound(program.to_owned())) }
    }

    /// A program with a slash in it is a path from the folder; others are looked up in `PATH`.
    fn resolved(&self, program: &str) -> PathBuf {
        if program.contains('/') { self.workdir.join(program) } else { PathBuf::from(program) }
    }
}

/// The folders in which a program is looked up, as a command with these variables sees them.
pub(crate) fn search_path(env: &BTreeMap<String, String>, workdir: &Path) -> Vec<PathBuf> {
    let path = env.get("PATH").map(|path| OsStr::new(path).to_owned()).or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    std::env::split_paths(&path).map(|folder| workdir.join(folder)).collect()
}
