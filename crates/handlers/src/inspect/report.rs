//! What an inspection has found so far: facts, and what was skipped.
//!
//! Owns the provenance that every fact of an inspector carries, and the limits on lists. It must
//! never shorten a list in silence: the source says how many there are.

use jiff::Timestamp;
use protocol::{Extra, Fact, FactKind, Name};
use serde_json::Value;

use super::Inspection;

/// The most items in a fact's value.
const MAX_ITEMS: usize = 50;

/// The most paths that a source names.
const MAX_NAMED: usize = 5;

/// The most skipped things that are named.
const MAX_SKIPPED: usize = 100;

/// Collects the facts of one run.
pub(super) struct Report {
    now: Timestamp,
    observer: Name,
    facts: Vec<Fact>,
    skipped: Vec<String>,
    unnamed: usize,
    caveat: Option<String>,
}

impl Report {
    /// An empty report: facts will be observed by `observer`, at `now`.
    pub(super) const fn new(now: Timestamp, observer: Name) -> Self {
        Self { now, observer, facts: Vec::new(), skipped: Vec::new(), unnamed: 0, caveat: None }
    }

    /// When the facts are observed.
    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    /// A value of the key, as `source` has it. Nothing found is no fact.
    pub(super) fn value(&mut self, key: &str, value: impl Into<Value>, source: String, topics: &[&str]) {
        self.add(FactKind::Value, key, value.into(), source, topics);
    }

    /// Evidence that bears on the topics without answering any. Nothing found is no fact.
    pub(super) fn evidence(&mut self, key: &str, value: impl Into<Value>, source: String, topics: &[&str]) {
        self.add(FactKind::Evidence, key, value.into(), source, topics);
    }

    /// Something was not inspected. `why` may come from a parser: its first line is kept.
    pub(super) fn skip(&mut self, what: &str, why: impl std::fmt::Display) {
        if self.skipped.len() == MAX_SKIPPED {
            self.unnamed += 1;
            return;
        }
        let why = why.to_string();
        let why: String = why.lines().next().unwrap_or_default().chars().take(200).collect();
        self.skipped.push(printable(&format!("{what}: {why}")));
    }

    /// From now on all facts are incomplete, for this reason, and their sources say so.
    pub(super) fn caveat(&mut self, why: &str) {
        self.caveat = Some(why.to_owned());
    }

    /// The facts in the order of their keys, and what was skipped.
    pub(super) fn finish(mut self) -> Inspection {
        self.facts.sort_by(|a, b| a.key.cmp(&b.key));
        if self.unnamed > 0 {
            self.skipped.push(format!("and {} more", self.unnamed));
        }
        Inspection { facts: self.facts, skipped: self.skipped }
    }

    fn add(&mut self, kind: FactKind, key: &str, mut value: Value, mut source: String, topics: &[&str]) {
        if is_nothing(&value) {
            return;
        }
        if let Some(all) = shorten(&mut value) {
            source.push_str(&format!("; the first {MAX_ITEMS} of {all} are listed"));
        }
        if let Some(caveat) = &self.caveat {
            source.push_str(&format!("; incomplete: {caveat}"));
        }
        match key.parse() {
            Ok(key) => self.facts.push(Fact {
                key,
                value,
                kind,
                source,
                observed_by: self.observer.clone(),
                observed_at: self.now,
                topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
                extra: Extra::new(),
            }),
            Err(error) => self.skip(key, error),
        }
    }
}

/// The source of what files declare: at most five are named.
pub(super) fn declared_in<'a>(paths: impl IntoIterator<Item = &'a str>) -> String {
    format!("declared in the repository: {}", named(paths))
}

/// At most five of the paths, each once, and how many more there are.
pub(super) fn named<'a>(paths: impl IntoIterator<Item = &'a str>) -> String {
    let mut paths: Vec<_> = paths.into_iter().collect();
    paths.sort_unstable();
    paths.dedup();
    let more = paths.len().saturating_sub(MAX_NAMED);
    paths.truncate(MAX_NAMED);
    let list = paths.join(", ");
    if more == 0 { list } else { format!("{list} and {more} more") }
}

/// A text that cannot steer a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) => false,
        Value::Number(number) => number.as_u64() == Some(0),
    }
}

/// Cuts a list to what a fact may hold, and gives the number of items that it had.
fn shorten(value: &mut Value) -> Option<usize> {
    let items = value.as_array_mut()?;
    let all = items.len();
    items.truncate(MAX_ITEMS);
    (all > MAX_ITEMS).then_some(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use crate::inspect::fixture::{now, observer};
    use serde_json::json;

    #[rstest::rstest]
    #[case(json!(null))]
    #[case(json!([]))]
    #[case(json!({}))]
    #[case(json!(""))]
    #[case(json!(0))]
    fn nothing_found_is_no_fact(#[case] value: Value) {
        let mut report = Report::new(now(), observer());
        report.value("a.b", value, "a test".into(), &[]);
        assert_eq!(report.finish(), Inspection::default());
    }

    #[test]
    fn a_source_names_five_files() {
        assert_eq!(named(["b", "a", "b"]), "a, b");
        assert_eq!(declared_in(["f", "e", "d", "c", "b", "a", "g"]), "declared in the repository: a, b, c, d, e and 2 more");
    }

    #[test]
    fn a_long_list_says_how_long_it_was() {
        let mut report = Report::new(now(), observer());
        report.caveat("a reason");
        report.value("a.b", vec![1; 812], "a test".into(), &[]);
        let found = report.finish();
        assert_eq!(found.facts[0].value.as_array().map(Vec::len), Some(50));
        assert_eq!(found.facts[0].source, "a test; the first 50 of 812 are listed; incomplete: a reason");
    }

    #[test]
    fn what_was_skipped_is_bounded_and_printable() {
        let mut report = Report::new(now(), observer());
        (0..150).for_each(|n| report.skip("\u{1b}[31m", format!("{n}{}\nsecond line", "x".repeat(500))));
        let skipped = report.finish().skipped;
        assert_eq!((skipped.len(), skipped[100].as_str()), (101, "and 50 more"));
        assert!(skipped.iter().all(|line| line.len() < 300 && !line.contains(char::is_control)));
    }
}
