//! Keywords and where they stand in a text.
//!
//! The rule: a keyword's words match words of the text in a row. A word matches if it is equal, or if
//! the keyword's has at least four characters and the text's begins with it: so Czech and
//! plural endings are no obstacle, and "api" is not in "capital".

use std::collections::BTreeMap;

use crate::normal::Word;

/// From how many characters on a word of a keyword may be the beginning of a word.
const PREFIX: usize = 4;

/// Where keywords begin: by their first word.
#[derive(Clone, Debug, Default)]
pub(super) struct Openings<T>(BTreeMap<String, Vec<T>>);

impl<T: Copy> Openings<T> {
    /// Adds a keyword by its first word.
    pub(super) fn add(&mut self, first: &str, keyword: T) {
        self.0.entry(first.to_owned()).or_default().push(keyword);
    }

    /// The keywords whose first word matches this word of a text.
    pub(super) fn at<'a>(&'a self, word: &'a str) -> impl Iterator<Item = T> + 'a {
        let ends = word.char_indices().map(|(at, _)| at).skip(PREFIX);
        let prefixes = ends.filter_map(|end| word.get(..end)).chain([word]);
        prefixes.filter_map(|prefix| self.0.get(prefix)).flatten().copied()
    }
}

/// Whether a keyword's words match the words of a text in a row, beginning with the first of these.
pub(super) fn matches(keyword: &[String], text: &[Word]) -> bool {
    keyword.len() <= text.len() && keyword.iter().zip(text).all(|(wanted, word)| fits(wanted, &word.text))
}

/// Where a keyword's words stand first.
pub(super) fn find(keyword: &[String], text: &[Word]) -> Option<usize> {
    (0..text.len()).find(|at| text.get(*at..).is_some_and(|rest| !keyword.is_empty() && matches(keyword, rest)))
}

fn fits(wanted: &str, word: &str) -> bool {
    word == wanted || (word.starts_with(wanted) && wanted.chars().nth(PREFIX - 1).is_some())
}
