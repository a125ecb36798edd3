//! A text as lines that know where they stand.

use crate::Place;

/// One line, without its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) text: &'a str,
    /// From 1.
    pub(crate) number: usize,
    /// Bytes from the start of the file.
    pub(crate) offset: usize,
}

impl<'a> Line<'a> {
    /// The place of a part of this line.
    pub(crate) fn place(&self, part: &str) -> Place {
        // A part is a slice of the line, so its distance from the line's start is its position.
        let skip = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let before = self.text.get(..skip).unwrap_or_default();
        Place { line: self.number, column: before.chars().count() + 1, offset: self.offset + before.len(), len: part.len() }
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Whether it begins at the left margin.
    pub(crate) fn is_flush(&self) -> bool {
        self.text.starts_with(|c: char| !c.is_whitespace())
    }
}

/// The lines of a text that stands at `line` and `offset` of its file.
pub(crate) fn lines(text: &str, line: usize, offset: usize) -> impl Iterator<Item = Line<'_>> {
    let mut offset = offset;
    text.split_inclusive('\n').enumerate().map(move |(index, whole)| {
        let at = offset;
        offset += whole.len();
        let text = whole.strip_suffix('\n').unwrap_or(whole);
        let text = text.strip_suffix('\r').unwrap_or(text);
        Line { text, number: line + index, offset: at }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_knows_its_place() {
        let text = "é: one\r\n\r\nlast";
        let all: Vec<_> = lines(text, 5, 100).collect();
        let seen: Vec<_> = all.iter().map(|l| (l.text, l.number, l.offset)).collect();
        assert_eq!(seen, [("é: one", 5, 100), ("", 6, 109), ("last", 7, 111)]);
        let one = all.first().unwrap().text.split_once(": ").unwrap().1;
        let place = all.first().unwrap().place(one);
        assert_eq!(place, Place { line: 5, column: 4, offset: 104, len: 3 });
    }
}
