//! `agentbus init`: writes a commented `agentbus.toml`, in which everything is still switched off.

use std::{
    fs::File,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use crate::{failure::Failure, printer};

/// The file's name.
const NAME: &str = "agentbus.toml";

/// What it says. A setting begins with `#` and no space; all other lines are prose.
const TEMPLATE: &str = include_str!("template.toml");

/// Options of `init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where to write it
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Replace the file that is there
    #[arg(long)]
    force: bool,
}

impl Init {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        // As it would be typed: not ./agentbus.toml.
        let file = if self.folder == Path::new(".") { PathBuf::from(NAME) } else { self.folder.join(NAME) };
        write(&file, self.force).map_err(|error| self.refused(&file, &error))?;
        printer::data(file.display().to_string());
        printer::say("everything in it is commented out; take the '#' off what you want to change, then: agentbus up");
        Ok(ExitCode::SUCCESS)
    }

    fn refused(&self, file: &Path, error: &io::Error) -> Failure {
        let file = file.display();
        match error.kind() {
            ErrorKind::AlreadyExists => {
                Failure::usage("file_exists", format!("{file} is there already")).hint("Edit it, or replace it with --force.")
            }
            ErrorKind::NotFound => Failure::usage("no_such_folder", format!("there is no folder {}", self.folder.display()))
                .hint("Make it first, or name another folder."),
            _ => Failure::usage("not_written", format!("{file} cannot be written: {error}")).hint("Name a folder that can be written."),
        }
    }
}

fn write(file: &Path, force: bool) -> io::Result<()> {
    let mut out = if force { File::create(file) } else { File::create_new(file) }?;
    out.write_all(TEMPLATE.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use roster::{Bus, Config, DEFAULT_CAPACITY, DEFAULT_LEASE, Handler};

    /// The template with every setting switched on.
    fn switched_on() -> String {
        let on = |line: &'static str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ') && !rest.is_empty()).unwrap_or(line);
        TEMPLATE.lines().map(on).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn as_it_is_it_changes_nothing() {
        assert!(TEMPLATE.lines().all(|line| line.is_empty() || line.starts_with('#')));
        let (config, found) = Config::parse(Path::new(NAME), TEMPLATE);
        assert_eq!((config.apply(&mut []), found), (Vec::new(), Vec::new()));
    }

    #[test]
    fn switched_on_it_is_right_and_says_the_true_defaults() {
        let (config, found) = Config::parse(Path::new(NAME), &switched_on());
        assert_eq!(found, Vec::new());
        let mut agents = [roster::parse(Path::new("qa.md"), "---\nname: qa\n---\n").0.unwrap()];
        // The three examples are agents that nobody has, and so is the one that the alias stands for.
        assert_eq!(config.apply(&mut agents).len(), 4);
        let bus = &agents.first().unwrap().bus;
        assert_eq!((bus.handler, bus.capacity(), bus.lease()), (Some(Handler::default()), DEFAULT_CAPACITY, DEFAULT_LEASE));
        assert!(bus.capacity.is_some() && bus.lease.is_some());
    }

    #[test]
    fn it_shows_every_key_that_there_is() {
        let told = serde_json::from_str::<Bus>("{\"none\": 1}").unwrap_err().to_string();
        let keys: Vec<_> = told.split('`').skip(3).step_by(2).collect();
        assert!(keys.len() > 10, "{told}");
        for key in keys {
            assert!(TEMPLATE.lines().any(|line| line.starts_with(&format!("#{key} = "))), "{key} is not shown");
        }
    }
}
