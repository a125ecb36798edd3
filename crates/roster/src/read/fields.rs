//! Takes typed fields out of a mapping. A field of another type is an error; what nobody takes
//! is left over for the caller. Null counts as absent.

use std::collections::VecDeque;

use serde_json::Value as Json;

use super::yaml::{Entry, Node, Value};
use crate::{Place, diagnostic::Report};

/// The entries of a mapping that have not been taken yet.
pub(crate) struct Fields<'r> {
    entries: VecDeque<Entry>,
    pub(crate) report: &'r mut Report,
}

impl<'r> Fields<'r> {
    pub(crate) fn new(entries: Vec<Entry>, report: &'r mut Report) -> Self {
        Self { entries: entries.into(), report }
    }

    /// Takes a value of any type.
    pub(crate) fn take(&mut self, key: &str) -> Option<Entry> {
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        self.entries.remove(index).filter(|entry| !entry.value.is_null())
    }

    /// Whether it is there, and not null.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key && !entry.value.is_null())
    }

    /// Takes the first of what nobody took yet, null or not.
    pub(crate) fn next(&mut self) -> Option<Entry> {
        self.entries.pop_front()
    }

    pub(crate) fn text(&mut self, key: &str) -> Option<(String, Place)> {
        let entry = self.take(key)?;
        match entry.value.text() {
            Some(text) => Some((text.trim().to_owned(), entry.value.place)),
            None => self.wrong(&entry.key, &entry.value, "text"),
        }
    }

    /// A list of texts; a single text is a list of one.
    pub(crate) fn texts(&mut self, key: &str) -> Vec<String> {
        self.take(key).map(|entry| self.texts_of(&entry)).unwrap_or_default()
    }

    /// The texts of an entry.
    pub(crate) fn texts_of(&mut self, entry: &Entry) -> Vec<String> {
        let items = match &entry.value.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(&entry.value),
        };
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item.text() {
                Some(text) => texts.push(text.to_owned()),
                None => drop(self.wrong::<()>(&entry.key, item, "text or a list of texts")),
            }
        }
        texts
    }

    pub(crate) fn flag(&mut self, key: &str) -> Option<bool> {
        let entry = self.take(key)?;
        match entry.value.value {
            Value::Scalar(Json::Bool(flag), _) => Some(flag),
            _ => self.wrong(&entry.key, &entry.value, "true or false"),
        }
    }

    pub(crate) fn integer(&mut self, key: &str) -> Option<i64> {
        let entry = self.take(key)?;
        integer(&entry, self.report)
    }

    /// A number from 0 to 1.
    pub(crate) fn ratio(&mut self, key: &str) -> Option<f64> {
        let entry = self.take(key)?;
        let number = match &entry.value.value {
            Value::Scalar(json, _) => json.as_f64(),
            _ => None,
        };
        let Some(number) = number else { return self.wrong(key, &entry.value, "a number from 0 to 1") };
        if (0.0..=1.0).contains(&number) {
            return Some(number);
        }
        self.report.error("out_of_range", entry.value.place, format!("'{key}' must lie between 0 and 1"));
        None
    }

    /// Takes a mapping.
    pub(crate) fn map(&mut self, key: &str) -> Option<(Vec<Entry>, Place)> {
        let entry = self.take(key)?;
        match entry.value.value {
            Value::Map(entries) => Some((entries, entry.key_place)),
            _ => self.wrong(key, &entry.value, "a mapping"),
        }
    }

    fn wrong<T>(&mut self, key: &str, found: &Node, expected: &str) -> Option<T> {
        let message = format!("'{key}' must be {expected}, not {}", found.kind());
        self.report.error("wrong_type", found.place, message);
        None
    }
}

/// An integer; anything else is an error, 12.0 and "12" included.
pub(crate) fn integer(entry: &Entry, report: &mut Report) -> Option<i64> {
    if let Value::Scalar(json, _) = &entry.value.value
        && let Some(number) = json.as_i64()
    {
        return Some(number);
    }
    let found = entry.value.text().map_or_else(|| entry.value.kind().to_owned(), |text| format!("'{text}'"));
    report.error("not_an_integer", entry.value.place, format!("'{}' must be a whole number, not {found}", entry.key));
    None
}
