//! What a handler sees: a task to do, and how to say how it went.

use std::future::Future;

use futures::future::BoxFuture;
use nats::Connection;
use protocol::{
    Extra, Fact, Kind, Message, Name, QueryId, Subject, To, Work,
    message::{Assign, Attachment, Failure, Progress, Query, Usage},
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{Bus, Error};

/// Does an agent's work. Any `Fn(Task) -> impl Future<Output = Result<Done, Fault>>` is one.
pub trait Handler: Send + Sync + 'static {
    /// Works on one query. The future is dropped when the query ends without it; a panic is a
    /// failure worth another try.
    fn handle(&self, task: Task) -> BoxFuture<'static, Result<Done, Fault>>;

    /// The answer to a query that needs no work, as one that is known already; none by default, and then
    /// [`Handler::handle`] does it. Such an answer shows by itself that the query was taken: it is stored with no acceptance
    /// before it, which spares one of four messages. Nothing that may take the process down belongs here: an instance that
    /// dies before it has accepted has spent no attempt, so the query goes to the next one.
    fn at_once(&self, _query: &Query) -> Option<Done> {
        None
    }
}

impl<F, R> Handler for F
where
    F: Fn(Task) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Done, Fault>> + Send + 'static,
{
    fn handle(&self, task: Task) -> BoxFuture<'static, Result<Done, Fault>> {
        Box::pin(self(task))
    }
}

/// A query in hand.
#[derive(Clone, Debug)]
pub struct Task {
    pub(crate) bus: Bus,
    pub(crate) work: std::sync::Arc<Work>,
    pub(crate) stopped: CancellationToken,
    /// Fires when the instance stops before the work is done.
    pub(crate) leaving: CancellationToken,
    /// How many questions it has asked.
    pub(crate) asked: std::sync::Arc<std::sync::atomic::AtomicU32>,
}

impl Task {
    /// The query's id.
    #[must_use]
    pub fn id(&self) -> QueryId {
        self.work.id
    }

    /// Who asks.
    #[must_use]
    pub fn requester(&self) -> &Name {
        &self.work.requester
    }

    /// The query.
    #[must_use]
    pub fn query(&self) -> &Query {
        &self.work.query
    }

    /// The question as text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.work.query.payload.query
    }

    /// The number of this attempt.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.work.assign.attempt
    }

    /// The assignment: attempt, instance, deadline, and why this agent.
    #[must_use]
    pub fn assignment(&self) -> &Assign {
        &self.work.assign
    }

    /// Who is to answer.
    #[must_use]
    pub fn agent(&self) -> &Name {
        &self.work.assign.agent
    }

    /// The bus, to look facts up or to ask others.
    #[must_use]
    pub const fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Fires when the query has ended without this attempt.
    #[must_use]
    pub const fn stopped(&self) -> &CancellationToken {
        &self.stopped
    }

    /// Reports progress to the requester, as in `("counting", [("lines", 3)])`. Returns when the
    /// ledger has it.
    ///
    /// # Errors
    /// What is wrong with the report, `payload_too_large`, `storage_full`, `unavailable`.
    pub async fn progress<K: Into<String>, V: Into<Value>>(
        &self,
        status: impl Into<String>,
        progress: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), Error> {
        let progress: Extra = progress.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let assign = &self.work.assign;
        let progress = Progress {
            agent: assign.agent.clone(),
            status: status.into(),
            progress: (!progress.is_empty()).then_some(progress),
            attempt: Some(assign.attempt),
            instance: Some(assign.instance.clone()),
            defaulted: None,
            extra: Extra::new(),
        };
        let subject = self.subject(Kind::Progress)?;
        self.bus.publish(&subject, Message::Progress(progress)).await.map(drop)
    }

    pub(super) fn subject(&self, kind: Kind) -> Result<Subject, Error> {
        let (agent, requester) = (self.agent().clone(), self.requester().clone());
        Ok(Subject::new(kind, self.id(), agent, To::One(requester))?)
    }

    pub(super) fn connection(&self) -> &Connection {
        self.bus.connection()
    }
}

/// Work that is done.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// The delivery notification: what was delivered, in words.
    pub delivery: String,
    /// The answer proper.
    pub result: Option<Value>,
    /// The facts that it rests on.
    pub facts: Vec<Fact>,
    /// What was asked and nobody knows.
    pub unknown: Vec<String>,
    /// What it cost.
    pub usage: Option<Usage>,
    /// What goes with the answer.
    pub attachments: Vec<Attachment>,
}

impl Done {
    /// Work that is done, with its delivery notification.
    #[must_use]
    pub fn new(delivery: impl Into<String>) -> Self {
        Self { delivery: delivery.into(), ..Self::default() }
    }

    /// The same with an answer proper.
    #[must_use]
    pub fn result(mut self, result: Value) -> Self {
        self.result = Some(result);
        self
    }

    /// The same with these bytes as an attachment. However many they are: what is too large for the answer's
    /// message goes by reference. A file need not be read into memory for this: see [`Task::attach`].
    #[must_use]
    pub fn attach(self, name: impl Into<String>, bytes: &[u8]) -> Self {
        self.attachment(Attachment::inline(name, bytes))
    }

    /// The same with an attachment that was made before, or that came with the query.
    #[must_use]
    pub fn attachment(mut self, attachment: Attachment) -> Self {
        self.attachments.push(attachment);
        self
    }
}

/// Work that failed.
#[derive(Clone, Debug)]
pub struct Fault {
    pub(super) failure: Failure,
    pub(super) again: bool,
    pub(super) usage: Option<Box<Usage>>,
}

impl Fault {
    /// It failed, and another try may go better. `code` is a stable word (`[a-z][a-z0-9_]*`).
    #[must_use]
    pub fn retry(code: &str, message: impl Into<String>) -> Self {
        Self::new(code, message, true)
    }

    /// The work took down what ran it, and another try may go better. A query ends after three crashes.
    #[must_use]
    pub fn crash(code: &str, message: impl Into<String>) -> Self {
        let mut fault = Self::retry(code, message);
        fault.failure.crash = true;
        fault
    }

    /// It failed, and would fail again.
    #[must_use]
    pub fn fail(code: &str, message: impl Into<String>) -> Self {
        Self::new(code, message, false)
    }

    /// Adds a field to the failure that the record keeps, as in `("exit_code", 3)`.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.failure.extra.insert(field.to_owned(), value.into());
        self
    }

    /// Adds what the attempt cost all the same. It counts against the budget.
    #[must_use]
    pub fn used(mut self, usage: Usage) -> Self {
        self.usage = Some(Box::new(usage));
        self
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.failure.code
    }

    /// Whether another try may go better.
    #[must_use]
    pub const fn is_retry(&self) -> bool {
        self.again
    }

    fn new(code: &str, message: impl Into<String>, again: bool) -> Self {
        let mut message = message.into();
        if message.is_empty() {
            message.push_str("no reason was given");
        }
        Self { failure: Failure::new(code, message), again, usage: None }
    }
}

/// An error of the bus may pass: the work is worth another try. An attachment that is missing or damaged stays so.
impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        if let Error::Attachment(error) = error {
            return Self::fail(error.code(), error.to_string());
        }
        Self::retry(error.code(), error.to_string())
    }
}
