//! The form of an answer: what a `reply_schema` wants, and whether a text is it.

use agentbus::Fault;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::exec::nests_too_deeply;

/// How many mistakes are listed.
const LISTED: usize = 8;

/// What the result must be.
#[derive(Debug)]
pub(crate) struct Wanted(Option<Validator>);

impl Wanted {
    /// By the query's schema; without one, any text will do.
    ///
    /// # Errors
    /// `bad_reply_schema`.
    pub(crate) fn by(schema: Option<&Value>) -> Result<Self, Fault> {
        let Some(schema) = schema else { return Ok(Self(None)) };
        // The patterns are somebody else's: the engine that looks around and back could be kept busy for ever.
        let built = jsonschema::options().with_pattern_options(PatternOptions::regex()).build(schema);
        let built = built.map_err(|error| Fault::fail("bad_reply_schema", format!("the query's reply_schema is none: {error}")))?;
        Ok(Self(Some(built)))
    }

    /// The result in a text; otherwise what is wrong with it.
    pub(crate) fn read(&self, text: &str) -> Result<Value, String> {
        let Some(validator) = &self.0 else { return Ok(Value::String(text.to_owned())) };
        let value = value(text)?;
        if nests_too_deeply(&value) {
            return Err("it nests too deeply".to_owned());
        }
        let mistakes: Vec<_> = validator
            .iter_errors(&value)
            .take(LISTED)
            .map(|error| match error.instance_path().to_string() {
                path if path.is_empty() => error.to_string(),
                path => format!("at {path}: {error}"),
            })
            .collect();
        if mistakes.is_empty() { Ok(value) } else { Err(mistakes.join("; ")) }
    }
}

/// The JSON in a text: models put words or a fence around it, whatever they are told.
fn value(text: &str) -> Result<Value, String> {
    let text = text.trim();
    let whole = serde_json::from_str(text);
    let Err(error) = whole else { return whole.map_err(|error| error.to_string()) };
    let begin = text.find(['{', '[']);
    let end = text.rfind(['}', ']']);
    let inner = begin.zip(end).and_then(|(begin, end)| text.get(begin..=end));
    inner.and_then(|inner| serde_json::from_str(inner).ok()).ok_or_else(|| format!("it is no JSON: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[rstest::rstest]
    #[case("{\"n\":1}")]
    #[case("```json\n{\"n\": 1}\n```")]
    #[case("Here it is: {\"n\":1}. Anything else?")]
    fn json_is_found_in_what_is_around_it(#[case] text: &str) {
        let schema = json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } });
        assert_eq!(Wanted::by(Some(&schema)).unwrap().read(text), Ok(json!({ "n": 1 })));
    }

    #[rstest::rstest]
    #[case("Nothing.", "it is no JSON")]
    #[case("{\"n\":\"x\"}", "at /n: ")]
    #[case("{}", "\"n\" is a required property")]
    fn what_is_wrong_is_said(#[case] text: &str, #[case] says: &str) {
        let schema = json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } });
        let why = Wanted::by(Some(&schema)).unwrap().read(text).unwrap_err();
        assert!(why.contains(says), "{why}");
    }

    #[test]
    fn without_a_schema_any_text_will_do_and_a_bad_schema_is_refused() {
        assert_eq!(Wanted::by(None).unwrap().read(" x "), Ok(json!(" x ")));
        assert_eq!(Wanted::by(Some(&json!({ "type": 7 }))).unwrap_err().code(), "bad_reply_schema");
    }
}
