//! Divides a body into fenced blocks and prose, by the rules of CommonMark for fences.

use crate::read::Line;

/// A body in its two parts.
#[derive(Debug, Default)]
pub(super) struct Scan<'a> {
    pub(super) blocks: Vec<Block<'a>>,
    /// The lines outside of blocks.
    pub(super) prose: Vec<Line<'a>>,
}

/// A fenced block.
#[derive(Debug)]
pub(super) struct Block<'a> {
    /// The opening line.
    pub(super) open: Line<'a>,
    /// The first word after the fence, as in `json`.
    pub(super) language: &'a str,
    pub(super) lines: Vec<Line<'a>>,
}

impl Block<'_> {
    pub(super) fn text(&self) -> String {
        self.lines.iter().flat_map(|line| [line.text, "\n"]).collect()
    }
}

/// Divides the lines. A fence without end takes the rest.
pub(super) fn scan<'a>(mut lines: impl Iterator<Item = Line<'a>>) -> Scan<'a> {
    let mut scan = Scan::default();
    while let Some(line) = lines.next() {
        let Some((fence, info)) = opening(line.text) else {
            scan.prose.push(line);
            continue;
        };
        let language = info.split_whitespace().next().unwrap_or_default();
        let inner = lines.by_ref().take_while(|line| !closes(line.text, fence)).collect();
        scan.blocks.push(Block { open: line, language, lines: inner });
    }
    scan
}

/// The fence with which a line opens a block, and what stands after it.
fn opening(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let mark = text.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let info = text.trim_start_matches(mark);
    let fence = text.strip_suffix(info)?;
    let inline_code = mark == '`' && info.contains('`');
    (fence.len() >= 3 && !inline_code).then_some((fence, info))
}

/// A block ends with a fence of the same mark, at least as long, and nothing after it.
fn closes(text: &str, fence: &str) -> bool {
    let text = text.trim();
    text.starts_with(fence) && fence.chars().next().is_some_and(|mark| text.chars().all(|c| c == mark))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::read::lines;

    #[test]
    fn a_longer_fence_holds_a_shorter_one() {
        let text = "a\n````markdown\n```json\n{}\n```\n````\nb\n  ~~~ JSON x\n  1\n  ~~~\n``not a fence``\n```json\nopen";
        let scan = scan(lines(text, 1, 0));
        let blocks: Vec<_> = scan.blocks.iter().map(|b| (b.open.number, b.language, b.text())).collect();
        assert_eq!(
            blocks,
            [(2, "markdown", "```json\n{}\n```\n".to_owned()), (8, "JSON", "  1\n".to_owned()), (12, "json", "open\n".to_owned()),]
        );
        let prose: Vec<_> = scan.prose.iter().map(|l| l.text).collect();
        assert_eq!(prose, ["a", "b", "``not a fence``"]);
    }
}
