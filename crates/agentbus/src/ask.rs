//! Asking: posting a query and following it to its ending.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use jiff::Timestamp;
use protocol::{
    End, Message, Name, Problem, QueryId, Record, State,
    message::{Answer, Close, Progress, Query, Question},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Bus, Error, Receipt, Task,
    mailroom::{Letter, Letters},
};

/// How soon the coordinator is asked how the query stands: the signal of its end may be lost.
const SILENCE: Duration = Duration::from_secs(2);

/// The longest pause between two such questions; each is twice as long as the one before.
const LONG_SILENCE: Duration = Duration::from_secs(10);

/// How long after its deadline a query's ending is waited for.
const GRACE: Duration = Duration::from_secs(5);

/// How many questions of one query are passed on at the same time. More of them are left open.
const PASSED_ON: usize = 16;

/// What happens on the way.
#[derive(Clone, Debug)]
pub enum Event {
    /// An instance has taken the query.
    Accepted(Name),
    /// The agent reports progress.
    Progress(Progress),
    /// The agent asks something back.
    Question(Question),
    /// The query has ended, and the ledger has its ending.
    Ended(Box<Ended>),
}

/// How a query ended. The ledger holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The query's id.
    pub id: QueryId,
    /// The state it ended in.
    pub state: State,
    /// Sequence of the message that ended it.
    pub seq: u64,
    /// The answer that ended it, with its `result` put back if that was too large for its message.
    pub answer: Option<Box<Answer>>,
    /// The close that ended it.
    pub close: Option<Close>,
}

impl Ended {
    /// The delivery notification: what was delivered, or why nothing was.
    #[must_use]
    pub fn notification(&self) -> &str {
        match (&self.answer, &self.close) {
            (Some(answer), _) => &answer.delivery,
            (None, Some(close)) => &close.message,
            (None, None) => self.state.as_str(),
        }
    }

    fn of(record: Record) -> Option<Self> {
        let seq = record.end_seq?;
        Some(Self { id: record.id, state: record.state, seq, answer: record.answer, close: record.close })
    }
}

/// A query on its way. Dropping it leaves the query running.
#[derive(Debug)]
pub struct Asking {
    bus: Bus,
    receipt: Receipt,
    letters: Letters,
    /// Answers and closes that have arrived, and may or may not be what the ledger settles on.
    heard: Vec<Arc<Letter>>,
    /// When to ask the coordinator, unless the end is signalled before.
    look_at: Instant,
    silence: Duration,
    give_up: Timestamp,
    /// The task on whose behalf it is asked.
    behalf: Option<Task>,
}

impl Bus {
    /// Posts a query and follows it. Returns when the ledger has it.
    ///
    /// # Errors
    /// As [`Bus::post`].
    pub async fn ask(&self, query: Query) -> Result<Asking, Error> {
        let id = query.id.unwrap_or_else(QueryId::mint);
        let letters = self.open_box(id).await?;
        let give_up = query.deadline(Timestamp::now()).checked_add(GRACE).unwrap_or(Timestamp::MAX);
        let receipt = self.post_as(id, query).await?;
        Ok(Asking::new(self, receipt, letters, give_up))
    }

    /// Follows a query that was posted before, perhaps by somebody else.
    ///
    /// # Errors
    /// As [`Bus::status`].
    pub async fn follow(&self, id: QueryId) -> Result<Asking, Error> {
        let letters = self.open_box(id).await?;
        let record = self.status(id).await?;
        let give_up = record.deadline.unwrap_or(record.posted_at).checked_add(GRACE).unwrap_or(Timestamp::MAX);
        let receipt = Receipt { id, seq: record.seq, repeated: true };
        Ok(Asking::new(self, receipt, letters, give_up))
    }
}

impl Asking {
    fn new(bus: &Bus, receipt: Receipt, letters: Letters, give_up: Timestamp) -> Self {
        // A query that was there before may have ended before.
        let look_at = if receipt.repeated { Instant::now() } else { Instant::now() + SILENCE };
        Self { bus: bus.clone(), receipt, letters, heard: Vec::new(), look_at, silence: SILENCE, give_up, behalf: None }
    }

    /// Follows it on behalf of this task, and no longer than that is in hand.
    pub(crate) fn on_behalf_of(mut self, task: &Task) -> Self {
        self.behalf = Some(task.clone());
        self
    }

    /// The query's id.
    #[must_use]
    pub const fn id(&self) -> QueryId {
        self.receipt.id
    }

    /// The receipt of the query.
    #[must_use]
    pub const fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// Cancels it. Its ending is still to come, and may be another one.
    ///
    /// # Errors
    /// As [`Bus::cancel`].
    pub async fn cancel(&self, reason: Option<&str>) -> Result<(), Error> {
        self.bus.cancel(self.id(), reason).await
    }

