//! What is wrong with definition files: with the place in the file on a terminal, else one line a
//! finding, as compilers write them.

use std::{fmt, fs, path::Path};

use miette::{Diagnostic as Report, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, SourceCode};
use roster::Diagnostic;

use super::{
    plain::{in_place, plain},
    table::width,
};

/// All findings as text.
pub(crate) fn diagnostics(found: &[Diagnostic]) -> String {
    match width() {
        Some(width) => graphical(found, width),
        None => found.iter().map(line).collect(),
    }
}

/// `file:line:column: error[code]: message`, and the hint under it.
fn line(diagnostic: &Diagnostic) -> String {
    let hint = diagnostic.hint.as_ref().map(|hint| format!("  hint: {}\n", plain(hint))).unwrap_or_default();
    format!("{}\n{hint}", plain(&diagnostic.to_string()))
}

fn graphical(found: &[Diagnostic], width: usize) -> String {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode()).with_width(width).with_context_lines(1).with_links(false);
    let mut out = String::new();
    for of_file in found.chunk_by(|one, next| one.file == next.file) {
        let source = of_file.first().and_then(|first| source(&first.file));
        for diagnostic in of_file {
            let drawn = handler.render_report(&mut out, &Finding { diagnostic, source: source.as_ref() });
            if drawn.is_err() {
                out.push_str(&line(diagnostic));
            }
            out.push('\n');
        }
    }
    out
}

/// The file's text, if it can be shown.
fn source(file: &Path) -> Option<NamedSource<String>> {
    let text = String::from_utf8(fs::read(file).ok()?).ok()?;
    Some(NamedSource::new(plain(&file.display().to_string()), in_place(&text)))
}

/// A finding as miette draws it.
#[derive(Debug)]
struct Finding<'a> {
    diagnostic: &'a Diagnostic,
    source: Option<&'a NamedSource<String>>,
}

impl std::error::Error for Finding<'_> {}

impl fmt::Display for Finding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without its text a finding still says where it is.
        if self.source.is_none() {
            let Diagnostic { file, place, .. } = self.diagnostic;
            write!(f, "{}:{}:{}: ", plain(&file.display().to_string()), place.line, place.column)?;
        }
        f.write_str(&plain(&self.diagnostic.message))
    }
}

impl Report for Finding<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let Diagnostic { severity, code, .. } = self.diagnostic;
        Some(Box::new(format!("{}[{code}]", severity.as_str())))
    }

    fn severity(&self) -> Option<Severity> {
        Some(if self.diagnostic.is_error() { Severity::Error } else { Severity::Warning })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic.hint.as_ref().map(|hint| Box::new(plain(hint)) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.diagnostic.place;
        let label = LabeledSpan::new_primary_with_span(None, (place.offset, place.len));
        self.source.map(|_| Box::new(std::iter::once(label)) as Box<dyn Iterator<Item = LabeledSpan>>)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::show::testing::uncoloured;

    fn found(text: &str) -> (tempfile::TempDir, Vec<Diagnostic>) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("qa.md"), text).unwrap();
        let loaded = roster::load(&[folder.path().to_owned()]);
        let mut found = loaded.diagnostics.clone();
        found.extend(roster::lint(&loaded));
        (folder, found)
    }

    fn without(folder: &tempfile::TempDir, shown: &str) -> String {
        uncoloured(shown).replace(folder.path().to_str().unwrap(), "agents")
    }

    #[test]
    fn elsewhere_a_finding_is_a_line() {
        let (folder, found) = found("---\nname: qa\nbus:\n  handler: magic\n---\n");
        let lines: String = found.iter().map(line).collect();
        insta::assert_snapshot!(without(&folder, &lines), @r"
        agents/qa.md:4:12: error[bad_bus]: 'handler': no handler is called 'magic': use one of context, exec, claude-code, llm, http, mailbox, synadia
        ");
    }

    #[test]
    fn on_a_terminal_it_shows_the_place() {
        let (folder, found) = found("---\nname: qa\nbus:\n  handler: magic\n---\n");
        insta::assert_snapshot!(without(&folder, &graphical(&found, 80)), @r"
        error[bad_bus]

          × 'handler': no handler is called 'magic': use one of context, exec, claude-
          │ code, llm, http, mailbox, synadia
           ╭─[agents/qa.md:4:12]
         3 │ bus:
         4 │   handler: magic
           ·            ─────
         5 │ ---
           ╰────
        ");
    }

    #[test]
    fn a_hostile_file_writes_nothing_to_the_terminal() {
        let (folder, mut found) = found("---\nname: qa\u{202e}\u{1b}[2J\ndescription: \u{9b}x\r\n---\n");
        if let Some(first) = found.first_mut() {
            first.hint = Some("\u{1b}[2J".to_owned());
        }
        assert!(!found.is_empty());
        let lines: String = found.iter().map(line).collect();
        for shown in [without(&folder, &lines), graphical(&found, 80)] {
            assert!(!shown.contains("\u{1b}[2J") && !shown.contains(['\u{202e}', '\u{9b}', '\r']), "{shown:?}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_shown_is_named() {
        let (_folder, mut found) = found("---\nbus: 1\n---\n");
        found.iter_mut().for_each(|finding| finding.file = "gone.md".into());
        assert!(uncoloured(&graphical(&found, 80)).contains("gone.md:1:1: "));
    }
}
