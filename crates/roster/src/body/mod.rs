//! What the body of a definition says about the protocol: the context query, progress examples, the
//! delivery notification, and the agents that it works with.
//!
//! All of it is example and description. Nothing read here may ever be sent as an answer, a
//! progress report or a notice: the numbers in it are invented.

mod blocks;
mod delivery;
mod examples;
mod headings;
mod integration;

use std::collections::BTreeSet;

use protocol::Name;

pub use examples::{ContextQuery, ProgressExample};
pub use integration::Integration;

use crate::{
    diagnostic::Report,
    read::{Line, lines},
};

/// What was found in a body.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub(crate) context_queries: Vec<ContextQuery>,
    pub(crate) progress: Vec<ProgressExample>,
    pub(crate) delivery: Option<String>,
    pub(crate) integration: Vec<Integration>,
    pub(crate) headings: Vec<String>,
    pub(crate) items: Vec<String>,
}

/// Reads a body that begins at this line and byte offset of its file.
pub(crate) fn read(text: &str, (line, offset): (usize, usize), report: &mut Report) -> Body {
    let scan = blocks::scan(lines(text, line, offset));
    let (context_queries, progress) = examples::read(&scan.blocks, report);
    let integration = integration::read(&scan.prose, &BTreeSet::new());
    let (headings, items) = (headings::read(&scan.prose), headings::items(&scan.prose));
    Body { context_queries, progress, delivery: delivery::read(&scan.prose), integration, headings, items }
}

/// The integration list again, now that the other agents' names are known.
pub(crate) fn integration(text: &str, (line, offset): (usize, usize), known: &BTreeSet<Name>) -> Vec<Integration> {
    integration::read(&blocks::scan(lines(text, line, offset)).prose, known)
}

/// A line's text if it is a bullet: without the bullet.
fn bullet<'a>(line: &Line<'a>) -> Option<&'a str> {
    let text = line.text.trim_start();
    let number = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let after = match text.strip_prefix(['-', '*', '+', '•']) {
        Some(after) => after,
        None if number.len() < text.len() => number.strip_prefix(['.', ')'])?,
        None => return None,
    };
    after.starts_with([' ', '\t']).then(|| after.trim())
}

/// If the line is the title `wanted` (in lower case), as a heading, in bold or plain: what follows the
/// colon on the same line.
fn title<'a>(line: &Line<'a>, wanted: impl Fn(&str) -> bool) -> Option<&'a str> {
    let (head, rest) = line.text.split_once(':').unwrap_or((line.text, ""));
    let marks = |c: char| c.is_whitespace() || matches!(c, '#' | '*' | '_');
    wanted(&head.trim_matches(marks).to_lowercase()).then(|| rest.trim_start_matches(['*', '_']).trim())
}
