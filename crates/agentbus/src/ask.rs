//! Asking: posting a query and following it to its ending.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use protocol::{
    End, Message, Name, QueryId, Record, State,
    message::{Answer, Close, Progress, Query, Question},
};
use tokio::sync::mpsc;

use crate::{Bus, Error, Receipt, mailroom::Letter};

/// How long nothing may be heard before the coordinator is asked: the signal may be lost.
const SILENCE: Duration = Duration::from_secs(2);

/// The longest pause between two such questions.
const LONG_SILENCE: Duration = Duration::from_secs(10);

/// How long after its deadline a query's ending is waited for.
const GRACE: Duration = Duration::from_secs(15);

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
    /// The answer that ended it.
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
    letters: mpsc::Receiver<Arc<Letter>>,
    /// Answers and closes that have arrived, and may or may not be what the ledger settles on.
    heard: Vec<Arc<Letter>>,
    silence: Duration,
    give_up: Timestamp,
}

impl Bus {
    /// Posts a query and follows it. Returns when the ledger has it.
    ///
    /// # Errors
    /// As [`Bus::post`].
    pub async fn ask(&self, query: Query) -> Result<Asking, Error> {
        let id = query.id.unwrap_or_else(QueryId::mint);
        let letters = self.inner.mailroom.open_box(id);
        let give_up = query.deadline(Timestamp::now()).checked_add(GRACE).unwrap_or(Timestamp::MAX);
        let receipt = self.post_as(id, query).await?;
        // A query that was there before may have ended before.
        let silence = if receipt.repeated { Duration::ZERO } else { SILENCE };
        Ok(Asking { bus: self.clone(), receipt, letters, heard: Vec::new(), silence, give_up })
    }

    /// Follows a query that was posted before, perhaps by somebody else.
    ///
    /// # Errors
    /// As [`Bus::status`].
    pub async fn follow(&self, id: QueryId) -> Result<Asking, Error> {
        let letters = self.inner.mailroom.open_box(id);
        let record = self.status(id).await?;
        let give_up = record.deadline.unwrap_or(record.posted_at).checked_add(GRACE).unwrap_or(Timestamp::MAX);
        let receipt = Receipt { id, seq: record.seq, repeated: true };
        Ok(Asking { bus: self.clone(), receipt, letters, heard: Vec::new(), silence: Duration::ZERO, give_up })
    }
}

impl Asking {
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

    /// The next thing that happens; [`Event::Ended`] is the last.
    ///
    /// # Errors
    /// `unavailable` or `no_coordinator` when the ending cannot be learnt, though its deadline
    /// has long passed. The query itself is safe in the ledger: ask for its status later.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            match tokio::time::timeout(self.silence, self.letters.recv()).await {
                Ok(Some(letter)) => {
                    if let Some(event) = self.open(letter).await? {
                        return Ok(event);
                    }
                }
                Ok(None) | Err(_) => {
                    if let Some(ended) = self.look().await? {
                        return Ok(Event::Ended(Box::new(ended)));
                    }
                }
            }
        }
    }

    /// Waits for the ending.
    ///
    /// # Errors
    /// As [`Asking::next`].
    pub async fn ended(mut self) -> Result<Ended, Error> {
        loop {
            if let Event::Ended(ended) = self.next().await? {
                return Ok(*ended);
            }
        }
    }

    async fn open(&mut self, letter: Arc<Letter>) -> Result<Option<Event>, Error> {
        match &*letter {
            Letter::End(end) => return Ok(Some(Event::Ended(Box::new(self.settle(end).await?)))),
            Letter::Message(message) => match &message.1 {
                Message::Accept(_) => return Ok(Some(Event::Accepted(message.0.from().clone()))),
                Message::Progress(progress) => return Ok(Some(Event::Progress(progress.clone()))),
                Message::Question(question) => return Ok(Some(Event::Question(question.clone()))),
                Message::Answer(_) | Message::Close(_) => {}
                _ => return Ok(None),
            },
        }
        self.heard.push(letter);
        Ok(None)
    }

    /// The ledger has settled: which of what was heard was it?
    async fn settle(&self, end: &End) -> Result<Ended, Error> {
        let by = end.agent.as_ref().zip(end.attempt).zip(end.instance.as_ref());
        let heard = |letter: &Arc<Letter>| {
            let Letter::Message(message) = &**letter else { return None };
            match (&message.1, by) {
                (Message::Answer(answer), Some(((agent, attempt), instance))) => {
                    let won = answer.agent == *agent && answer.attempt == attempt && answer.instance == *instance;
                    won.then(|| (Some(answer.clone()), None))
                }
                (Message::Close(close), None) => (close.reason.state() == end.state).then(|| (None, Some(close.clone()))),
                _ => None,
            }
        };
        if let Some((answer, close)) = self.heard.iter().find_map(heard) {
            return Ok(Ended { id: end.id, state: end.state, seq: end.seq, answer, close });
        }
        let record = self.bus.status(self.id()).await?;
        Ended::of(record).ok_or_else(|| Error::not_found("the ending"))
    }

    /// Nothing was heard for a while: asks the coordinator where the query stands.
    async fn look(&mut self) -> Result<Option<Ended>, Error> {
        self.silence = (self.silence * 2).clamp(SILENCE, LONG_SILENCE);
        match self.bus.status(self.id()).await {
            Ok(record) => Ok(Ended::of(record)),
            Err(error) if Timestamp::now() > self.give_up => Err(error),
            // The coordinator may be restarting; the query is safe in the ledger meanwhile.
            Err(error) => {
                tracing::debug!(%error, id = %self.id(), "the query's status cannot be learnt now");
                if error.is_unavailable() {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Ok(None)
            }
        }
    }
}
