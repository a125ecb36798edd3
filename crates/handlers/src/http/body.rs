//! Reading a response piece by piece: within limits, and never longer than somebody may be silent.

use std::time::Duration;

use agentbus::Fault;
use reqwest::{Response, header::HeaderValue};
use serde_json::Value;

use crate::{
    exec::{
        process::MAX_LINE,
        said::{Given, nests_too_deeply},
    },
    web::{self, Side},
};

/// How much of a refusal is read, in bytes.
const BEGINNING: usize = 4 << 10;

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

/// A response that is being read.
#[derive(Debug)]
pub(super) struct Body {
    response: Response,
    /// What has come, and is not given out yet.
    held: Vec<u8>,
    /// How many bytes may still come.
    left: u64,
    most: u64,
    stall: Duration,
}

impl Body {
    pub(super) const fn new(response: Response, most: u64, stall: Duration) -> Self {
        Self { response, held: Vec::new(), left: most, most, stall }
    }

    /// The next line; none at the end.
    pub(super) async fn line(&mut self) -> Result<Option<String>, Fault> {
        loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let rest = self.held.split_off(end + 1);
                let line = std::mem::replace(&mut self.held, rest);
                return Ok(Some(text(&line)));
            }
            if self.held.len() > MAX_LINE {
                return Err(super::bad(&format!("a line is longer than {MAX_LINE} bytes")));
            }
            if !self.more().await? {
                let last = std::mem::take(&mut self.held);
                return Ok((!last.is_empty()).then(|| text(&last)));
            }
        }
    }

    /// All of it.
    pub(super) async fn whole(&mut self) -> Result<String, Fault> {
        while self.more().await? {}
        Ok(text(&std::mem::take(&mut self.held)))
    }

    /// The first words, for a message; whatever goes wrong meanwhile is not worth one.
    pub(super) async fn beginning(&mut self) -> String {
        while self.held.len() < BEGINNING && matches!(self.more().await, Ok(true)) {}
        self.held.truncate(BEGINNING);
        text(&std::mem::take(&mut self.held))
    }

    /// Whether more has come.
    async fn more(&mut self) -> Result<bool, Fault> {
        let chunk = tokio::time::timeout(self.stall, self.response.chunk()).await.map_err(|_| stalled(self.stall))?;
        let Some(chunk) = chunk.map_err(|error| web::unreachable(Side::Endpoint, &error))? else { return Ok(false) };
        let size = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        self.left = self
            .left
            .checked_sub(size)
            .ok_or_else(|| Fault::fail("output_limit", format!("the endpoint sent more than {} bytes", self.most)))?;
        self.held.extend_from_slice(&chunk);
        Ok(true)
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

pub(super) fn stalled(stall: Duration) -> Fault {
    Fault::retry("stalled", format!("the endpoint said nothing for {stall:?}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
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
