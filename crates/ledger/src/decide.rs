//! What a coordinator should do about one query: a pure function of its fold and the time.

use jiff::{SignedDuration, Timestamp};
use protocol::message::{Outcome, Query, Reason};

use crate::{Attempt, Fold};

/// How long a coordinator waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// An assignment that was not accepted after this long becomes the next attempt. Default 2 s.
    pub accept: SignedDuration,
    /// The lease of an instance that asked for none. Default 15 s.
    pub lease: SignedDuration,
    /// The pause before a second attempt; it doubles with each further one. Default 500 ms.
    pub backoff: SignedDuration,
    /// The longest pause. Default 60 s.
    pub max_backoff: SignedDuration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            accept: SignedDuration::from_secs(2),
            lease: SignedDuration::from_secs(15),
            backoff: SignedDuration::from_millis(500),
            max_backoff: SignedDuration::from_secs(60),
        }
    }
}

/// What the coordinator knows of time, when it decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The server's time, as far as the coordinator can tell.
    pub time: Timestamp,
    /// For how long it has heard nothing of the current attempt, though it could have: by its own
    /// clock, since it read the assignment, a sign of work, or a heartbeat that names the query.
    /// `None` while it may be deaf: then the clocks of acceptance and lease stand still, because a
    /// deaf coordinator must not kill healthy work.
    pub silent: Option<SignedDuration>,
}

/// What to do about a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It has ended.
    Nothing,
    /// End it, under compare-and-set.
    Close {
        /// Which end.
        reason: Reason,
        /// A stable word for a program.
        code: &'static str,
        /// The delivery notification.
        message: String,
        /// The part of the query that is at fault.
        pointer: Option<String>,
        /// What the requester can do about it.
        hint: Option<String>,
    },
    /// Give it to an instance, as this attempt; nothing stands in the way but a free hand.
    Dispatch {
        /// The number of the attempt.
        attempt: u32,
        /// Look again then at the latest: it expires.
        until: Timestamp,
    },
    /// Look again then.
    Wait {
        /// When.
        until: Timestamp,
        /// What for, in words, where it waits for something that a person may want to know.
        why: Option<&'static str>,
    },
}

/// What to do about a query now.
#[must_use]
pub fn decide(fold: &Fold, now: &Now, policy: &Policy) -> Next {
    if fold.ended().is_some() {
        return Next::Nothing;
    }
    if let Some(refusal) = refuse(fold) {
        return refusal;
    }
    if fold.is_cancelled() {
        return close(Reason::Cancelled, "cancelled", "Cancelled by its requester.".to_owned());
    }
    let deadline = fold.posted().deadline;
    if now.time >= deadline {
        return close(Reason::Expired, "deadline_passed", format!("No answer came before its deadline, {deadline}.{}", tried(fold)));
    }
    if let Some(current) = fold.current() {
        let left = now.silent.map(|silent| patience(current, policy).saturating_sub(silent));
        match left {
            Some(left) if left <= SignedDuration::ZERO => {}
            Some(left) => return Next::Wait { until: later(now.time, left).min(deadline), why: None },
            None => return Next::Wait { until: deadline, why: None },
        }
    }
    let allowed = fold.posted().query().map_or(1, Query::attempts);
    if fold.spent() >= allowed as usize {
        return close(Reason::Dead, "attempts_spent", format!("All {allowed} attempts are spent.{}", tried(fold)))
            .hint("See what each attempt met: agentbus history ID");
    }
    let ready = pause_ends(fold, now, policy);
    if now.time < ready {
        return Next::Wait { until: ready.min(deadline), why: Some("a pause between attempts") };
    }
    Next::Dispatch { attempt: fold.last_number().saturating_add(1), until: deadline }
}

/// What makes a query none that can be answered.
fn refuse(fold: &Fold) -> Option<Next> {
    if fold.is_conflict() {
        let message = format!("The id {} belongs to another requester's query.", fold.key().id);
        return Some(close(Reason::Rejected, "conflict", message).hint("Post it under an id of its own, or under none."));
    }
    if let Some(invalid) = fold.posted().invalid() {
        let code = if invalid.keyword == "json" { "malformed_json" } else { "schema_violation" };
        let refusal = close(Reason::Rejected, code, format!("The query is not valid: {invalid}."));
        return Some(refusal.pointer(&invalid.pointer).hint("See what a query looks like: agentbus schema query"));
    }
    let query = fold.posted().query()?;
    if query.id.is_some_and(|id| id != fold.key().id) {
        return Some(close(Reason::Rejected, "id_mismatch", "The query's id is not the one in its subject.".to_owned()).pointer("/id"));
    }
    let named = query.target.as_ref().zip(fold.posted().to.name());
    if named.is_some_and(|(target, to)| target != to) {
        let message = "The query's target is not the agent in its subject.".to_owned();
        return Some(close(Reason::Rejected, "target_mismatch", message).pointer("/target"));
    }
    if query.gather.is_some() {
        let message = "Gathering answers from several agents is not part of this version.".to_owned();
        return Some(close(Reason::Rejected, "unsupported", message).pointer("/gather"));
    }
    None
}

/// For how long nothing need be heard of an attempt before it is lost.
fn patience(attempt: &Attempt, policy: &Policy) -> SignedDuration {
    if !attempt.is_spent() {
        return policy.accept;
    }
    attempt.lease_ms.map_or(policy.lease, |ms| SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX)))
}

/// When the pause after the last attempt ends. The first attempt has none, nor has the first
/// one after an assignment that nobody accepted: that one cost nobody anything.
fn pause_ends(fold: &Fold, now: &Now, policy: &Policy) -> Timestamp {
    let Some(last) = fold.attempts().last() else { return fold.posted().at };
    let unaccepted = fold.attempts().iter().rev().take_while(|attempt| !attempt.is_spent()).count();
    let (from, times) = match &last.outcome {
        Some((Outcome::Retry, at)) => (*at, fold.spent()),
        _ if unaccepted > 1 => (last.assigned_at, unaccepted),
        _ => return now.time,
    };
    let doubled = 2_i32.saturating_pow(u32::try_from(times.saturating_sub(1)).unwrap_or(u32::MAX));
    let pause = policy.backoff.checked_mul(doubled).unwrap_or(policy.max_backoff).min(policy.max_backoff);
    later(from, pause)
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// What the attempts met, for the notification.
fn tried(fold: &Fold) -> String {
    let told = |attempt: &Attempt| {
        let what = match (&attempt.failure, attempt.accepted_at) {
            (Some(failure), _) => format!("{}: {}", failure.code, failure.message),
            (None, None) => "was not accepted".to_owned(),
            (None, Some(_)) => "did not answer".to_owned(),
        };
        format!(" Attempt {} ({}): {what}.", attempt.number, attempt.agent)
    };
    let attempts = fold.attempts();
    attempts.iter().skip(attempts.len().saturating_sub(5)).map(told).collect()
}

fn close(reason: Reason, code: &'static str, message: String) -> Next {
    Next::Close { reason, code, message, pointer: None, hint: None }
}

impl Next {
    fn hint(mut self, text: &str) -> Self {
        if let Self::Close { hint, .. } = &mut self {
            *hint = Some(text.to_owned());
        }
        self
    }

    fn pointer(mut self, text: &str) -> Self {
        if let Self::Close { pointer, .. } = &mut self {
            *pointer = Some(text.to_owned());
        }
        self
    }
}

#[cfg(test)]
mod tests;
