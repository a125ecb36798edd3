//! From what the TOML parser gives to entries with their places, as the front matter has them too, so that
//! one set of checks serves both. It checks nothing itself.

use std::ops::Range;

use serde_json::{Number, Value as Json};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    Place,
    read::{Entry, Node, Value},
};

/// Places in a text.
pub(super) struct Places<'a>(pub(super) &'a str);

impl Places<'_> {
    pub(super) fn of(&self, span: Range<usize>) -> Place {
        let before = self.0.get(..span.start).unwrap_or(self.0);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Place { line: before.matches('\n').count() + 1, column, offset: span.start, len: span.len() }
    }

    pub(super) fn entries(&self, table: &DeTable<'_>) -> Vec<Entry> {
        let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            Entry { key: name.clone().into_owned(), key_place: self.of(key.span()), value: self.node(value) }
        };
        table.iter().map(entry).collect()
    }

    fn node(&self, value: &Spanned<DeValue<'_>>) -> Node {
        Node { value: self.value(value.get_ref()), place: self.of(value.span()) }
    }

    /// What JSON cannot hold (a date, an infinite number, an integer beyond 64 bits) stays text.
    fn value(&self, value: &DeValue<'_>) -> Value {
        let scalar = |json: Option<Json>, text: String| match json {
            Some(json) => Value::Scalar(json, text),
            None => Value::Text(text),
        };
        match value {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Integer(integer) => {
                let json = i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(Json::from);
                scalar(json, integer.to_string())
            }
            DeValue::Float(float) => {
                scalar(float.as_str().parse().ok().and_then(Number::from_f64).map(Json::Number), float.as_str().to_owned())
            }
            DeValue::Boolean(flag) => Value::Scalar(Json::Bool(*flag), flag.to_string()),
            DeValue::Datetime(time) => Value::Text(time.to_string()),
            DeValue::Array(items) => Value::List(items.iter().map(|item| self.node(item)).collect()),
            DeValue::Table(table) => Value::Map(self.entries(table)),
        }
    }
}
