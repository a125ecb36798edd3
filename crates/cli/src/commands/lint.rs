//! `agentbus lint`: checks agent definition files. Needs no bus.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use roster::Diagnostic;

use crate::{
    failure::{Exit, Failure},
    printer, show,
};

/// Options of `lint`.
#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// Files, and folders that are searched to the bottom
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Print the findings as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Lint {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let loaded = roster::load(&self.paths);
        let mut found = loaded.diagnostics.clone();
        found.extend(roster::lint(&loaded));
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
