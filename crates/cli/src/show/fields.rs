//! A heading with labelled lines under it: how a record, a card and a decision are laid out.

use std::fmt::Display;

use super::style::{bold, dim};

/// Text that grows line by line.
#[derive(Debug, Default)]
pub(super) struct Fields(String);

impl Fields {
    /// A line of its own.
    pub(super) fn line(&mut self, text: impl Display) {
        self.0.push_str(&format!("{text}\n"));
    }

    /// A labelled line; what is empty is left out.
    pub(super) fn field(&mut self, label: &str, text: impl Display) {
        let text = text.to_string();
        if !text.is_empty() {
            self.line(format_args!("  {} {text}", dim(format_args!("{label:<10}"))));
        }
    }

    /// The heading of what follows, after an empty line.
    pub(super) fn heading(&mut self, text: &str) {
        self.line("");
        self.line(bold(text));
    }

    /// Lines, each indented.
    pub(super) fn indented(&mut self, text: &str) {
        for line in text.lines() {
            self.line(format_args!("  {line}").to_string().trim_end());
        }
    }

    /// The whole text.
    pub(super) fn finish(self) -> String {
        self.0
    }
}
