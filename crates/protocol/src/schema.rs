//! The schemas: read once, always applied. The files in `schemas/` are the contract; the types
//! of this crate are generated into them by a test, so that neither can drift from the other.

use std::{collections::BTreeMap, sync::LazyLock};

use jsonschema::{
    JsonType, PatternOptions, ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Invalid, json};

macro_rules! schemas {
    ($($name:literal),* $(,)?) => {
        /// Every schema: its name and its text.
        pub const ALL: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../schemas/", $name, ".json")))),*
        ];
    };
}

schemas!(
    "accept",
    "answer",
    "assign",
    "cancel",
    "card",
    "close",
    "dead",
    "decision",
    "end",
    "fact",
    "heartbeat",
    "notice",
    "order",
    "presence",
    "problem",
    "progress",
    "query",
    "question",
    "record",
    "reply",
    "summary",
    "tree",
);

/// How many levels a message body may nest. What embeds bodies, as a record does, may nest deeper;
/// so no body can make the record around it unreadable.
pub const MAX_DEPTH: usize = 64;

/// Built once, at first use: building takes tens of microseconds, validating less than one.
static VALIDATORS: LazyLock<BTreeMap<&'static str, Validator>> = LazyLock::new(|| {
    let build = |(name, text): &(&'static str, &str)| {
        let schema = serde_json::from_str(text).ok()?;
        // The draft leaves it open whether `format` is a rule; the types read no other times, so here it is.
        // The schemas' patterns are plain; the engine that also looks around and back is slower.
        let options = jsonschema::options().should_validate_formats(true).with_pattern_options(PatternOptions::regex());
        Some((*name, options.build(&schema).ok()?))
    };
    ALL.iter().filter_map(build).collect()
});

/// The text of a schema.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Parses a message body as JSON. A whole number reads as an integer, however it is spelled.
///
/// # Errors
/// With keyword `json` when it is none, nests deeper than [`MAX_DEPTH`], holds a number out of
/// range, or an object in which a key stands twice.
pub fn body(bytes: &[u8]) -> Result<Value, Invalid> {
    parse(bytes, MAX_DEPTH)
}

/// Parses any other JSON, by the same rules; it may nest 127 levels deep.
///
/// # Errors
/// As for [`body`].
pub fn json(bytes: &[u8]) -> Result<Value, Invalid> {
    parse(bytes, usize::MAX)
}

fn parse(bytes: &[u8], room: usize) -> Result<Value, Invalid> {
    json::read(bytes, room).map_err(|error| Invalid { pointer: String::new(), keyword: "json".to_owned(), reason: error.to_string() })
}

/// Reads what stands outside the ledger (a fact, a heartbeat, an order): JSON, schema, type.
///
/// # Errors
/// As for [`json`] and [`check`].
pub fn read<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, Invalid> {
    typed(name, json(bytes)?)
}

/// Checks a value and makes the type of it. The schema is what users can read, so it decides;
/// the type follows it.
pub(crate) fn typed<T: DeserializeOwned>(name: &str, value: Value) -> Result<T, Invalid> {
    check(name, &value)?;
    serde_json::from_value(value).map_err(|error| Invalid { pointer: String::new(), keyword: "type".to_owned(), reason: error.to_string() })
}

/// Checks a value against a schema.
///
/// # Errors
/// The first rule that fails: where, which, and what it says.
pub fn check(name: &str, value: &Value) -> Result<(), Invalid> {
    let Some(validator) = VALIDATORS.get(name) else {
        return Err(Invalid { pointer: String::new(), keyword: "schema".to_owned(), reason: format!("there is no schema called {name}") });
    };
    validator.validate(value).map_err(|error| invalid(&error))
}

/// Checks a body that is to be sent: as [`check`], and that its readers will read it.
///
/// # Errors
/// As for [`check`]; with keyword `json` when it nests deeper than [`MAX_DEPTH`].
pub fn check_body(name: &str, body: &Value) -> Result<(), Invalid> {
    if !json::fits(body, MAX_DEPTH) {
        let reason = format!("nested more than {MAX_DEPTH} levels deep");
        return Err(Invalid { pointer: String::new(), keyword: "json".to_owned(), reason });
    }
    check(name, body)
}

fn invalid(error: &ValidationError<'_>) -> Invalid {
    if let Some(inner) = meant(error) {
        return invalid(inner);
    }
    let mut pointer = error.instance_path().as_str().to_owned();
    let mut reason = error.to_string();
    if reason.len() > 300 {
        // The library quotes the offending value, which may be a megabyte.
        reason = error.masked_with("it").to_string();
    }
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            // The place that is wrong is the one that is missing, not the object around it.
            pointer = format!("{pointer}/{}", property.as_str().unwrap_or_default());
            reason = "required".to_owned();
        }
        // The library leaves out all but two of the words that would do.
        ValidationErrorKind::Enum { options } => reason = format!("must be one of {options}"),
        _ => {}
    }
    Invalid { pointer, keyword: error.kind().keyword().to_owned(), reason }
}

/// Of alternatives that all fail, the error of the one that was meant: the only one that neither
/// its tag rules out nor that it stands for "or null".
fn meant<'a>(error: &'a ValidationError<'_>) -> Option<&'a ValidationError<'static>> {
    let (ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context }) = error.kind() else { return None };
    let ruled_out = |error: &ValidationError<'_>| match error.kind() {
        ValidationErrorKind::Constant { .. } => true,
        ValidationErrorKind::Type { kind } => matches!(kind, TypeKind::Single(JsonType::Null)),
        _ => false,
    };
    let mut left = context.iter().filter(|branch| !branch.iter().any(ruled_out));
    let branch = left.next()?;
    if left.next().is_some() { None } else { branch.first() }
}
