//! The headings of a body's sections, and what stands in its lists: what the agent is about, in its
//! author's own words. Not what it means: that is for scoring.

use super::bullet;
use crate::read::Line;

/// The longest heading, in characters. What is longer is a sentence.
const LONGEST: usize = 80;

/// The longest item, in characters.
const LONGEST_ITEM: usize = 60;

/// Headings with `#`, and lines with a colon that a list follows, without their marks.
pub(super) fn read(prose: &[Line<'_>]) -> Vec<String> {
    let mut headings = Vec::new();
    for (at, line) in prose.iter().enumerate().filter(|(_, line)| line.is_flush()) {
        let next = prose.iter().skip(at + 1).find(|line| !line.is_blank());
        let marked = line.text.strip_prefix('#').map(|text| text.trim_start_matches('#'));
        let title = marked.or_else(|| titles_a_list(line, next).then_some(line.text));
        let Some(title) = title else { continue };
        let title = title.trim_matches(|c: char| c.is_whitespace() || matches!(c, '#' | '*' | '_' | ':'));
        if !title.is_empty() && title.chars().count() <= LONGEST {
            headings.push(title.to_owned());
        }
    }
    headings
}

/// The items of lists that are no sentences.
pub(super) fn items(prose: &[Line<'_>]) -> Vec<String> {
    prose.iter().filter_map(bullet).filter(|item| item.chars().count() <= LONGEST_ITEM).map(str::to_owned).collect()
}

fn titles_a_list(line: &Line<'_>, next: Option<&Line<'_>>) -> bool {
    let ends = line.text.trim_end().trim_end_matches('*').ends_with(':');
    ends && bullet(line).is_none() && next.is_some_and(|next| bullet(next).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::lines;

    #[test]
    fn a_heading_has_marks_or_a_list() {
        let text = "# Role\n\nYou are it:\nso there.\n\nNet care:\n- knots:\n- **Sails:**\n\n**Sail care:**\n\n1. hoist\n### Ropes ##\n#\n";
        let prose: Vec<_> = lines(text, 1, 0).collect();
        assert_eq!(read(&prose), ["Role", "Net care", "Sail care", "Ropes"]);
        assert_eq!(items(&prose), ["knots:", "**Sails:**", "hoist"]);
    }
}
