//! Reading the archive from one end to the other, in the order in which it was filled.
//!
//! For whoever must know of everything that has left the ledger: a watcher that was away, a check of the whole
//! bus. Whoever looks for one record asks for that record instead.

use async_nats::jetstream::{
    ErrorCode,
    consumer::{DeliverPolicy, push},
    stream::ConsumerErrorKind,
};
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use ledger::{Pack, Page};
use protocol::{QueryId, Space};

use crate::{Connection, Error, Kind, Step, connect::ANSWER, convert};

/// By how much the clocks of servers that wrote to ledger and archive may differ.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// The archive, read forwards.
#[derive(Debug)]
pub struct Packs {
    connection: Connection,
    /// Packs that were stored before that are passed over.
    since: Option<Timestamp>,
    /// The first sequence of the archive that has not been read.
    next: u64,
}

impl Packs {
    /// Reads from the first pack on that can hold a message that was stored at this time or later; without
    /// one, from the first.
    #[must_use]
    pub const fn new(connection: Connection, since: Option<Timestamp>) -> Self {
        Self { connection, since, next: 0 }
    }

    /// Begins anew.
    pub const fn rewind(&mut self) {
        self.next = 0;
    }

    /// Whether there is more than has been read.
    ///
    /// # Errors
    /// `unavailable`; `forbidden` where these credentials may not ask.
    pub async fn has_grown(&self) -> Result<bool, Error> {
        let described = self.connection.stream(&self.connection.space().archive()).await?;
        Ok(described.is_some_and(|described| described.count("last_seq") >= self.next.max(1)))
    }

    /// Reads what is there and has not been read, up to its end: calls `each` with the sequence in the archive, the
    /// time at which it was written there, and the pack; none, if what stands there is none.
    ///
    /// # Errors
    /// `unavailable`: call it again, it goes on where it was. `forbidden`.
    pub async fn read(&mut self, mut each: impl FnMut(u64, Timestamp, Option<(QueryId, Pack)>)) -> Result<(), Error> {
        let unavailable = |error: &dyn std::fmt::Display| Error::new(Kind::Unavailable, error);
        let name = format!("packs-{}", uuid::Uuid::now_v7().simple());
        let config = push::OrderedConfig {
            name: Some(name.clone()),
            deliver_subject: self.connection.client.new_inbox(),
            deliver_policy: self.begin()?,
            ..Default::default()
        };
        let stream = self.connection.js.get_stream_no_info(self.connection.space().archive()).await.map_err(|error| unavailable(&error))?;
        let subject = format!("$JS.API.CONSUMER.CREATE.{}.{name}", self.space().archive());
        let created = tokio::select! {
            created = stream.create_consumer(config) => created,
            refused = self.connection.refusals.wait_for(&subject) => return Err(refused),
        };
        let consumer = match created {
            Ok(consumer) => consumer,
            Err(error) if is_missing(&error) => return Ok(()),
            Err(error) => return Err(unavailable(&error)),
        };
        let mut pending = consumer.cached_info().num_pending;
        let mut messages = consumer.messages().await.map_err(|error| unavailable(&error))?;
        while pending > 0 {
            let message = tokio::time::timeout(ANSWER, messages.next()).await.map_err(|_| unavailable(&"no answer within 5 s"))?;
            let message = message.ok_or_else(|| unavailable(&"the connection is closed"))?.map_err(|error| unavailable(&error))?;
            let info = message.info().map_err(|error| unavailable(&error))?;
            let (seq, time) = (info.stream_sequence, convert::timestamp(info.published));
            pending = info.pending;
            if seq >= self.next {
                self.next = seq + 1;
                each(seq, time, self.open(&message));
            }
        }
        // Left alone it would lie on the server for a while.
        let _ = stream.delete_consumer(&name).await;
        Ok(())
    }

    fn begin(&self) -> Result<DeliverPolicy, Error> {
        let since = self.since.and_then(|since| since.checked_sub(SKEW).ok());
        match since {
            _ if self.next > 0 => Ok(DeliverPolicy::ByStartSequence { start_sequence: self.next }),
            Some(since) => {
                let since = async_nats::datetime::from_nanos(since.as_nanosecond()).map_err(|error| Error::new(Kind::Usage, error))?;
                Ok(DeliverPolicy::ByStartTime { start_time: since })
            }
            None => Ok(DeliverPolicy::All),
        }
    }

    /// The pack, if it is what it says.
    fn open(&self, message: &async_nats::Message) -> Option<(QueryId, Pack)> {
        let (id, pack) = Pack::parse(&message.payload).ok().filter(|_| !convert::is_replayed(message.headers.as_ref()))?;
        (message.subject.as_str() == self.space().archived(id)).then_some((id, pack))
    }

    pub(crate) fn space(&self) -> &Space {
        self.connection.space()
    }
}

/// What an archived message is to a reader.
#[must_use]
pub fn step(space: &Space, page: &Page) -> Step {
    convert::step(space, page.seq, page.time, &page.subject, page.replayed, &page.body)
}

fn is_missing(error: &async_nats::jetstream::stream::ConsumerError) -> bool {
    matches!(error.kind(), ConsumerErrorKind::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_NOT_FOUND)
}