    /// The next thing that happens; [`Event::Ended`] is the last.
    ///
    /// # Errors
    /// Only when its deadline has passed by 5 s: `unavailable` or `no_coordinator` when the ending
    /// cannot be learnt, `overdue` when there is none yet. The query itself is safe in the ledger:
    /// ask for its status later. When it has ended with a result that cannot be had: `attachment_missing`,
    /// `attachment_damaged`, `attachment_too_large`. One that is asked on behalf of a [`crate::Task`] also ends with `stopped`.
    pub async fn next(&mut self) -> Result<Event, Error> {
        let unwanted = self.behalf.as_ref().map(|task| task.stopped().clone());
        tokio::select! {
            biased;
            () = fired(unwanted.as_ref()) => Err(Problem::new("stopped", "the query on whose behalf this was asked is in hand no more").into()),
            event = self.listen() => event,
        }
    }

    async fn listen(&mut self) -> Result<Event, Error> {
        loop {
            // A look that is due comes before any letter: letters may come without end.
            let due = Instant::now() >= self.look_at;
            let letter = if due { None } else { tokio::time::timeout_at(self.look_at, self.letters.next()).await.ok().flatten() };
            let event = match letter {
                Some(letter) => self.open(letter),
                None => self.look().await?.map(|ended| Event::Ended(Box::new(ended))),
            };
            match event {
                // Should it fail, the ending is read again.
                Some(Event::Ended(mut ended)) => {
                    self.look_at = Instant::now();
                    self.bus.restore(&mut ended.answer).await?;
                    return Ok(Event::Ended(ended));
                }
                Some(event) => return Ok(event),
                None => {}
            }
        }
    }

    /// Waits for the ending. What the agent asks back about a query that was asked on behalf of a [`Task`] is passed on
    /// to that task's own requester, and the reply comes back the same way; about any other query it is left open.
    ///
    /// # Errors
    /// As [`Asking::next`].
    pub async fn ended(mut self) -> Result<Ended, Error> {
        let mut passing = FuturesUnordered::new();
        loop {
            let event = tokio::select! {
                event = self.next() => event?,
                Some(()) = passing.next(), if !passing.is_empty() => continue,
            };
            match (event, &self.behalf) {
                (Event::Ended(ended), _) => return Ok(*ended),
                (Event::Question(question), Some(task)) if passing.len() < PASSED_ON => {
                    passing.push(task.clone().pass_on(self.bus.clone(), self.id(), question));
                }
                _ => {}
            }
        }
    }

    fn open(&mut self, letter: Arc<Letter>) -> Option<Event> {
        match &*letter {
            Letter::End(end) => {
                let ended = self.settle(end);
                // What ended it was not heard, or is not what was stored: the record has it.
                if ended.is_none() {
                    self.look_at = Instant::now();
                }
                return ended.map(|ended| Event::Ended(Box::new(ended)));
            }
            Letter::Message(message) => match &message.1 {
                Message::Accept(_) => return Some(Event::Accepted(message.0.from().clone())),
                Message::Progress(progress) => return Some(Event::Progress(progress.clone())),
                Message::Question(question) => return Some(Event::Question(question.clone())),
                Message::Answer(_) | Message::Close(_) => {}
                _ => return None,
            },
        }
        // More than a few are somebody's nuisance; the record has what counts.
        if self.heard.len() < 16 {
            self.heard.push(letter);
        }
        None
    }

    /// The ledger has settled: on which of what was heard? On none, if what was stored was not heard.
    fn settle(&self, end: &End) -> Option<Ended> {
        let stored = |letter: &&Arc<Letter>| matches!(&***letter, Letter::Message(message) if message.1.digest() == end.digest);
        let Letter::Message(message) = &**self.heard.iter().find(stored)? else { return None };
        let (answer, close) = match &message.1 {
            Message::Answer(answer) => (Some(answer.clone()), None),
            Message::Close(close) => (None, Some(close.clone())),
            _ => return None,
        };
        Some(Ended { id: end.id, state: end.state, seq: end.seq, answer, close })
    }

    /// Asks the coordinator where the query stands: the signal of its end may be lost.
    async fn look(&mut self) -> Result<Option<Ended>, Error> {
        let looked = self.bus.status(self.id()).await;
        self.look_at = Instant::now() + self.silence;
        self.silence = (self.silence * 2).min(LONG_SILENCE);
        let late = Timestamp::now() > self.give_up;
        match looked {
            Ok(record) => match Ended::of(record) {
                None if late => Err(Problem::new("overdue", "the query's deadline has passed, and it has not ended")
                    .hint("Its ending is still to come: ask for its status later.")
                    .into()),
                ended => Ok(ended),
            },
            Err(error) if late => Err(error),
            // The coordinator may be restarting; the query is safe in the ledger meanwhile.
            Err(error) => {
                tracing::debug!(%error, id = %self.id(), "the query's status cannot be learnt now");
                Ok(None)
            }
        }
    }
}

/// Returns when it fires; never, where there is nothing to fire.
async fn fired(token: Option<&CancellationToken>) {
    match token {
        Some(token) => token.cancelled().await,
        None => std::future::pending().await,
    }
}
