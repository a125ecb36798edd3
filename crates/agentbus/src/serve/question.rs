//! Asking back: a handler needs input of its requester to go on, and waits for it.
//!
//! The question and the reply are messages of the ledger. The reply arrives in the agent's inbox; if it is missed there,
//! the record has it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use protocol::{
    Extra, Kind, Message, Problem, Verdict,
    message::{Progress, Question, Reply},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Task;
use crate::{Error, mailroom::Letter};

/// How soon the record is asked for a reply that may have been missed.
const SILENCE: Duration = Duration::from_secs(2);

/// How soon the record is asked when a reply was heard, which may not be stored yet.
const SOON: Duration = Duration::from_millis(10);

/// The longest pause between two such looks; each is twice as long as the one before.
const LONG_SILENCE: Duration = Duration::from_secs(30);

/// Questions of the attempt N have the numbers N × 1000 + 1 and up, so that no reply to an earlier attempt is taken for one
/// to this.
const OF_AN_ATTEMPT: u32 = 1000;

/// What a handler asks its requester.
#[derive(Clone, Debug, PartialEq)]
pub struct Inquiry {
    /// The question as text.
    pub text: String,
    /// Replies to choose from; with none, any reply will do.
    pub choices: Vec<String>,
    /// What it goes on with when nobody replies in time.
    pub default: Option<Value>,
    /// How long it waits. Default: until the query expires.
    pub within: Option<Duration>,
}

impl Inquiry {
    /// A question that anything may be replied to.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), choices: Vec::new(), default: None, within: None }
    }

    /// The same with replies to choose from, 64 at most.
    #[must_use]
    pub fn choices<T: Into<String>>(mut self, choices: impl IntoIterator<Item = T>) -> Self {
        self.choices = choices.into_iter().map(Into::into).collect();
        self
    }

    /// Goes on with this when nobody replies in time.
    #[must_use]
    pub fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// Waits for so long.
    #[must_use]
    pub const fn within(mut self, time: Duration) -> Self {
        self.within = Some(time);
        self
    }
}

/// What a handler goes on with.
#[derive(Clone, Debug, PartialEq)]
pub struct Replied {
    /// The question's number.
    pub question: u32,
    /// The reply: a text, or whatever the question asked for.
    pub value: Value,
    /// Whether nobody replied in time, and this is what the question said it would go on with.
    pub by_default: bool,
}

impl Task {
    /// Asks the requester, and waits for the reply. Meanwhile the query is waiting for input: its lease is renewed, and no
    /// stall is counted. A requester that is the coordinator (this is a part of a query to several agents) replies to
    /// nobody, so the default is taken at once.
    ///
    /// ```
    /// use agentbus::{Done, Fault, Inquiry, Task};
    ///
    /// async fn deploy(task: Task) -> Result<Done, Fault> {
    ///     let sure = Inquiry::new("Deploy to production?").choices(["yes", "no"]).default("no");
    ///     let replied = task.question(sure.within(std::time::Duration::from_secs(300))).await?;
    ///     Ok(Done::new(if replied.value == "yes" { "Deployed." } else { "Left as it is." }))
    /// }
    /// ```
    ///
    /// # Errors
    /// `question_unanswered` when nobody replied in time and there is no default, `nobody_to_ask` for a part of a query to
    /// several agents, `too_many_questions` after 999 in one attempt; what is wrong with the question, `payload_too_large`,
    /// `storage_full`, `unavailable`.
    pub async fn question(&self, inquiry: Inquiry) -> Result<Replied, Error> {
        if self.requester().is_coordinator() {
            let number = self.next_question()?;
            self.waive(number, inquiry.default.as_ref(), "a part of a query to several agents has nobody to ask").await?;
            return by_default(number, inquiry.default, "nobody_to_ask", "a part of a query to several agents has nobody to ask");
        }
        // Opened first: a reply may come before the question's acknowledgement.
        let mut letters = self.voice().open_box(self.id()).await?;
        let until_deadline = Duration::try_from(self.assignment().deadline.duration_since(Timestamp::now())).unwrap_or_default();
        let within = inquiry.within.unwrap_or(until_deadline).min(until_deadline);
        let mut open = self.put_question(&inquiry, within).await?;
        let number = open.number;
        let (give_up, mut silence) = (Instant::now() + within, SILENCE);
        let mut look_at = Instant::now() + silence;
        loop {
            match tokio::time::timeout_at(look_at.min(give_up), letters.next()).await {
                // Heard is not stored, and another reply may have been stored before: the record says which one counts.
                Ok(Some(letter)) if self.is_reply(&letter, number) => (silence, look_at) = (SOON, Instant::now()),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => {
                    if let Some(value) = self.recorded_reply(number).await {
                        open.settled = true;
                        return Ok(Replied { question: number, value, by_default: false });
                    }
                    if Instant::now() >= give_up {
                        break;
                    }
                    silence = (silence * 2).min(LONG_SILENCE);
                    look_at = Instant::now() + silence;
                }
            }
        }
        let why = format!("nobody replied to the question {number} within {within:.0?}");
        self.waive(number, inquiry.default.as_ref(), &why).await?;
        open.settled = true;
        // A reply that the ledger has before that counts.
        match self.recorded_reply(number).await {
            Some(value) => Ok(Replied { question: number, value, by_default: false }),
            None => by_default(number, inquiry.default, "question_unanswered", &why),
        }
    }

