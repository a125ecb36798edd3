//! The schemas: read once, always applied. The files in `schemas/` are the contract; the types
//! of this crate are generated into them by a test, so that neither can drift from the other.

use std::{collections::BTreeMap, sync::LazyLock};

use jsonschema::{Validator, error::ValidationErrorKind};
use serde_json::Value;

use crate::Invalid;

macro_rules! schemas {
    ($($name:literal),* $(,)?) => {
        /// Every schema: its name and its text.
        pub const ALL: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../schemas/", $name, ".json")))),*
        ];
    };
}

schemas!(
    "accept", "answer", "assign", "cancel", "card", "close", "decision", "end", "fact", "heartbeat", "notice",
    "order", "problem", "progress", "query", "question", "record", "reply", "summary",
);

/// Built once, at first use: building takes tens of microseconds, validating less than one.
static VALIDATORS: LazyLock<BTreeMap<&'static str, Validator>> = LazyLock::new(|| {
    let build = |(name, text): &(&'static str, &str)| {
        let schema = serde_json::from_str(text).ok()?;
        Some((*name, jsonschema::validator_for(&schema).ok()?))
    };
    ALL.iter().filter_map(build).collect()
});

/// The text of a schema.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Parses bytes as JSON.
///
/// # Errors
/// With keyword `json` when they are none. Nesting over 128 levels and numbers out of range are errors too.
pub fn json(bytes: &[u8]) -> Result<Value, Invalid> {
    serde_json::from_slice(bytes).map_err(|error| Invalid {
        pointer: String::new(),
        keyword: "json".to_owned(),
        reason: error.to_string(),
    })
}

/// Checks a value against a schema.
///
/// # Errors
/// The first rule that fails: where, which, and what it says.
pub fn check(name: &str, value: &Value) -> Result<(), Invalid> {
    let Some(validator) = VALIDATORS.get(name) else {
        return Err(Invalid { pointer: String::new(), keyword: "schema".to_owned(), reason: format!("there is no schema called {name}") });
    };
    validator.validate(value).map_err(|error| {
        let mut pointer = error.instance_path().as_str().to_owned();
        let mut reason = error.to_string();
        if let ValidationErrorKind::Required { property } = error.kind() {
            // The place that is wrong is the one that is missing, not the object around it.
            pointer = format!("{pointer}/{}", property.as_str().unwrap_or_default());
            reason = "required".to_owned();
        }
        // The library quotes the offending value, which may be a megabyte.
        let reason = if reason.chars().count() > 300 { reason.chars().take(300).chain("…".chars()).collect() } else { reason };
        Invalid { pointer, keyword: error.kind().keyword().to_owned(), reason }
    })
}
