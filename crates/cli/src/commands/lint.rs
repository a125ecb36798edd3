//! `agentbus lint`: checks agent definition files. Needs no bus.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use handlers::Why;
use roster::{Definition, Diagnostic, Severity};

use crate::{
    crew,
    failure::{Exit, Failure},
    printer, show,
};

/// Options of `lint`.
#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// Files, and folders that are searched to the bottom
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The configuration of the agents. Default: agentbus.toml in this directory, if it is there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the findings as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Lint {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let mut loaded = roster::load(&self.paths);
        let mut found = loaded.diagnostics.clone();
        found.extend(crew::configure(self.config.as_deref(), &mut loaded.definitions));
        found.extend(roster::lint(&loaded));
        found.extend(loaded.definitions.iter().filter_map(idle));
        found.sort_by(|one, next| (&one.file, one.place).cmp(&(&next.file, next.place)));
        if self.json {
            printer::json(&found);
        } else if !found.is_empty() {
            printer::data(show::diagnostics(&found));
        }
        let errors = found.iter().filter(|finding| finding.is_error()).count();
        printer::say(summary(loaded.files, errors, &found));
        Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(Exit::Ended as u8) })
    }
}

/// That nothing would run for a definition, as it does not say what its handler must know.
fn idle(definition: &Definition) -> Option<Diagnostic> {
    let why = Why::of(definition)?;
    Some(Diagnostic {
        severity: Severity::Warning,
        code: "does_not_run",
        message: format!("{} does not run: {why}", definition.name),
        hint: Some("what each handler must be told: docs/handlers.md".to_owned()),
        file: definition.path.clone(),
        place: definition.place("bus"),
    })
}

fn summary(files: usize, errors: usize, found: &[Diagnostic]) -> String {
    let count = |n: usize, noun: &str| if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") };
    let warnings = found.len().saturating_sub(errors);
    let counts = [count(files, "file"), count(errors, "error"), count(warnings, "warning")].join(", ");
    if files == 0 && errors == 0 { format!("{counts}; a definition is a Markdown file that begins with front matter") } else { counts }
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn the_summary_counts() {
        assert_eq!(summary(1, 0, &[]), "1 file, 0 errors, 0 warnings");
        assert!(summary(0, 0, &[]).contains("front matter"));
        assert!(!summary(0, 1, &[]).contains("front matter"));
    }
}
