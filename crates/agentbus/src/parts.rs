//! Reading a record that is too large for one answer of the coordinator's API: in parts, put together again.
//!
//! The record may change meanwhile. Each part says of which whole it is; where that changes, reading begins anew.

use protocol::{Checksum, Excerpt, Problem, QueryId, Record};
use serde_json::json;

use crate::{Bus, Error, bus::answered};

/// How often reading begins, where the record changes meanwhile.
const TRIES: u32 = 10;

impl Bus {
    /// A record, with its messages or without.
    ///
    /// # Errors
    /// As [`Bus::status`].
    pub(crate) async fn record(&self, id: QueryId, messages: bool) -> Result<Record, Error> {
        match self.call("status", &json!({ "id": id, "messages": messages })).await {
            Err(error) if error.code() == "answer_too_large" => self.record_in_parts(id, messages).await,
            read => read,
        }
    }

    async fn record_in_parts(&self, id: QueryId, messages: bool) -> Result<Record, Error> {
        for _ in 0..TRIES {
            if let Some(text) = self.text_in_parts(id, messages).await? {
                return answered(text.as_bytes());
            }
        }
        let problem = Problem::new("unavailable", format!("the record of the query {id} changes faster than it can be read"));
        Err(problem.hint("Try again when the query has ended.").into())
    }

    /// The text of a record; none if it changed meanwhile.
    async fn text_in_parts(&self, id: QueryId, messages: bool) -> Result<Option<String>, Error> {
        let (mut text, mut whole) = (String::new(), None);
        loop {
            let asked = json!({ "id": id, "messages": messages, "offset": text.len() });
            let part: Excerpt = self.call("status", &asked).await?;
            if *whole.get_or_insert(part.digest) != part.digest || part.text.is_empty() {
                return Ok(None);
            }
            text.push_str(&part.text);
            if text.len() >= part.size {
                return Ok((Checksum::of(text.as_bytes()) == part.digest).then_some(text));
            }
        }
    }
}
