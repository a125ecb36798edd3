//! A query that this name has in hand, taken by another process: found again in its record.
//!
//! Whoever takes a query at a terminal leaves with it: nothing runs until the answer. So everything that a later command
//! needs (attempt, instance, lease) is read from the record, and what is sent counts if the attempt is still the current
//! one.

use std::{
    ops::Deref,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use protocol::{
    Attempt, AttemptState, Kind, Logged, Name, Problem, QueryId, Record, Verdict, Work,
    message::{Accept, Answer, Assign},
};
use tokio_util::sync::CancellationToken;

use super::held::{released, sendable, valid};
use crate::{
    Bus, Done, Error, Fault, Inquiry, Replied, Task,
    serve::work::{self, DEFAULT_LEASE},
};

/// How long the ledger may take to have an answer, and to show what became of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pause before a record that does not show it yet is read again.
const AGAIN: Duration = Duration::from_millis(50);

/// The time between looks whether a query about which something was asked is still in hand.
const LOOK: Duration = Duration::from_secs(1);

/// A query that an earlier process took. It is a [`Task`]: report progress and ask others by that. Dropping it changes
/// nothing.
#[derive(Debug)]
pub struct Taken {
    task: Task,
    lease_until: Option<Timestamp>,
}

impl Deref for Taken {
    type Target = Task;

    fn deref(&self) -> &Task {
        &self.task
    }
}

impl Bus {
    /// A query that this name has in hand, whichever process took it.
    ///
    /// # Errors
    /// `not_found`; `ended`; `not_taken` if it waits, `taken_away` if it was in hand and is not any more, `not_yours` if
    /// somebody else has it; `no_coordinator`, `unavailable`.
    pub async fn taken(&self, id: QueryId) -> Result<Taken, Error> {
        let record = self.history(id).await?;
        let attempt = in_hand(&record, self.name())?;
        let garbled = || Problem::new("garbled", format!("the record of the query {id} cannot be read"));
        let assign = record.messages.iter().filter(|logged| logged.kind == Kind::Assign && logged.verdict == Verdict::Counted);
        let assign = assign.filter_map(body::<Assign>).find(|assign| assign.attempt == attempt.attempt).ok_or_else(garbled)?;
        let query = serde_json::from_value(record.query.clone()).map_err(|_| garbled())?;
        let asked = signs(&record, attempt).filter(|logged| logged.kind == Kind::Question).count();
        let work = Work { id, requester: record.requester.clone(), assign, query };
        let task = Task {
            bus: self.clone(),
            work: Arc::new(work),
            stopped: CancellationToken::new(),
            leaving: CancellationToken::new(),
            asked: Arc::new(AtomicU32::new(u32::try_from(asked).unwrap_or(u32::MAX))),
        };
        Ok(Taken { task, lease_until: lease_until(&record) })
    }
}

impl Taken {
    /// Until when it stays in hand if nothing more is sent: then the next attempt begins. Later, where an
    /// [`Inbox`](crate::Inbox) holds it. `None` where nobody has accepted it yet.
    #[must_use]
    pub const fn lease_until(&self) -> Option<Timestamp> {
        self.lease_until
    }

    /// Asks the requester, and waits for the reply, as [`Task::question`] does, but no longer than the query is in hand: what
    /// has ended meanwhile goes on with nothing, nor with a default.
    ///
    /// # Errors
    /// As [`Task::question`]; `ended` or `taken_away`, a second or two after that.
    pub async fn question(&self, inquiry: Inquiry) -> Result<Replied, Error> {
        let replied = tokio::select! {
            replied = self.task.question(inquiry) => replied?,
            problem = self.lost() => return Err(problem.into()),
        };
        match self.whether_lost().await {
            Some(problem) if replied.by_default => Err(problem.into()),
            _ => Ok(replied),
        }
    }

    /// Returns when it is not in hand any more, with the reason.
    async fn lost(&self) -> Problem {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Some(problem) = self.whether_lost().await {
                // What is dropped now need not be taken back.
                self.task.stopped.cancel();
                return problem;
            }
        }
    }

    /// Why it is not in hand any more; none if it is, or if that cannot be learnt now.
    async fn whether_lost(&self) -> Option<Problem> {
        let record = self.task.voice().history(self.id()).await;
        let record = record.inspect_err(|error| tracing::debug!(id = %self.id(), %error, "the record cannot be read now")).ok()?;
        match in_hand(&record, self.agent()) {
            Ok(attempt) if attempt.attempt == self.attempt() => None,
            Ok(_) => Some(Problem::new("taken_away", format!("another attempt at the query {} has begun", self.id()))),
            Err(problem) => Some(problem),
        }
    }

    /// Answers it. Returns when the ledger has the answer and it counts.
    ///
    /// # Errors
    /// `invalid_answer`; `ended` or `taken_away` if something else was there first; `undecided` if the ledger did not
    /// have it within 10 s, or nobody can say what became of it: then try again.
    pub async fn answer(&self, done: Done) -> Result<(), Error> {
        self.send(valid(work::answer(&self.task, Ok(done)))?).await
    }

    /// Says that it failed: for good, or worth another try.
    ///
    /// # Errors
    /// As [`Taken::answer`].
    pub async fn fail(&self, fault: Fault) -> Result<(), Error> {
        self.send(work::answer(&self.task, Err(fault))).await
    }

    /// Gives it back: it waits again as before, and no attempt is spent.
    ///
    /// # Errors
    /// As [`Taken::answer`].
    pub async fn release(&self) -> Result<(), Error> {
        self.fail(released()).await
    }

    async fn send(&self, answer: Answer) -> Result<(), Error> {
        let answer = sendable(&self.task, answer).await?;
        let told = async {
            work::deliver(&self.task, answer.clone()).await;
            counted(&self.task, &answer).await
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap_or_else(|_| Err(undecided(self.id()).into()))
    }
}

/// Returns when the record has this answer, and it counts.
///
/// # Errors
/// `ended` or `taken_away` if something else was there first; `undecided` after 10 s.
pub(super) async fn counted(task: &Task, sent: &Answer) -> Result<(), Error> {
    let gist = |answer: &Answer| (answer.attempt, answer.instance.clone(), answer.outcome, answer.delivery.clone());
    let (bus, id, sent) = (task.voice(), task.id(), gist(sent));
    // The first one like it: a second would be late, whoever sent it.
    let ours = |logged: &&Logged| logged.kind == Kind::Answer && body::<Answer>(logged).is_some_and(|answer| gist(&answer) == sent);
    let told = async {
        loop {
            match bus.history(id).await {
                Ok(record) => match record.messages.iter().find(ours).map(|logged| logged.verdict) {
                    Some(Verdict::Counted) => return Ok(()),
                    Some(_) => return Err(in_hand(&record, task.agent()).err().unwrap_or_else(|| undecided(id)).into()),
                    None => {}
                },
                Err(error) => tracing::debug!(%id, %error, "the record cannot be read now"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap_or_else(|_| Err(undecided(id).into()))
}

/// The attempt that an agent has in hand, or why it has none.
fn in_hand<'r>(record: &'r Record, me: &Name) -> Result<&'r Attempt, Problem> {
    let id = record.id;
    let history = || format!("See what became of it: agentbus history {id}");
    if record.state.is_terminal() {
        return Err(Problem::new("ended", format!("the query {id} has ended: {}", record.state)).hint(history()));
    }
    let last = record.attempts.last();
    let current = last.filter(|last| matches!(last.state, AttemptState::Assigned | AttemptState::Accepted | AttemptState::Working));
    let was_mine = record.attempts.iter().rev().find(|attempt| attempt.agent == *me && attempt.accepted_at.is_some());
    let lost = was_mine.filter(|attempt| attempt.state == AttemptState::Lost);
    match (current, lost) {
        (Some(current), _) if current.agent == *me => Ok(current),
        (_, Some(lost)) => {
            let why = lost.failure.as_ref().map(|failure| format!(": {}", failure.message)).unwrap_or_default();
            Err(Problem::new("taken_away", format!("the query {id} was taken away from {me}{why}")).hint(history()))
        }
        (Some(current), None) => {
            let problem = Problem::new("not_yours", format!("the query {id} is in the hands of {}, not of {me}", current.agent));
            Err(problem.hint("Speak as whoever took it: --as NAME"))
        }
        (None, None) => {
            let waits = record.waiting_for.as_ref().map(|waits| format!(": it waits for {waits}")).unwrap_or_default();
            let problem = Problem::new("not_taken", format!("{me} has not taken the query {id}{waits}"));
            Err(problem.hint(format!("Whoever it waits for takes it first: agentbus inbox take {id} --as NAME")))
        }
    }
}

/// Until when the current attempt of a record stays in hand if nothing more is heard of it: at most until it expires.
pub(crate) fn lease_until(record: &Record) -> Option<Timestamp> {
    let attempt = record.attempts.last()?;
    let lease = signs(record, attempt).filter(|logged| logged.kind == Kind::Accept).find_map(body::<Accept>);
    let lease = lease?.lease_ms.map_or(DEFAULT_LEASE, |ms| SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX)));
    let until = signs(record, attempt).last()?.time.checked_add(lease).ok()?;
    Some(record.deadline.map_or(until, |deadline| until.min(deadline)))
}

/// What an attempt has sent that renews its lease.
fn signs<'r>(record: &'r Record, attempt: &Attempt) -> impl Iterator<Item = &'r Logged> {
    let number = attempt.attempt;
    let is_sign = move |logged: &&Logged| {
        matches!(logged.kind, Kind::Accept | Kind::Progress | Kind::Question)
            && logged.verdict == Verdict::Counted
            && logged.body.get("attempt").and_then(serde_json::Value::as_u64) == Some(number.into())
    };
    record.messages.iter().filter(is_sign)
}

