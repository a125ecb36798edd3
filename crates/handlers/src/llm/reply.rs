//! The form of an answer: what a `reply_schema` wants, and whether a text is it. By a schema only the checker looks.

use agentbus::Fault;
use serde_json::Value;

use crate::{
    checker::{Checker, Verdict},
    exec::nests_too_deeply,
    web::Secrets,
};

/// What the result must be.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    schema: Option<&'a Value>,
    checker: &'a Checker,
}

impl<'a> Wanted<'a> {
    /// By the query's schema; without one, any text will do.
    ///
    /// # Errors
    /// `bad_reply_schema`, `command_not_started`.
    pub(crate) async fn by(schema: Option<&'a Value>, checker: &'a Checker) -> Result<Self, Fault> {
        if let Some(schema) = schema
            && let Verdict::BadSchema(why) = checker.check(schema, None).await?
        {
            return Err(bad(&why));
        }
        Ok(Self { schema, checker })
    }

    /// The result in a text, without the secrets; otherwise what is wrong with it, in 2000 characters at most.
    ///
    /// # Errors
    /// As of [`Wanted::by`].
    pub(crate) async fn read(&self, text: &str, secrets: &Secrets) -> Result<Result<Value, String>, Fault> {
        // Before anything is cut or quoted.
        let text = secrets.hide_in_json(text);
        let Some(schema) = self.schema else { return Ok(Ok(Value::String(text))) };
        let value = match value(&text) {
            Ok(value) if nests_too_deeply(&value) => return Ok(Err("it nests too deeply".to_owned())),
            // JSON that stood among words is only read now.
            Ok(value) => secrets.hide_in(value),
            Err(why) => return Ok(Err(why)),
        };
        match self.checker.check(schema, Some(&value)).await? {
            Verdict::Met => Ok(Ok(value)),
            Verdict::Unmet(why) => Ok(Err(why)),
            Verdict::BadSchema(why) => Err(bad(&why)),
        }
    }
}

fn bad(why: &str) -> Fault {
    Fault::fail("bad_reply_schema", format!("the query's reply_schema is none: {why}"))
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
    use crate::checker::tests::checker;
    use serde_json::json;

    #[rstest::rstest]
    #[case("{\"n\":1}")]
    #[case("```json\n{\"n\": 1}\n```")]
    #[case("Here it is: {\"n\":1}. Anything else?")]
    #[tokio::test]
    async fn json_is_found_in_what_is_around_it(#[case] text: &str) {
        let schema = json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } });
        assert_eq!(
            Wanted::by(Some(&schema), &checker()).await.unwrap().read(text, &Secrets::default()).await.unwrap(),
            Ok(json!({ "n": 1 }))
        );
    }

    #[rstest::rstest]
    #[case("Nothing.", "it is no JSON")]
    #[case("{\"n\":\"x\"}", "at /n: ")]
    #[case("{}", "\"n\" is a required property")]
    #[tokio::test]
    async fn what_is_wrong_is_said(#[case] text: &str, #[case] says: &str) {
        let schema = json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } });
        let why = Wanted::by(Some(&schema), &checker()).await.unwrap().read(text, &Secrets::default()).await.unwrap().unwrap_err();
        assert!(why.contains(says), "{why}");
    }

    #[tokio::test]
    async fn a_secret_in_escapes_among_words_is_not_in_the_result() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), r"key\with-a-backslash").unwrap();
        let mut secrets = Secrets::default();
        let _ = secrets.key(&roster::KeySource::File("key".into()), folder.path()).unwrap();
        let spelled: String = r"key\with-a-backslash".chars().map(|letter| format!("\\u{:04x}", u32::from(letter))).collect();
        let (schema, text) = (json!({}), format!("Here: {{\"n\":\"{spelled}\"}} ok"));
        let read = Wanted::by(Some(&schema), &checker()).await.unwrap().read(&text, &secrets).await.unwrap();
        assert_eq!(read, Ok(json!({ "n": "[redacted]" })));
    }

    #[tokio::test]
    async fn without_a_schema_any_text_will_do_and_a_bad_schema_is_refused() {
        assert_eq!(Wanted::by(None, &checker()).await.unwrap().read(" x ", &Secrets::default()).await.unwrap(), Ok(json!(" x ")));
        assert_eq!(Wanted::by(Some(&json!({ "type": 7 })), &checker()).await.unwrap_err().code(), "bad_reply_schema");
    }
}
