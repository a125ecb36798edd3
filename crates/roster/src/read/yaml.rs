//! YAML as a tree in which every value and key knows its place.
//!
//! Typed reading would lose the position of each key and all but one of a duplicate's values;
//! both are wanted for diagnostics. This is the only file that knows the YAML library.

use std::{collections::HashMap, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value as Json};
use serde_saphyr::{DuplicateKeyPolicy, Error, Location, Spanned, budget::BudgetBreach, options::NonFiniteFloatPolicy};

use super::lines::lines;
use crate::{Place, diagnostic::Report};

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Text, quoted or plain.
    Text(String),
    /// Null, a boolean or a number, with its spelling: `5.10` is a number, but also a name.
    Scalar(Json, String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value. Within one map no two keys are equal.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) value: Node,
}

/// Why a text is not YAML, and where.
#[derive(Debug)]
pub(crate) struct YamlError {
    pub(crate) message: String,
    pub(crate) place: Place,
    /// Whether a limit was reached, so that nothing is to be saved by reading it in parts.
    pub(crate) limit: bool,
}

/// How deep values may nest.
const DEPTH: usize = 32;

/// How many values and keys there may be.
const NODES: usize = 20_000;

/// How often an anchor may be used.
const ALIASES: usize = 100;

impl Node {
    /// The text of a scalar, as it was spelled. Null has none.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Scalar(json, spelling) if !json.is_null() => Some(spelling),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(Json::Null, _))
    }

    /// The value without its places.
    pub(crate) fn to_json(&self) -> Json {
        match &self.value {
            Value::Text(text) => Json::String(text.clone()),
            Value::Scalar(json, _) => json.clone(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => entries.iter().map(|e| (e.key.clone(), e.value.to_json())).collect(),
        }
    }

    /// What it is, for a message.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Text(_) => "text",
            Value::Scalar(Json::Null, _) => "nothing",
            Value::Scalar(Json::Bool(_), _) => "true or false",
            Value::Scalar(..) => "a number",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Parses a YAML mapping that stands at `line` and `offset` of its file. Nothing but blanks and
/// comments is an empty mapping. Of two equal keys the last wins, with a warning.
pub(crate) fn mapping(text: &str, line: usize, offset: usize, report: &mut Report) -> Result<Vec<Entry>, YamlError> {
    Base { text, line, offset, moved: None }.mapping(report)
}

/// The same for lines that are not together in their file, or not indented there as they are in `text`.
pub(crate) fn moved(text: &str, moved: &Moved, report: &mut Report) -> Result<Vec<Entry>, YamlError> {
    Base { text, line: 1, offset: 0, moved: Some(moved) }.mapping(report)
}

/// Where the lines of a text stand in their file, in order.
#[derive(Default)]
pub(crate) struct Moved(pub(crate) Vec<MovedLine>);

/// One line that stands elsewhere in its file.
pub(crate) struct MovedLine {
    /// Bytes of the text before it, its indentation included.
    pub(crate) begin: usize,
    /// Spaces before it that are not in the file.
    pub(crate) indent: usize,
    /// Its number in the file.
    pub(crate) number: usize,
    /// Bytes of the file before it.
    pub(crate) offset: usize,
}

impl Moved {
    /// Its line, for a byte of the text, and the bytes of the file before that.
    fn find(&self, at: usize) -> Option<(&MovedLine, usize)> {
        let line = self.0.get(self.0.partition_point(|line| line.begin <= at).checked_sub(1)?)?;
        Some((line, line.offset + (at - line.begin).saturating_sub(line.indent)))
    }
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEPTH, max_nodes: NODES, max_aliases: ALIASES },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 10_000 },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        leading_zero_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        strict_booleans: true,
        with_snippet: false,
    }
}

/// Where a parsed text stands in its file.
struct Base<'a> {
    text: &'a str,
    line: usize,
    offset: usize,
    /// Line by line, where it does not stand there in one piece.
    moved: Option<&'a Moved>,
}

