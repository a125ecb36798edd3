//! `agentbus completions`: what a shell needs to complete our commands. Needs no bus.

use std::process::ExitCode;

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

use crate::{args::Cli, failure::Failure, printer};

/// Options of `completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut visible(), "agentbus", &mut script);
        printer::data(String::from_utf8_lossy(&script));
        Ok(ExitCode::SUCCESS)
    }
}

/// Our commands without the hidden ones, which nobody is to type.
fn visible() -> Command {
    let all = Cli::command();
    let shown = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    Command::new("agentbus").version(env!("CARGO_PKG_VERSION")).args(all.get_arguments().cloned()).subcommands(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_completed_and_no_hidden_one() {
        let mut script = Vec::new();
        clap_complete::generate(Shell::Bash, &mut visible(), "agentbus", &mut script);
        let script = String::from_utf8_lossy(&script);
        assert!(["doctor", "watch", "--from-seq", "--tls-ca"].iter().all(|word| script.contains(word)));
        assert!(!script.contains("guard") && !script.contains("warden") && !script.contains("checker"));
    }
}