fn body<T: serde::de::DeserializeOwned>(logged: &Logged) -> Option<T> {
    serde_json::from_value(logged.body.clone()).ok()
}

fn undecided(id: QueryId) -> Problem {
    let problem = Problem::new("undecided", format!("nobody knows yet whether the ledger has the answer to the query {id}"));
    problem.hint("Send it again: the first one counts, and a second changes nothing.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    const AT: &str = "2026-11-22T09:00:00Z";

    fn attempt(number: u32, agent: &str, state: &str) -> Value {
        let failure = (state == "lost").then(|| json!({ "code": "lease_expired", "message": "it was silent" }));
        let attempt = json!({ "attempt": number, "agent": agent, "instance": "i", "state": state, "assigned_at": AT, "failure": failure });
        let accepted = if state == "assigned" { Value::Null } else { json!(AT) };
        [attempt, json!({ "accepted_at": accepted })].into_iter().fold(json!({}), |mut all, part| {
            all.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
            all
        })
    }

    fn record(state: &str, attempts: &[Value]) -> Record {
        let record = json!({
            "id": QueryId::mint(), "requester": "bob", "state": state, "query": null, "seq": 1, "posted_at": AT, "attempts": attempts,
        });
        serde_json::from_value(record).unwrap()
    }

    fn code(record: &Record) -> Result<u32, String> {
        in_hand(record, &"alice".parse().unwrap()).map(|attempt| attempt.attempt).map_err(|problem| problem.code)
    }

    #[test]
    fn what_somebody_has_in_hand_is_his_and_what_he_had_is_told() {
        let refused = |code: &str| Err(code.to_owned());
        assert_eq!(code(&record("accepted", &[attempt(1, "alice", "accepted")])), Ok(1));
        assert_eq!(code(&record("working", &[attempt(1, "alice", "lost"), attempt(2, "alice", "working")])), Ok(2));
        assert_eq!(code(&record("accepted", &[attempt(1, "carol", "accepted")])), refused("not_yours"));
        assert_eq!(code(&record("accepted", &[attempt(1, "alice", "lost"), attempt(2, "carol", "accepted")])), refused("taken_away"));
        assert_eq!(code(&record("posted", &[])), refused("not_taken"));
        assert_eq!(code(&record("posted", &[attempt(1, "alice", "answered")])), refused("not_taken"), "given back");
        assert_eq!(code(&record("cancelled", &[attempt(1, "alice", "stopped")])), refused("ended"));
    }

    #[test]
    fn a_lease_begins_anew_with_each_sign_and_ends_with_the_deadline() {
        let mut record = record("working", &[attempt(1, "alice", "working")]);
        let sign = |seq: u64, kind: &str, time: &str, verdict: &str, body: Value| json!({ "seq": seq, "time": time, "kind": kind, "from": "alice", "to": "bob", "verdict": verdict, "body": body });
        let at = |attempt: u32| json!({ "attempt": attempt, "lease_ms": 60_000 });
        let accept = json!({ "agent": "alice", "attempt": 1, "instance": "i", "lease_ms": 60_000 });
        let messages = json!([
            sign(2, "accept", AT, "counted", accept),
            sign(3, "progress", "2026-11-22T09:00:30Z", "counted", at(1)),
            sign(4, "progress", "2026-11-22T09:00:50Z", "stale", at(1)),
            sign(5, "progress", "2026-11-22T09:00:55Z", "counted", at(2)),
        ]);
        record.messages = serde_json::from_value(messages).unwrap();
        assert_eq!(lease_until(&record), Some("2026-11-22T09:01:30Z".parse().unwrap()));
        record.deadline = Some("2026-11-22T09:01:00Z".parse().unwrap());
        assert_eq!(lease_until(&record), record.deadline);
    }
}
