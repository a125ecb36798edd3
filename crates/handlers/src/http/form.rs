//! What a response is, by its type and its words.
//!
//! Pure.

use reqwest::header::HeaderValue;
use serde_json::Value;

use crate::exec::said::{Given, nests_too_deeply};

/// The fields of which an object has at least one that is an answer in the bus's words.
const OF_AN_ANSWER: [&str; 5] = ["delivery", "result", "unknown", "facts", "usage"];

/// In what form a response comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Lines of JSON.
    Lines,
    /// One value.
    One,
    /// What is not taken; as it calls itself.
    Other(String),
}

impl Form {
    pub(super) fn of(content_type: Option<&HeaderValue>) -> Self {
        let said = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => Self::Lines,
            "application/json" => Self::One,
            "" => Self::Other("of no type".to_owned()),
            _ => Self::Other(kind),
        }
    }
}

/// A body as an answer in the bus's words, or a plain value as the result; none where it is a line with a `type`.
pub(super) fn answer(text: &str) -> Result<Option<Given>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if nests_too_deeply(&value) {
        return Err("it nests too deeply".to_owned());
    }
    match value.as_object() {
        Some(object) if object.get("type").and_then(Value::as_str) == Some("answer") => Ok(None),
        Some(object) if OF_AN_ANSWER.iter().any(|field| object.contains_key(*field)) => {
            serde_json::from_value(value).map(Some).map_err(|error| format!("answer: {error}"))
        }
        _ => Ok(Some(Given { result: Some(value), ..Given::default() })),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[rstest::rstest]
    #[case("application/x-ndjson", Form::Lines)]
    #[case("application/json; charset=utf-8", Form::One)]
    #[case("Application/JSON", Form::One)]
    #[case("text/html", Form::Other("text/html".to_owned()))]
    fn the_form_is_told_by_the_type(#[case] said: &str, #[case] form: Form) {
        assert_eq!(Form::of(Some(&said.parse().unwrap())), form);
    }

    #[test]
    fn a_body_is_an_answer_or_a_result() {
        let given = |text: &str| answer(text).unwrap().unwrap();
        assert_eq!(given("{\"delivery\":\"Done.\",\"result\":1}").delivery, "Done.");
        assert_eq!(given("{\"price\":7}").result, Some(json!({ "price": 7 })));
        assert_eq!(given("[1,2]").result, Some(json!([1, 2])));
        assert_eq!(answer("{\"type\":\"answer\",\"result\":1}"), Ok(None));
        assert!(answer("{\"unknown\":\"x\"}").unwrap_err().starts_with("answer: invalid type"));
        assert!(answer("<html>").is_err());
    }
}
