//! One case: a command line, run in a folder, and the snapshot of what came of it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use testkit::{Output, Process};

use crate::filters;

/// A folder to run commands in, for one group of cases.
pub(crate) struct Folder {
    group: &'static str,
    root: TempDir,
}

impl Folder {
    /// An empty folder. The snapshots of its cases are kept under the name of the group.
    pub(crate) fn new(group: &'static str) -> Self {
        Self { group, root: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(&path, text).expect("a file");
        path
    }

    /// Makes a folder in which nothing can be written, even by root: it is a file.
    pub(crate) fn wall(&self, name: &str) {
        fs::set_permissions(self.write(name, ""), fs::Permissions::from_mode(0o444)).expect("permissions");
    }

    /// The command, with an environment that no setting of the machine reaches. Nothing listens on
    /// port 1: what finds no bus here finds none at all.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.wrapped(Command::new(env!("CARGO_BIN_EXE_agentbus")), args)
    }

    fn wrapped(&self, mut command: Command, args: &[&str]) -> Command {
        for name in ["AGENTBUS_NAME", "NATS_URL", "NATS_CONTEXT", "RUST_LOG", "NO_COLOR", "CLICOLOR_FORCE", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
        command.current_dir(self.path()).env("COLUMNS", "100").env("AGENTBUS_NATS", "nats://127.0.0.1:1");
        command.env("XDG_CONFIG_HOME", self.path().join("config"));
        command.args(args);
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        Process::run(&mut self.command(args))
    }

    /// Runs it, and keeps what came of it under the case's name.
    pub(crate) fn case(&self, name: &str, args: &[&str]) -> Output {
        let output = self.run(args);
        self.keep(name, args, "", &output);
        output
    }

    /// The same with a redirection of the shell, as in `< file`.
    pub(crate) fn case_with(&self, name: &str, args: &[&str], redirection: &str) -> Output {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("exec \"$0\" \"$@\" {redirection}")).arg(env!("CARGO_BIN_EXE_agentbus"));
        let output = Process::run(&mut self.wrapped(shell, args));
        self.keep(name, args, redirection, &output);
        output
    }

    /// Compares with the snapshot of this name.
    pub(crate) fn keep(&self, name: &str, args: &[&str], redirection: &str, output: &Output) {
        let quote = |arg: &&str| if arg.is_empty() || arg.contains([' ', '"', '{', '*']) { format!("'{arg}'") } else { (*arg).to_owned() };
        let typed = args.iter().map(quote).chain((!redirection.is_empty()).then(|| redirection.to_owned())).collect::<Vec<_>>().join(" ");
        let code = output.code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        let mut text = format!("$ agentbus {typed}\nexit code: {code}\n");
        for (stream, said) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            if !said.is_empty() {
                text.push_str(&format!("----- {stream}\n{said}"));
            }
        }
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_snapshot_path(Path::new("snapshots").join(self.group));
        filters::set(&mut settings);
        settings.bind(|| insta::assert_snapshot!(name, filters::without(self.path(), &text)));
    }
}
