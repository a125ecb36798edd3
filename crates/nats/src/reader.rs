//! Reading the ledger in order, from a place in it, and on without a gap.

use std::time::Duration;

use async_nats::jetstream::{
    ErrorCode,
    consumer::{DeliverPolicy, ReplayPolicy, push},
    stream::ConsumerErrorKind,
};
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use ledger::{Entry, Key};
use protocol::Space;
use tokio::sync::watch;

use crate::{Connection, Error, Kind, convert, election::elected, ledger as stream};

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first message.
    First,
    /// At this sequence.
    Seq(u64),
    /// At the first message that was stored then or later.
    Time(Timestamp),
    /// After what is stored now.
    Now,
}

/// How long to wait before a reader that was cut off tries again.
const AGAIN: Duration = Duration::from_millis(200);

/// How long a reader of the whole ledger hears nothing before it asks the server whether there is something: the node of
/// a cluster that read for it may be gone, which the library takes 10 s to notice. It doubles while that leads to nothing.
const SILENCE: Duration = Duration::from_secs(2);

/// The longest such silence.
const LONG_SILENCE: Duration = Duration::from_secs(30);

/// What a step of reading led to.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The next entry.
    Entry(Box<Entry>),
    /// A stored message whose subject is none of the bus: it is nobody's message.
    PassedOver {
        /// The query under whose guard the server counts it all the same, if there is one.
        key: Option<Key>,
        /// Its sequence.
        seq: u64,
        /// When it was stored.
        time: Timestamp,
        /// Its subject.
        subject: String,
        /// What is wrong with that.
        reason: String,
    },
    /// Nothing yet, as after the loss of the connection.
    Nothing,
}

/// A stored message that has not been read yet. Reading it is work for the processor alone, which may be
/// done elsewhere.
#[derive(Debug)]
pub struct Sealed {
    space: Space,
    seq: u64,
    time: Timestamp,
    subject: async_nats::Subject,
    replayed: bool,
    payload: bytes::Bytes,
}

impl Sealed {
    /// Reads it.
    #[must_use]
    pub fn open(self) -> Step {
        convert::step(&self.space, self.seq, self.time, &self.subject, self.replayed, &self.payload)
    }
}

/// Reads the ledger in order. It survives the loss of its connection and of the server: it goes
/// on after the last entry that it gave out.
pub struct Reader {
    connection: Connection,
    filters: Vec<String>,
    start: Start,
    /// The first sequence that may still be given out.
    next: u64,
    /// How many entries the server still had to send when it sent the last one.
    pending: u64,
    messages: Option<push::Ordered>,
    /// How often the connection had broken when the consumer was made.
    breaks: watch::Receiver<u64>,
    /// How long it waits before it asks whether there is something.
    silence: Duration,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("filters", &self.filters).field("next", &self.next).finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens a reader of what stands under `filters`; of everything if there are none.
    ///
    /// # Errors
    /// `no_ledger` or `unavailable`.
    pub async fn open(connection: Connection, start: Start, filters: Vec<String>) -> Result<Self, Error> {
        // "Now" is a sequence, so that a reader that is cut off before its first entry misses none.
        let start = match start {
            Start::Now => Start::Seq(stream::info(&connection).await?.state.last_sequence + 1),
            other => other,
        };
        let next = if let Start::Seq(seq) = start { seq } else { 0 };
        let breaks = connection.breaks.subscribe();
        let mut reader = Self { connection, filters, start, next, pending: 0, messages: None, breaks, silence: SILENCE };
        reader.messages = Some(reader.consume().await?);
        Ok(reader)
    }

