//! A query in hand: what one who took it can do, and what becomes of it when nobody does anything.

use std::{
    ops::Deref,
    sync::{Mutex, PoisonError},
};

use protocol::{
    Message, Problem,
    message::{Answer, Failure},
};
use tokio::sync::oneshot;

use super::taken::counted;
use crate::{
    Done, Error, Fault, Task,
    serve::work::{self, STOPPED, Terms},
};

/// A query that was taken from an [`Inbox`](crate::Inbox). Dropping it gives it back. It is a [`Task`]: report
/// progress and ask others by that; [`Task::stopped`] fires when it was taken away, or has ended without us.
#[derive(Debug)]
pub struct Held {
    task: Task,
    /// Told when nothing is left to do; dropped, it is given back.
    over: Mutex<Option<oneshot::Sender<()>>>,
}

impl Deref for Held {
    type Target = Task;

    fn deref(&self) -> &Task {
        &self.task
    }
}

impl Held {
    /// Answers it. Returns when the ledger has the answer, and it counts.
    ///
    /// # Errors
    /// `stopped` if it was taken away, or the inbox was closed; `ended` if it was answered from here before, or ended otherwise;
    /// `taken_away`; `undecided` if nobody can say within 10 s what became of it. `invalid_answer`, `payload_too_large` and
    /// what is wrong with its attachments: then it is still in hand.
    pub async fn answer(&self, done: Done) -> Result<(), Error> {
        self.settle(valid(work::answer(&self.task, Ok(done)))?).await
    }

    /// Says that it failed: for good, or worth another try.
    ///
    /// # Errors
    /// As [`Held::answer`].
    pub async fn fail(&self, fault: Fault) -> Result<(), Error> {
        self.settle(work::answer(&self.task, Err(fault))).await
    }

    /// Gives it back: it waits again as before, and no attempt is spent. Returns when the ledger has it.
    ///
    /// # Errors
    /// As [`Held::answer`].
    pub async fn release(&self) -> Result<(), Error> {
        self.fail(released()).await
    }

    /// Keeps it in hand beyond this inbox: it stays with its agent until the lease runs out, unless a
    /// [`Taken`](crate::Taken) reports progress, answers it or gives it back.
    pub fn keep(self) {
        self.finish();
    }

    async fn settle(&self, answer: Answer) -> Result<(), Error> {
        if self.lock().as_ref().is_some_and(oneshot::Sender::is_closed) {
            return Err(stopped(&self.task));
        }
        let answer = sendable(&self.task, answer).await?;
        // Taken before it is sent: of two who answer at once, one does. If the sending is given up, it is given back.
        let Some(over) = self.lock().take() else {
            return Err(Problem::new("ended", format!("the query {} was answered or given back already", self.id())).into());
        };
        let stored = self.stopped().run_until_cancelled(work::deliver(&self.task, answer.clone())).await;
        let _ = over.send(());
        stored.ok_or_else(|| stopped(&self.task))?;
        counted(&self.task, &answer).await
    }

    fn finish(&self) {
        if let Some(over) = self.lock().take() {
            let _ = over.send(());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<oneshot::Sender<()>>> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One attempt by somebody who asked for it: accepts it, hands it over, and sees to it that it is given back if it is
/// dropped, or if the inbox stops.
pub(crate) async fn hold(task: Task, give: oneshot::Sender<Result<Held, Error>>, terms: Terms) {
    if let Err(error) = work::accept(&task, terms).await {
        let _ = give.send(Err(error));
        return work::give_back(&task, "the acceptance was not stored").await;
    }
    let (over, mut ended) = oneshot::channel();
    // If the taker has given up meanwhile, this drops it.
    let _ = give.send(Ok(Held { task: task.clone(), over: Mutex::new(Some(over)) }));
    tokio::select! {
        biased;
        ended = &mut ended => if ended.is_err() {
            work::give_back(&task, "it was not answered").await;
        },
        () = task.stopped().cancelled() => {}
        () = task.leaving.cancelled() => work::give_back(&task, STOPPED).await,
    }
}

/// An answer, or why it is none that can be sent.
pub(super) fn valid(answer: Answer) -> Result<Answer, Error> {
    match answer.failure {
        Some(failure) => Err(Problem::new(&failure.code, failure.message).into()),
        None => Ok(answer),
    }
}

/// An answer with what is too large for it moved out; an error, where it does not fit into a message even so.
pub(super) async fn sendable(task: &Task, mut answer: Answer) -> Result<Answer, Error> {
    task.bus().fit_answer(task.id(), &mut answer).await?;
    let (size, most) = (Message::Answer(Box::new(answer.clone())).to_bytes().len(), task.bus().connection().max_body());
    if size > most {
        let problem =
            Problem::new("payload_too_large", format!("the answer takes {size} bytes, and no more than {most} fit into a message"));
        return Err(problem.hint("It is still in hand. Say less, and attach what is long as a file.").into());
    }
    Ok(answer)
}

/// Whoever took it gives it back.
pub(super) fn released() -> Fault {
    Fault::retry(Failure::GIVEN_BACK, "whoever took it gave it back")
}

fn stopped(task: &Task) -> Error {
    let problem = Problem::new("stopped", format!("the query {} is not in hand any more: it has ended, or was taken away", task.id()));
    problem.hint(format!("See what became of it: agentbus history {}", task.id())).into()
}
