//! Reading everything that is stored under one id, at once: batched direct gets.

use bytes::Bytes;
use futures::StreamExt;
use ledger::{Entry, Page};
use protocol::QueryId;
use serde_json::json;

use crate::{Connection, Error, Kind, Step, connect::ANSWER, convert, ledger::unserved};

/// Messages a batch.
const BATCH: u64 = 512;

/// Bytes a batch.
const BATCH_BYTES: u64 = 4 << 20;

impl Connection {
    /// Every entry under an id, in ledger order, from sequence `from` on (reading from the
    /// query's own sequence spares the server a search).
    ///
    /// # Errors
    /// `unavailable`, `no_ledger`.
    pub async fn entries(&self, id: QueryId, from: u64) -> Result<Vec<Entry>, Error> {
        let pages = self.pages(id, from, u64::MAX).await?;
        Ok(pages.iter().filter_map(|page| self.entry(page)).collect())
    }

    /// What a stored message says; none if it is no message of the bus.
    #[must_use]
    pub fn entry(&self, page: &Page) -> Option<Entry> {
        match convert::step(self.space(), page.seq, page.time, &page.subject, page.replayed, &page.body) {
            Step::Entry(entry) => Some(*entry),
            _ => None,
        }
    }

    /// Every message that the ledger has under an id, as it is stored, from one sequence to another.
    ///
    /// # Errors
    /// As [`Connection::entries`].
    pub async fn pages(&self, id: QueryId, from: u64, upto: u64) -> Result<Vec<Page>, Error> {
        let mut pages = Vec::new();
        let mut next = Some(from);
        while let Some(from) = next {
            let (more, then) = self.some_pages(id, from, upto).await?;
            pages.extend(more);
            next = then;
        }
        Ok(pages)
    }

    /// As many of them as are read at once, 4 MiB or a little more; and where to go on, if there may be more.
    ///
    /// # Errors
    /// As [`Connection::entries`].
    pub async fn some_pages(&self, id: QueryId, from: u64, upto: u64) -> Result<(Vec<Page>, Option<u64>), Error> {
        let mut pages = Vec::new();
        let last = self.batch(id, from.max(1), &mut pages).await?;
        // It may have gone too far.
        pages.truncate(pages.partition_point(|page| page.seq <= upto));
        Ok((pages, last.and_then(|last| last.checked_add(1)).filter(|next| *next <= upto)))
    }

    /// The last sequence under a filter; 0 if there is none.
    ///
    /// # Errors
    /// As [`Connection::entries`].
    pub async fn last_under(&self, filter: String) -> Result<u64, Error> {
        use async_nats::jetstream::stream::DirectGetErrorKind as Get;
        let unavailable = |error: &dyn std::fmt::Display| Error::new(Kind::Unavailable, error);
        let stream = self.js.get_stream_no_info(self.space().ledger()).await.map_err(|error| unavailable(&error))?;
        match stream.direct_get_last_for_subject(filter).await {
            Ok(message) => Ok(message.sequence),
            Err(error) if error.kind() == Get::NotFound => Ok(0),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// Whether nothing is stored any more under a filter up to this sequence. The stream's leader is asked, as a
    /// copy may lag behind.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn is_removed(&self, filter: &str, upto: u64) -> Result<bool, Error> {
        use async_nats::jetstream::stream::RawMessageErrorKind as Get;
        let unavailable = |error: &dyn std::fmt::Display| Error::new(Kind::Unavailable, error);
        let stream = self.js.get_stream_no_info(self.space().ledger()).await.map_err(|error| unavailable(&error))?;
        match stream.get_first_raw_message_by_subject(filter, 1).await {
            Ok(message) => Ok(message.sequence > upto),
            Err(error) if error.kind() == Get::NoMessageFound => Ok(true),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// One batch; the last sequence of it if there is more.
    async fn batch(&self, id: QueryId, from: u64, pages: &mut Vec<Page>) -> Result<Option<u64>, Error> {
        let unavailable = |error: &dyn std::fmt::Display| Error::new(Kind::Unavailable, error);
        let inbox = self.client.new_inbox();
        let mut answers = self.client.subscribe(inbox.clone()).await.map_err(|error| unavailable(&error))?;
        let request = json!({"seq": from, "next_by_subj": self.space().record(id), "batch": BATCH, "max_bytes": BATCH_BYTES}).to_string();
        let subject = format!("$JS.API.DIRECT.GET.{}", self.space().ledger());
        self.client.publish_with_reply(subject, inbox, Bytes::from(request)).await.map_err(|error| unavailable(&error))?;
        let mut last = 0;
        loop {
            let message = tokio::time::timeout(ANSWER, answers.next()).await.map_err(|_| unavailable(&"no answer within 5 s"))?;
            let message = message.ok_or_else(|| unavailable(&"the connection is closed"))?;
            let header = |name: &str| message.headers.as_ref().and_then(|headers| headers.get(name)).map(|value| value.as_str().to_owned());
            match message.status.map(|status| status.as_u16()) {
                // The end of the batch says how much is left.
                Some(204) => {
                    let left: u64 = header("Nats-Num-Pending").and_then(|text| text.parse().ok()).unwrap_or(0);
                    return Ok((left > 0 && last > 0).then_some(last));
                }
                Some(404) => return Ok(None),
                Some(503) => return Err(unserved(self, "nobody serves the ledger").await),
                Some(code) => return Err(Error::new(Kind::Garbled, format!("status {code}"))),
                None => {}
            }
            let seq = header("Nats-Sequence").and_then(|text| text.parse::<u64>().ok());
            let time = header("Nats-Time-Stamp").and_then(|text| text.parse().ok());
            let (Some(seq), Some(time), Some(subject)) = (seq, time, header("Nats-Subject")) else {
                return Err(Error::new(Kind::Garbled, "a stored message without sequence, time or subject"));
            };
            last = seq;
            // The server's own Nats-Stream header comes first; a second one was stored with the message.
            let replayed = message.headers.as_ref().is_some_and(|headers| headers.get_all("Nats-Stream").count() > 1);
            pages.push(Page { seq, time, subject, replayed, body: message.payload.to_vec() });
        }
    }
}