    fn next_question(&self) -> Result<u32, Error> {
        let earlier = self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if earlier >= OF_AN_ATTEMPT - 1 {
            return Err(Problem::new("too_many_questions", format!("one attempt asks no more than {} questions", OF_AN_ATTEMPT - 1)).into());
        }
        Ok(self.attempt().saturating_mul(OF_AN_ATTEMPT).saturating_add(earlier + 1))
    }

    /// Asks, under a number that nothing else has asked under: another process may ask about the same attempt.
    async fn put_question(&self, inquiry: &Inquiry, within: Duration) -> Result<Open<'_>, Error> {
        let assign = self.assignment();
        loop {
            let number = self.next_question()?;
            let question = Question {
                agent: assign.agent.clone(),
                attempt: assign.attempt,
                instance: assign.instance.clone(),
                question: number,
                text: inquiry.text.clone(),
                choices: (!inquiry.choices.is_empty()).then(|| inquiry.choices.clone()),
                default: inquiry.default.clone(),
                timeout_ms: u64::try_from(within.as_millis()).ok().map(|ms| ms.max(1)),
                extra: Extra::new(),
            };
            // From here on it may be asked: whoever stops waiting in the middle of this has asked it, too.
            let mut open = Open { task: self, number, settled: false };
            let asked = self.bus.publish(&self.subject(Kind::Question)?, Message::Question(question)).await;
            open.settled = asked.as_ref().is_err_and(|error| error.code() != "unavailable");
            if self.voice().verdict(self.id(), asked?).await != Some(Verdict::Duplicate) {
                return Ok(open);
            }
            // Another process has asked under this number: its question stays.
            open.settled = true;
        }
    }

    /// Whether a letter is a reply to this question, of whoever asked the query.
    fn is_reply(&self, letter: &Arc<Letter>, number: u32) -> bool {
        let Letter::Message(message) = &**letter else { return false };
        matches!(&**message, (subject, Message::Reply(reply)) if subject.from() == self.requester() && reply.question == number)
    }

    /// The reply that counts, as the record has it. That it cannot be read now is no reason to give up.
    async fn recorded_reply(&self, number: u32) -> Option<Value> {
        let record = self.voice().history(self.id()).await;
        let record = record.inspect_err(|error| tracing::debug!(id = %self.id(), %error, "the record cannot be read now")).ok()?;
        let counted = record.messages.into_iter().filter(|logged| logged.verdict == Verdict::Counted);
        for logged in counted {
            match logged.kind {
                Kind::Progress if logged.body.get("defaulted").and_then(Value::as_u64) == Some(number.into()) => return None,
                Kind::Reply => match serde_json::from_value::<Reply>(logged.body) {
                    Ok(reply) if reply.question == number => return Some(reply.reply),
                    _ => {}
                },
                _ => {}
            }
        }
        None
    }

    /// Says that it waits for a reply no longer, and with what it goes on.
    async fn waive(&self, number: u32, default: Option<&Value>, why: &str) -> Result<(), Error> {
        let assign = self.assignment();
        let (status, told) = match default {
            Some(default) => ("going on with the default", json!({ "_because": why, "_default": default })),
            None => ("going on without a reply", json!({ "_because": why })),
        };
        let progress = Progress {
            agent: assign.agent.clone(),
            status: status.to_owned(),
            progress: told.as_object().cloned(),
            attempt: Some(assign.attempt),
            instance: Some(assign.instance.clone()),
            defaulted: Some(number),
            extra: Extra::new(),
        };
        self.bus.publish(&self.subject(Kind::Progress)?, Message::Progress(progress)).await.map(drop)
    }
}

/// What a question without a reply comes to.
fn by_default(number: u32, default: Option<Value>, code: &str, why: &str) -> Result<Replied, Error> {
    match default {
        Some(value) => Ok(Replied { question: number, value, by_default: true }),
        None => Err(Problem::new(code, why).into()),
    }
}

/// A question that is asked. If whoever waits for the reply goes away, nobody is to reply to it.
struct Open<'t> {
    task: &'t Task,
    number: u32,
    settled: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if self.settled || self.task.stopped.is_cancelled() || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (task, number) = (self.task.clone(), self.number);
        self.task.bus.inner.tasks.spawn(async move {
            if let Err(error) = task.waive(number, None, "nobody waits for the reply any more").await {
                tracing::debug!(id = %task.id(), number, %error, "a question stays open that nobody waits for");
            }
        });
    }
}
