//! What is wrong with a file, and where. Rendering is the caller's business.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file, or the folder, was not loaded.
    Error,
    /// It was loaded; the author should know.
    Warning,
}

impl Severity {
    /// The word that stands for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A stretch of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Where it begins, in bytes from the start of the file.
    pub offset: usize,
    /// How long it is, in bytes; 0 where only the beginning is known.
    pub len: usize,
}

impl Place {
    /// The beginning of a file, or the file as a whole.
    pub const START: Self = Self { line: 1, column: 1, offset: 0, len: 0 };
}

/// One finding about one place of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The stable code, in snake case.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What the author can do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The file, or the folder that could not be searched.
    pub file: PathBuf,
    /// Where in the file.
    #[serde(flatten)]
    pub place: Place,
}

impl Diagnostic {
    pub(crate) fn error(code: &'static str, file: &Path, place: Place, message: impl Into<String>) -> Self {
        let (file, message) = (file.to_owned(), message.into());
        Self { severity: Severity::Error, code, message, hint: None, file, place }
    }

    pub(crate) fn warning(code: &'static str, file: &Path, place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, file, place, message) }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether it kept something from being loaded.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `file:line:column: error[code]: message`
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, code, message, file, place, .. } = self;
        let (file, severity) = (file.display(), severity.as_str());
        write!(f, "{file}:{}:{}: {severity}[{code}]: {message}", place.line, place.column)
    }
}

/// The findings about one file, as they are made.
#[derive(Debug)]
pub(crate) struct Report {
    file: PathBuf,
    found: Vec<Diagnostic>,
}

impl Report {
    pub(crate) fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), found: Vec::new() }
    }

    pub(crate) fn error(&mut self, code: &'static str, place: Place, message: impl Into<String>) {
        self.found.push(Diagnostic::error(code, &self.file, place, message));
    }

    pub(crate) fn warning(&mut self, code: &'static str, place: Place, message: impl Into<String>) {
        self.found.push(Diagnostic::warning(code, &self.file, place, message));
    }

    /// Adds what the author can do about the latest finding.
    pub(crate) fn hint(&mut self, hint: impl Into<String>) {
        if let Some(last) = self.found.last_mut() {
            last.hint = Some(hint.into());
        }
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.found.iter().any(Diagnostic::is_error)
    }

    /// The findings, in the order of the file.
    pub(crate) fn finish(self) -> Vec<Diagnostic> {
        in_order(self.found)
    }
}

/// How many findings about one file are worth reading.
const MOST: usize = 100;

/// The findings about one file in its order. Of more than [`MOST`] the first are kept, errors before
/// warnings, and a last one says how many there are besides: one file must not drown the others.
pub(crate) fn in_order(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    found.sort_by_key(|finding| finding.place);
    if found.len() <= MOST {
        return found;
    }
    found.sort_by_key(|finding| finding.severity);
    let besides = found.split_off(MOST);
    found.sort_by_key(|finding| finding.place);
    if let Some(last) = found.last() {
        let message = format!("there are {} more findings in this file", besides.len());
        found.push(Diagnostic::warning("more_findings", &last.file, last.place, message));
    }
    found
}
