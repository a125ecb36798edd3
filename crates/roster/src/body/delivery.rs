//! The delivery notification: quoted text after `Delivery notification:`, on the same line or in the
//! paragraph that follows.

use super::title;
use crate::read::Line;

/// Opening and closing quotes.
const QUOTES: [(char, char); 3] = [('"', '"'), ('“', '”'), ('\'', '\'')];

pub(super) fn read(prose: &[Line<'_>]) -> Option<String> {
    let is_title = |text: &str| text == "delivery notification";
    let (index, rest) = prose.iter().enumerate().find_map(|(index, line)| Some((index, title(line, is_title)?)))?;
    let after = prose.iter().skip(index + 1).skip_while(|line| rest.is_empty() && line.is_blank());
    let paragraph = after.take_while(|line| !line.is_blank()).map(|line| line.text.trim());
    let text = std::iter::once(rest).chain(paragraph).collect::<Vec<_>>().join(" ");
    quoted(text.trim())
}

/// The text between the first quote, with which it must begin, and the last one that ends it.
fn quoted(text: &str) -> Option<String> {
    let first = text.chars().next()?;
    let (open, close) = QUOTES.into_iter().find(|(open, _)| *open == first)?;
    let (inner, _) = text.strip_prefix(open)?.rsplit_once(close)?;
    Some(inner.trim().to_owned()).filter(|inner| !inner.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::lines;

    #[rstest::rstest]
    #[case("Delivery notification:\n\"Done: \"all\" of it.\"\n\nOther \"text\".", Some("Done: \"all\" of it."))]
    #[case("**Delivery notification:** “Done.”\n", Some("Done."))]
    #[case("### Delivery notification\n\n\"Done on\ntwo lines.\"\n", Some("Done on two lines."))]
    #[case("Platform ready. Delivery notification: x", None)]
    #[case("Delivery notification:\nno quotes", None)]
    #[case("Delivery notification:\n\"no end", None)]
    #[case("Delivery notification:\n\"\"", None)]
    fn the_notification_is_quoted_text(#[case] body: &str, #[case] expected: Option<&str>) {
        let prose: Vec<_> = lines(body, 1, 0).collect();
        assert_eq!(read(&prose).as_deref(), expected);
    }
}
