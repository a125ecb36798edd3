//! One attempt: accept, work, answer. The answer is sent until the ledger has it.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use jiff::SignedDuration;
use nats::Kind as NatsKind;
use protocol::{
    Extra, Kind, Message, Subject,
    message::{Accept, Answer, Failure, Outcome, Usage},
    schema,
};

use super::{Done, Fault, Handler, Task};
use crate::{AttachmentError, Error, attach::may_pass};

/// The pause before an answer that was not stored is sent again; it doubles up to [`LONGEST`].
const AGAIN: Duration = Duration::from_millis(100);

/// Why an answer failed that the ledger does not take.
const TOO_LARGE: &str = "payload_too_large";

/// How long giving work back may take while the instance stops.
const GIVE_BACK: Duration = Duration::from_secs(3);

/// The lease of an attempt that names none.
pub(crate) const DEFAULT_LEASE: SignedDuration = SignedDuration::from_secs(15);

/// The longest such pause.
const LONGEST: Duration = Duration::from_secs(1);

/// How an agent takes a query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// For how long it may be silent about it.
    pub(crate) lease: Duration,
    /// For how long it may show no progress.
    pub(crate) stall: Option<Duration>,
}

/// Works on one query and answers it, unless it is stopped.
pub(super) async fn attempt(task: Task, handler: Arc<dyn Handler>, terms: Terms) {
    let stopped = task.stopped.clone();
    let work = async {
        if let Some(done) = handler.at_once(task.query()) {
            return Ok(done);
        }
        // On its way before anything that the handler sends.
        accepted(&task, terms).await;
        handler.handle(task.clone()).await
    };
    let all = async {
        let result = AssertUnwindSafe(work).catch_unwind().await;
        let result = result.unwrap_or_else(|_| Err(Fault::crash("handler_panicked", "the handler panicked; its log says where")));
        deliver(&task, answer(&task, result)).await;
    };
    tokio::select! {
        biased;
        () = stopped.cancelled() => tracing::debug!(id = %task.id(), "stopped"),
        () = task.leaving.cancelled() => give_back(&task, STOPPED).await,
        () = all => {}
    }
}

/// Why an instance that stops gives work back.
pub(crate) const STOPPED: &str = "the instance stopped before the work was done";

/// The work is not done here: another instance may go on at once, and no attempt is spent.
pub(crate) async fn give_back(task: &Task, why: &str) {
    let fault = Fault::retry(Failure::GIVEN_BACK, why);
    if tokio::time::timeout(GIVE_BACK, deliver(task, answer(task, Err(fault)))).await.is_err() {
        tracing::warn!(id = %task.id(), "the work was not given back in time; its lease will run out");
    }
}

/// Says that the query is taken, and does not wait until the ledger has it: if that is lost, the first progress or the
/// answer shows it as well.
async fn accepted(task: &Task, terms: Terms) {
    let sent = match acceptance(task, terms) {
        Ok((subject, message)) => task.bus.publish_unconfirmed(&subject, message).await,
        Err(error) => Err(error),
    };
    if let Err(error) = sent {
        tracing::warn!(id = %task.id(), %error, "the acceptance was not sent");
    }
}

/// Says that the query is taken; returns when the ledger has it.
pub(crate) async fn accept(task: &Task, terms: Terms) -> Result<(), Error> {
    let (subject, message) = acceptance(task, terms)?;
    task.bus.publish(&subject, message).await.map(drop)
}

fn acceptance(task: &Task, terms: Terms) -> Result<(Subject, Message), Error> {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let assign = &task.work.assign;
    let accept = Accept {
        agent: assign.agent.clone(),
        attempt: assign.attempt,
        instance: assign.instance.clone(),
        lease_ms: Some(millis(terms.lease)),
        stall_ms: terms.stall.map(millis),
        extra: Extra::new(),
    };
    Ok((task.subject(Kind::Accept)?, Message::Accept(accept)))
}

