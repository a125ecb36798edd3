//! Reads front matter that is not strict YAML, one top-level entry at a time.
//!
//! An entry begins with a line `key:` at the left margin, outside an `<example>`, and goes on to
//! the next one. Each entry that is YAML by itself is taken as it is, so one bad line costs
//! one entry at most. Of the others:
//! - lines that should have been indented are read as if they were (block and quoted text too);
//! - a plain value, as in `description: Use it so: like this`, is taken as literal text.
//!
//! Either comes with a warning. What is neither is an error.

use super::{
    lines::{Line, lines},
    yaml::{self, Entry, Moved, MovedLine, Node, Value, YamlError},
};
use crate::{Place, diagnostic::Report};

const HINT: &str = "put the text in quotes, or after `|` on indented lines of its own";

/// The entries of front matter that failed with `error`. `None` where there are none at all.
pub(crate) fn entries(yaml: &str, (line, offset): (usize, usize), error: YamlError, report: &mut Report) -> Option<Vec<Entry>> {
    let chunks = chunks(lines(yaml, line, offset));
    if chunks.is_empty() {
        report.error("bad_yaml", error.place, error.message);
        return None;
    }
    let mut entries = Vec::new();
    for chunk in chunks {
        entries.extend(chunk.read(report));
    }
    Some(yaml::keep_last(entries, report))
}

/// One top-level entry: its key and the lines that belong to it, the key's line first.
struct Chunk<'a> {
    key: &'a str,
    /// What follows the colon, without blanks around it.
    value: &'a str,
    first: Line<'a>,
    more: Vec<Line<'a>>,
}

fn chunks<'a>(lines: impl Iterator<Item = Line<'a>>) -> Vec<Chunk<'a>> {
    let mut chunks: Vec<Chunk<'a>> = Vec::new();
    let mut open_examples = 0_usize;
    for line in lines {
        let outside = open_examples == 0;
        open_examples = (open_examples + line.text.matches("<example>").count()).saturating_sub(line.text.matches("</example>").count());
        if let Some((key, value)) = key(&line).filter(|_| outside) {
            chunks.push(Chunk { key, value, first: line, more: Vec::new() });
        } else if !(outside && line.text.starts_with('#'))
            && let Some(last) = chunks.last_mut()
        {
            last.more.push(line);
        }
    }
    chunks
}

/// The key and value of a line that begins an entry.
fn key<'a>(line: &Line<'a>) -> Option<(&'a str, &'a str)> {
    let (key, value) = line.text.split_once(':')?;
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let plain = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && key.chars().all(word);
    let apart = value.is_empty() || value.starts_with([' ', '\t']);
    (plain && apart).then(|| (key, value.trim()))
}

impl Chunk<'_> {
    fn read(&self, report: &mut Report) -> Vec<Entry> {
        let error = match self.parse("", report) {
            Ok(entries) => return entries,
            Err(error) => error,
        };
        if self.more.iter().any(Line::is_flush)
            && let Ok(entries) = self.parse("  ", report)
        {
            let at = self.more.iter().find(|line| line.is_flush()).unwrap_or(&self.first);
            let message = format!("this line belongs to '{}', but is not indented", self.key);
            report.warning("not_strict_yaml", at.place(at.text), message);
            report.hint("indent it");
            return entries;
        }
        let Some(text) = self.literal() else {
            report.error("bad_yaml", error.place, error.message);
            return Vec::new();
        };
        let message = format!("'{}' is not strict YAML ({}); taken as literal text", self.key, error.message);
        report.warning("not_strict_yaml", error.place, message);
        report.hint(HINT);
        let value = Node { value: Value::Text(text), place: self.first.place(self.value) };
        vec![Entry { key: self.key.to_owned(), key_place: self.key_place(), value }]
    }

    /// Parses the entry by itself, with `indent` before the lines that follow its first.
    fn parse(&self, indent: &str, report: &mut Report) -> Result<Vec<Entry>, YamlError> {
        let (mut text, mut moved) = (String::new(), Moved::default());
        for (line, indent) in std::iter::once((&self.first, "")).chain(self.more.iter().map(|line| (line, indent))) {
            moved.0.push(MovedLine { begin: text.len(), indent: indent.len(), number: line.number, offset: line.offset });
            text.extend([indent, line.text, "\n"]);
        }
        yaml::moved(&text, &moved, report)
    }

    /// The value as literal text; `None` where it begins a structure or a quotation without end.
    fn literal(&self) -> Option<String> {
        if self.value.is_empty() || self.value.starts_with(['[', '{', '&', '!', '|', '>']) {
            return None;
        }
        let more = self.more.iter().map(|line| line.text.trim());
        let text = std::iter::once(self.value).chain(more).collect::<Vec<_>>().join("\n");
        let text = text.trim_end();
        match text.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            None => Some(text.to_owned()),
            Some(quote) => Some(text.strip_prefix(quote)?.strip_suffix(quote)?.to_owned()),
        }
    }

    fn key_place(&self) -> Place {
        self.first.place(self.key)
    }
}
