//! What a text hits: one look at the index for each of its words.

use std::collections::{BTreeMap, BTreeSet};

use protocol::score::PartKind;

use super::{
    index::Index,
    keywords::matches,
    stem::{is_empty, stem},
    weighted::Keyword,
};
use crate::normal::Word;

/// Something that earned points.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit<'a> {
    pub(super) what: What<'a>,
    /// The points by the profile's own rules.
    pub(super) points: i64,
    /// The points by which it counts in the order.
    pub(super) adjusted: i64,
    /// The words of the text, from and to.
    pub(super) at: Option<(usize, usize)>,
}

/// What earned points.
#[derive(Clone, Copy, Debug)]
pub(super) enum What<'a> {
    Keyword(&'a Keyword),
    /// A word of the description, at this place of the text.
    Word,
    /// What the query says besides its text.
    Said(PartKind, &'a str),
}

impl<'a> Hit<'a> {
    pub(super) fn said(part: PartKind, name: &'a str, points: i64) -> Self {
        let adjusted = if part == PartKind::Default { 0 } else { points };
        Self { what: What::Said(part, name), points, adjusted, at: None }
    }

    pub(super) fn is_default(&self) -> bool {
        matches!(self.what, What::Said(PartKind::Default, _))
    }

    pub(super) fn is_keyword(&self) -> bool {
        matches!(self.what, What::Keyword(_))
    }

    pub(super) fn is_word(&self) -> bool {
        matches!(self.what, What::Word)
    }
}

/// The hits of a text, by document.
pub(super) struct Found<'a>(BTreeMap<usize, Vec<Hit<'a>>>);

impl<'a> Found<'a> {
    /// Everything that a text hits.
    pub(super) fn in_text(index: &'a Index, text: &[Word]) -> Self {
        let mut found = Self(BTreeMap::new());
        found.keywords(index, text);
        found.0.values_mut().for_each(|hits| discount(hits));
        found.words(index, text);
        found
    }

    /// The hits of one document.
    pub(super) fn take(&mut self, document: usize) -> Vec<Hit<'a>> {
        self.0.remove(&document).unwrap_or_default()
    }

    /// Each keyword counts once, where it stands first.
    fn keywords(&mut self, index: &'a Index, text: &[Word]) {
        let mut seen = BTreeSet::new();
        for (at, word) in text.iter().enumerate() {
            let rest = text.get(at..).unwrap_or_default();
            for (document, number) in index.openings.at(&word.text) {
                let Some((keyword, adjusted)) = index.keyword(document, number) else { continue };
                if matches(&keyword.words, rest) && seen.insert((document, number)) {
                    let span = Some((at, at + keyword.words.len()));
                    let hit = Hit { what: What::Keyword(keyword), points: keyword.points, adjusted, at: span };
                    self.0.entry(document).or_default().push(hit);
                }
            }
        }
    }

    /// Each word that says something counts once, for everybody whom it describes.
    fn words(&mut self, index: &Index, text: &[Word]) {
        let mut seen = BTreeSet::new();
        for (at, word) in text.iter().enumerate() {
            let stem = stem(&word.text);
            if is_empty(&word.text) || !seen.insert(stem) {
                continue;
            }
            for &(document, adjusted) in index.postings(stem) {
                let hit = Hit { what: What::Word, points: 0, adjusted, at: Some((at, at + 1)) };
                self.0.entry(document).or_default().push(hit);
            }
        }
    }
}

/// A keyword within a longer one says nothing that the longer one does not: it does not count in the order.
fn discount(hits: &mut [Hit<'_>]) {
    let spans: Vec<_> = hits.iter().filter_map(|hit| hit.at).collect();
    for hit in hits {
        let within = |at: (usize, usize)| spans.iter().any(|span| span.0 <= at.0 && at.1 <= span.1 && *span != at);
        if hit.at.is_some_and(within) {
            hit.adjusted = 0;
        }
    }
}
