//! Splits a definition file into front matter and body.
//!
//! The front matter stands between a first line `---` and the next line `---`, both at the left
//! margin. A byte order mark and blank lines may precede it. A later `---` belongs to the body.

use super::{
    lines::{Line, lines},
    recover,
    yaml::{self, Entry},
};
use crate::{Place, diagnostic::Report};

/// A file in its two parts.
#[derive(Debug)]
pub(crate) struct FrontMatter<'a> {
    /// The keys of the front matter.
    pub(crate) entries: Vec<Entry>,
    /// The opening `---`.
    pub(crate) place: Place,
    /// What follows the closing `---`.
    pub(crate) body: &'a str,
    /// Line and byte offset at which the body begins.
    pub(crate) body_at: (usize, usize),
}

/// Whether a file begins as front matter does. Works on bytes, since it is asked before anything
/// else is known of a file.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut lines = bytes.split(|byte| *byte == b'\n');
    lines.find(|line| !line.trim_ascii().is_empty()).is_some_and(|line| line.trim_ascii_end() == b"---")
}

/// Splits `text`. `None`, with an error in the report, where that cannot be done.
pub(crate) fn split<'a>(text: &'a str, report: &mut Report) -> Option<FrontMatter<'a>> {
    let bom = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let plain = text.get(bom..).unwrap_or_default();
    let mut rest = lines(plain, 1, bom).skip_while(Line::is_blank);
    let Some(open) = rest.next().filter(is_fence) else {
        report.error("no_front_matter", Place::START, "the file does not begin with front matter");
        report.hint("begin with a line `---`, then `name: …` and `description: …`, then another `---`");
        return None;
    };
    let mut rest = rest.skip_while(|line| !is_fence(line));
    let Some(close) = rest.next() else {
        let message = "the front matter has no end: no second line `---` follows";
        report.error("front_matter_unclosed", open.place(open.text), message);
        report.hint("end it with a line that holds only `---`");
        return None;
    };
    let inner = (open.number + 1, after(text, &open));
    let body = (close.number + 1, after(text, &close));
    let entries = entries(text.get(inner.1..close.offset).unwrap_or_default(), inner, report)?;
    let place = open.place(open.text.trim_end());
    Some(FrontMatter { entries, place, body: text.get(body.1..).unwrap_or_default(), body_at: body })
}

/// Strict YAML first, then what can be saved of it.
fn entries(yaml: &str, (line, offset): (usize, usize), report: &mut Report) -> Option<Vec<Entry>> {
    match yaml::mapping(yaml, line, offset, report) {
        Ok(entries) => Some(entries),
        Err(error) if error.limit => {
            report.error("front_matter_too_large", error.place, error.message);
            None
        }
        Err(error) => recover::entries(yaml, (line, offset), error, report),
    }
}

fn is_fence(line: &Line<'_>) -> bool {
    line.text.trim_end() == "---"
}

/// The byte offset of the line after this one.
fn after(text: &str, line: &Line<'_>) -> usize {
    let end = line.offset + line.text.len();
    let ending = text.get(end..).unwrap_or_default();
    end + if ending.starts_with("\r\n") { 2 } else { usize::from(ending.starts_with('\n')) }
}