impl Base<'_> {
    fn mapping(&self, report: &mut Report) -> Result<Vec<Entry>, YamlError> {
        let root: Spanned<Raw> = serde_saphyr::from_str_with_options(self.text, options()).map_err(|e| self.error(&e))?;
        let root = self.node(root, report);
        match root.value {
            Value::Map(entries) => Ok(entries),
            Value::Scalar(Json::Null, _) => Ok(Vec::new()),
            _ => Err(YamlError { message: format!("expected `key: value`, found {}", root.kind()), place: root.place, limit: false }),
        }
    }

    fn node(&self, raw: Spanned<Raw>, report: &mut Report) -> Node {
        let place = self.place(&raw.referenced);
        let value = match raw.value {
            Raw::Text(text) => Value::Text(text),
            Raw::Scalar(json) => Value::Scalar(json, self.spelling(&raw.defined)),
            Raw::List(items) => Value::List(items.into_iter().map(|item| self.node(item, report)).collect()),
            Raw::Map(pairs) => Value::Map(self.entries(pairs, report)),
        };
        Node { value, place }
    }

    fn entries(&self, pairs: Vec<(Spanned<String>, Spanned<Raw>)>, report: &mut Report) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let (key_place, value) = (self.place(&key.referenced), self.node(value, report));
            entries.push(Entry { key: key.value, key_place, value });
        }
        keep_last(entries, report)
    }

    /// The place of a location, which counts from the start of the parsed text.
    fn place(&self, at: &Location) -> Place {
        let (line, column) = (number(at.line()).max(1), number(at.column()).max(1));
        let begin = at.span().byte_offset().map_or_else(|| self.find(line, column), number);
        let len = at.span().byte_len().map_or(0, number);
        let Some((moved, (in_line, offset))) = self.moved.and_then(|moved| Some((moved, moved.find(begin)?))) else {
            return Place { line: self.line + line - 1, column, offset: self.offset + begin, len };
        };
        let end = moved.find(begin.saturating_add(len)).map_or(offset, |(_, end)| end);
        let column = column.saturating_sub(in_line.indent).max(1);
        Place { line: in_line.number, column, offset, len: end.saturating_sub(offset) }
    }

    /// Bytes before a line and column of the parsed text.
    fn find(&self, line: usize, column: usize) -> usize {
        let Some(line) = lines(self.text, 1, 0).nth(line - 1) else { return self.text.len() };
        line.offset + line.text.chars().take(column - 1).map(char::len_utf8).sum::<usize>()
    }

    fn spelling(&self, at: &Location) -> String {
        let span = at.span();
        let start = span.byte_offset().map_or(0, number);
        let end = start + span.byte_len().map_or(0, number);
        self.text.get(start..end).unwrap_or_default().trim().to_owned()
    }

    fn error(&self, error: &Error) -> YamlError {
        let at = error.location().unwrap_or(Location::UNKNOWN);
        if let Some(message) = limit(error) {
            return YamlError { message, place: self.place(&at), limit: true };
        }
        let message = error.to_string();
        // The library's own position counts from another line; ours stands beside the message.
        let suffix = format!(" at line {}, column {}", at.line(), at.column());
        let message = message.strip_suffix(&suffix).unwrap_or(&message).to_owned();
        YamlError { message, place: self.place(&at), limit: false }
    }
}

/// Which limit an error is about, if it is.
fn limit(error: &Error) -> Option<String> {
    match error {
        Error::AliasError { error, .. } => limit(error),
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => Some(format!("it nests more than {DEPTH} levels deep")),
        Error::Budget { breach: BudgetBreach::Nodes { .. }, .. } => Some(format!("it has more than {NODES} keys and values")),
        Error::Budget { breach: BudgetBreach::Aliases { .. }, .. } => Some(format!("it uses anchors more than {ALIASES} times")),
        Error::Budget { .. } => Some("it is too large for front matter".to_owned()),
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => Some("its anchors unfold to too much".to_owned()),
        _ => None,
    }
}

/// Of entries with one key the last stays, with a warning at each that takes another's place.
pub(crate) fn keep_last(entries: Vec<Entry>, report: &mut Report) -> Vec<Entry> {
    let mut latest: HashMap<String, usize> = HashMap::with_capacity(entries.len());
    let mut kept: Vec<Option<Entry>> = Vec::with_capacity(entries.len());
    for entry in entries {
        let earlier = latest.insert(entry.key.clone(), kept.len());
        if let Some(earlier) = earlier.and_then(|index| kept.get_mut(index)).and_then(Option::take) {
            let message = format!("'{}' stands here again; this one counts, not line {}", entry.key, earlier.key_place.line);
            report.warning("duplicate_key", entry.key_place, message);
        }
        kept.push(Some(entry));
    }
    kept.into_iter().flatten().collect()
}

fn number(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// A value as the library hands it over.
enum Raw {
    Text(String),
    Scalar(Json),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Json::Null))
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Json::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Number::from_f64(value).map_or(Json::Null, Json::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Raw::Map(pairs))
    }
}
