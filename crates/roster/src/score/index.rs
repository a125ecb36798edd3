//! The index: which agents a word of a text speaks for, and by how many points.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    document::Document,
    keywords::Openings,
    stem::{is_empty, stem},
    weighted::Keyword,
};

/// How soon more of the same word stops to count.
const SATURATION: f64 = 1.5;
/// How much a long description is held against an agent, 0 to 1.
const LENGTH: f64 = 0.75;
/// What is left of a keyword's points even if every agent has its words, as a fraction.
const COMMON: f64 = 0.3;
/// With how much of a keyword's points an agent competes by its words: one telling word of a long description
/// is enough.
const FLOOR: f64 = 0.7;
/// Points where no roster says what a keyword is worth.
const UNIT: i64 = 10;

/// Who uses a term, and how much it counts there.
type Uses<'a> = BTreeMap<&'a str, Vec<(usize, f64)>>;

/// Everything that a decision looks up.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    documents: Vec<Arc<Document>>,
    /// Whom a stem speaks for, with its points.
    words: BTreeMap<String, Vec<(usize, i64)>>,
    /// The keywords of each document: the points by which each counts in the order.
    adjusted: Vec<Vec<i64>>,
    pub(super) openings: Openings<(usize, usize)>,
    unit: i64,
}

impl Index {
    /// The index of these agents. Fallbacks do not compete, and are not among them.
    pub(crate) fn of(documents: Vec<Arc<Document>>) -> Self {
        let unit = unit(&documents);
        let mut uses = Uses::new();
        for (at, document) in documents.iter().enumerate() {
            for (term, counts) in &document.terms {
                uses.entry(term).or_default().push((at, *counts));
            }
        }
        let words = words(&documents, &uses, unit);
        let adjusted = documents.iter().map(|document| adjusted(document, &uses, documents.len())).collect();
        let mut openings = Openings::default();
        for (at, document) in documents.iter().enumerate() {
            for (number, keyword) in document.keywords().iter().enumerate() {
                if let Some(first) = keyword.words.first() {
                    openings.add(first, (at, number));
                }
            }
        }
        Self { words, adjusted, openings, unit, documents }
    }

    pub(super) fn documents(&self) -> impl Iterator<Item = (usize, &Document)> {
        self.documents.iter().map(AsRef::as_ref).enumerate()
    }

    /// A keyword, and the points by which it counts in the order.
    pub(super) fn keyword(&self, document: usize, number: usize) -> Option<(&Keyword, i64)> {
        let keyword = self.documents.get(document)?.keywords().get(number)?;
        Some((keyword, *self.adjusted.get(document)?.get(number)?))
    }

    /// The agents that a stem speaks for, with its points.
    pub(super) fn postings(&self, stem: &str) -> &[(usize, i64)] {
        self.words.get(stem).map_or(&[], Vec::as_slice)
    }

    /// With how many points by its words an agent competes.
    pub(super) fn floor(&self) -> i64 {
        (self.unit as f64 * FLOOR).round() as i64
    }
}

/// The scale: a word that only one agent uses, once, counts as much as the middle one of all keywords.
fn unit(documents: &[Arc<Document>]) -> i64 {
    let keywords = documents.iter().flat_map(|document| document.keywords());
    let mut points: Vec<_> = keywords.map(|keyword| keyword.points).filter(|points| *points > 0).collect();
    points.sort_unstable();
    points.get(points.len() / 2).copied().unwrap_or(UNIT)
}

/// The points of each stem for each agent that it describes (BM25).
fn words(documents: &[Arc<Document>], uses: &Uses<'_>, unit: i64) -> BTreeMap<String, Vec<(usize, i64)>> {
    let count = documents.len();
    let average = documents.iter().map(|document| document.length()).sum::<f64>() / count.max(1) as f64;
    let lengths: Vec<_> = documents.iter().map(|document| 1.0 - LENGTH + LENGTH * document.length() / average.max(1.0)).collect();
    let mut words = BTreeMap::new();
    for (term, uses) in uses {
        let rare = rarity(uses.len(), count);
        let points = |&(at, counts): &(usize, f64)| {
            let length = lengths.get(at).copied().unwrap_or(1.0);
            let often = counts * (SATURATION + 1.0) / (counts + SATURATION * length);
            (at, (unit as f64 * rare * often).round() as i64)
        };
        let postings: Vec<_> = uses.iter().map(points).filter(|(_, points)| *points > 0).collect();
        if !postings.is_empty() {
            words.insert((*term).to_owned(), postings);
        }
    }
    words
}

/// How rare something is that `used` of `all` agents have: 1 if one has it, nearly 0 if all do.
fn rarity(used: usize, all: usize) -> f64 {
    let inverse = |used: f64| (1.0 + (all as f64 - used + 0.5) / (used + 0.5)).ln();
    inverse(used as f64) / inverse(1.0)
}

/// The points by which each keyword of an agent counts in the order: the more agents could say it, the fewer.
fn adjusted(document: &Document, uses: &Uses<'_>, count: usize) -> Vec<i64> {
    let users = |word: &String| uses.get(stem(word)).into_iter().flatten().map(|(at, _)| *at).collect::<BTreeSet<_>>();
    let points = |keyword: &Keyword| {
        let all = keyword.words.iter().filter(|word| !is_empty(word)).map(users).reduce(|all, more| &all & &more);
        let share = COMMON + (1.0 - COMMON) * rarity(all.map_or(1, |all| all.len().max(1)), count);
        (keyword.points as f64 * share).round() as i64
    };
    document.keywords().iter().map(points).collect()
}