    /// Opens a reader of the whole ledger for a service that starts: a cluster that is electing is waited for, 20 s at most.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub async fn of_all(connection: &Connection) -> Result<Self, Error> {
        elected(|| Self::open(connection.clone(), Start::First, Vec::new())).await
    }

    async fn consume(&mut self) -> Result<push::Ordered, Error> {
        let deliver_policy = match self.start {
            _ if self.next > 0 => DeliverPolicy::ByStartSequence { start_sequence: self.next },
            Start::Time(at) => {
                let at = async_nats::datetime::from_nanos(at.as_nanosecond()).map_err(|error| Error::new(Kind::Usage, error))?;
                DeliverPolicy::ByStartTime { start_time: at }
            }
            _ => DeliverPolicy::All,
        };
        let config = push::OrderedConfig {
            deliver_subject: self.connection.client.new_inbox(),
            deliver_policy,
            filter_subjects: self.filters.clone(),
            replay_policy: ReplayPolicy::Instant,
            ..Default::default()
        };
        let unavailable = |error: &dyn std::fmt::Display| Error::new(Kind::Unavailable, error);
        let stream = self.connection.js.get_stream_no_info(self.connection.space().ledger()).await.map_err(|error| unavailable(&error))?;
        let consumer = stream.create_consumer(config).await.map_err(|error| match error.kind() {
            ConsumerErrorKind::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_NOT_FOUND => Error::new(Kind::NoLedger, cause),
            _ => unavailable(&error),
        })?;
        self.pending = consumer.cached_info().num_pending;
        consumer.messages().await.map_err(|error| unavailable(&error))
    }

    /// The next entry. Waits until there is one; while the server is away, it waits for that.
    pub async fn next(&mut self) -> Entry {
        loop {
            if let Step::Entry(entry) = self.advance().await {
                return *entry;
            }
        }
    }

    /// One step towards the next entry. Safe to cancel.
    pub async fn advance(&mut self) -> Step {
        self.sealed().await.map_or(Step::Nothing, |sealed| sealed.open())
    }

    /// The next message, unread; or nothing yet, as after the loss of the connection. Safe to cancel.
    pub async fn sealed(&mut self) -> Option<Sealed> {
        let Some(messages) = self.messages.as_mut() else {
            match self.consume().await {
                Ok(messages) => self.messages = Some(messages),
                Err(error) => {
                    tracing::debug!(%error, "the ledger cannot be read; trying again");
                    tokio::time::sleep(AGAIN).await;
                }
            }
            return None;
        };
        let message = tokio::select! {
            biased;
            message = messages.next() => message.and_then(Result::ok),
            // A server that was restarted knows nothing of the consumer, and the library takes two heartbeats to notice.
            _ = self.breaks.changed() => None,
            () = left_out(&self.connection, self.next, self.silence), if self.filters.is_empty() => {
                self.silence = (self.silence * 2).min(LONG_SILENCE);
                None
            }
        };
        let Some(message) = message else {
            // The consumer is gone, or may be: begin a new one where this one was.
            self.messages = None;
            return None;
        };
        self.silence = SILENCE;
        let info = message.info().ok()?;
        let (seq, time) = (info.stream_sequence, convert::timestamp(info.published));
        self.pending = info.pending;
        // The library begins a consumer that was cut off early at the first message again.
        if seq < self.next {
            return None;
        }
        self.next = seq + 1;
        let space = self.connection.space().clone();
        // Its headers end here, on the thread that made them.
        let replayed = convert::is_replayed(message.headers.as_ref());
        let (message, _) = message.split();
        Some(Sealed { space, seq, time, subject: message.subject, replayed, payload: message.payload })
    }

    /// What [`Reader::sealed`] returns, if it would at once.
    pub fn ready(&mut self) -> Option<Option<Sealed>> {
        // To begin anew takes its time.
        self.messages.as_ref()?;
        self.sealed().now_or_never()
    }

    /// How many entries the server still had to send when it sent the last one.
    #[must_use]
    pub const fn pending(&self) -> u64 {
        self.pending
    }

    /// Whether everything that the server knew of when it sent the last entry has been given out.
    #[must_use]
    pub const fn is_caught_up(&self) -> bool {
        self.pending == 0
    }

    /// The first sequence that has not been given out.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.next
    }
}

/// Returns when nothing has come for so long and the ledger has given out more sequences than were read. They may all be
/// archived by now: then a new consumer finds nothing either.
async fn left_out(connection: &Connection, next: u64, silence: Duration) {
    loop {
        tokio::time::sleep(silence).await;
        match stream::info(connection).await {
            Ok(info) if info.state.last_sequence >= next.max(1) => return,
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "whether there is something to read cannot be learnt now"),
        }
    }
}