/// The answer that this result of an attempt is; a failure for good, where it is none that can be sent.
pub(crate) fn answer(task: &Task, result: Result<Done, Fault>) -> Answer {
    let assign = &task.work.assign;
    let (outcome, done, failure) = match result {
        Ok(done) => (Outcome::Completed, done, None),
        Err(fault) => {
            let outcome = if fault.again { Outcome::Retry } else { Outcome::Failed };
            (outcome, Done { usage: fault.usage.map(|usage| *usage), ..Done::new(fault.failure.message.clone()) }, Some(fault.failure))
        }
    };
    let delivery = if done.delivery.is_empty() { "Done.".to_owned() } else { done.delivery };
    let answer = Answer {
        agent: assign.agent.clone(),
        attempt: assign.attempt,
        instance: assign.instance.clone(),
        outcome,
        delivery,
        result: done.result,
        result_at: None,
        attachments: done.attachments,
        facts: done.facts,
        unknown: done.unknown,
        parts: Vec::new(),
        usage: done.usage.map(Usage::exact),
        failure,
        extra: Extra::new(),
    };
    let body = Message::Answer(Box::new(answer.clone())).to_value();
    match schema::check_body("answer", &body) {
        Ok(()) => answer,
        // What it says it cost may be what is wrong.
        Err(invalid) => {
            refused(Answer { usage: None, ..answer }, "invalid_answer", &format!("the handler's answer is not valid: {invalid}"))
        }
    }
}

/// The same attempt with a failure for good in place of an answer that cannot be sent.
fn refused(answer: Answer, code: &str, message: &str) -> Answer {
    let failure = Fault::fail(code, message).failure;
    Answer {
        outcome: Outcome::Failed,
        delivery: message.to_owned(),
        result: None,
        result_at: None,
        attachments: Vec::new(),
        facts: Vec::new(),
        unknown: Vec::new(),
        failure: Some(failure),
        ..answer
    }
}

/// Sends the answer until the ledger has it. The fold takes the first and passes over the rest.
pub(crate) async fn deliver(task: &Task, answer: Answer) {
    let Ok(subject) = task.subject(Kind::Answer) else { return };
    let (mut message, mut pause) = (Message::Answer(Box::new(fitted(task, answer).await)), AGAIN);
    loop {
        let Err(error) = task.connection().append(&subject, &message, None).await else { return };
        match message {
            Message::Answer(answer) if error.kind() == NatsKind::PayloadTooLarge && !is_too_large(&answer) => {
                let shorter = refused(*answer, TOO_LARGE, &format!("the answer is too large: {error}"));
                message = Message::Answer(Box::new(shorter));
            }
            same => {
                tracing::warn!(id = %task.id(), %error, "the answer is not stored yet; sending it again");
                message = same;
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
        }
    }
}

/// The answer with what is too large for it moved out. What can be stored later is tried until then, as the answer is.
async fn fitted(task: &Task, mut answer: Answer) -> Answer {
    let (mut pause, mut said) = (AGAIN, false);
    loop {
        let Err(error) = task.bus.fit_answer(task.id(), &mut answer).await else { return answer };
        // A store that is full has room again when something has left it: what was worked out is not thrown away for that.
        if !may_pass(&error) && error.code() != NatsKind::StorageFull.code() {
            let code = if matches!(error, Error::Attachment(AttachmentError::TooLarge { .. })) { TOO_LARGE } else { error.code() };
            return refused(answer, code, &format!("the answer cannot be sent: {error}"));
        }
        tracing::warn!(id = %task.id(), %error, "what goes with the answer is not stored yet; sending it again");
        if error.code() == NatsKind::StorageFull.code() && !std::mem::replace(&mut said, true) {
            // Should it stay full, the record says why no answer came.
            let _ = task.progress("the answer is there and waits for room in the store of attachments", [("_error", error.code())]).await;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Whether it says already that another answer was too large.
fn is_too_large(answer: &Answer) -> bool {
    answer.failure.as_ref().is_some_and(|failure| failure.code == TOO_LARGE)
}
