//! What a coordinator should do about one query: a pure function of its fold and the time.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::{SignedDuration, Timestamp};
use protocol::{
    State, To,
    message::{Failure, Outcome, Reason},
};

use crate::{Attempt, Fold, Kin};

/// After so many attempts that took down what ran them, a query is taken for the cause.
pub const MOST_CRASHES: usize = 3;

/// How long a coordinator waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// An assignment that was not accepted after this long becomes the next attempt. Default 2 s.
    pub accept: SignedDuration,
    /// The lease of an instance that asked for none. Default 15 s.
    pub lease: SignedDuration,
    /// The longest pause before a second attempt; it doubles with each further one. How much of it is
    /// waited is drawn by the query's id, so that what failed together does not come back together.
    /// Default 500 ms.
    pub backoff: SignedDuration,
    /// The longest pause. Default 60 s.
    pub max_backoff: SignedDuration,
    /// The largest body that a message can have, in bytes. Default 960 KiB: 1 MiB, and room for headers.
    pub largest: usize,
}

/// How long past its deadline the answer of several agents is tried at least that the ledger does not take: after that
/// the query expires like any other.
const GATHERED_BY: SignedDuration = SignedDuration::from_secs(30);

impl Default for Policy {
    fn default() -> Self {
        Self {
            accept: SignedDuration::from_secs(2),
            lease: SignedDuration::from_secs(15),
            backoff: SignedDuration::from_millis(500),
            max_backoff: SignedDuration::from_secs(60),
            largest: 960 << 10,
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
    /// For how long the current attempt has shown no progress in the ledger, and waited for nobody that it asked;
    /// reckoned like `silent`.
    pub idle: Option<SignedDuration>,
}

/// What to do about a query.
#[derive(Clone, Debug, PartialEq)]
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
        /// Why the attempt that is still open is given up.
        gives_up: Option<Failure>,
    },
    /// Several agents are asked at once: see how far they are.
    Gather,
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
pub fn decide(fold: &Fold, kin: &Kin, now: &Now, policy: &Policy) -> Next {
    if fold.ended().is_some() {
        return Next::Nothing;
    }
    if let Some(refusal) = refuse(fold) {
        return refusal;
    }
    if let Some(refusal) = &kin.refusal {
        return close(Reason::Rejected, refusal.code, refusal.message.clone()).pointer("/parent").hint(refusal.hint);
    }
    if fold.is_cancelled() {
        return close(Reason::Cancelled, "cancelled", "Cancelled by its requester.".to_owned());
    }
    if let Some(why) = &kin.abandoned {
        return close(Reason::Cancelled, "parent_ended", why.clone());
    }
    let deadline = fold.posted().deadline;
    let given_up = kin.unanswerable && now.time >= later(deadline, GATHERED_BY);
    if fold.current().is_some_and(|current| current.agent.is_coordinator()) && !given_up {
        return Next::Gather;
    }
    if now.time >= deadline {
        let told = waited_for(fold) + &tried(fold, None);
        return close(Reason::Expired, "deadline_passed", format!("No answer came before its deadline, {deadline:.0}.{told}"));
    }
    let gives_up = match fold.current().map(|current| hold_on(fold, current, now, policy)) {
        Some(Ok(left)) => return Next::Wait { until: left.map_or(deadline, |left| later(now.time, left).min(deadline)), why: None },
        Some(Err(failure)) => Some(failure),
        None => None,
    };
    if crashes(fold, gives_up.as_ref()) >= MOST_CRASHES {
        let message = format!(
            "What had it crashed, or was not heard of until its lease ran out, {MOST_CRASHES} times.{}",
            tried(fold, gives_up.as_ref())
        );
        return close(Reason::Dead, "crashed", message).hint(&see_attempts(fold));
    }
    // With failover each candidate has its attempts; who is done is passed over when it is routed again.
    let failover = fold.posted().query().is_some_and(|query| query.failover == Some(true));
    if !failover && fold.spent() >= fold.allowed() {
        return spent(fold, gives_up.as_ref());
    }
    let ready = pause_ends(fold, now, policy);
    if now.time < ready {
        return Next::Wait { until: ready.min(deadline), why: Some("a pause between attempts") };
    }
    Next::Dispatch { attempt: fold.last_number().saturating_add(1), until: deadline, gives_up }
}

/// What to look at when attempts have failed.
fn see_attempts(fold: &Fold) -> String {
    format!("See what each attempt met: agentbus history {}", fold.key().id)
}

/// Whom a query waited for that was given to nobody.
fn waited_for(fold: &Fold) -> String {
    match &fold.posted().to {
        To::One(agent) if fold.attempts().is_empty() => format!(" It waited for {agent}."),
        _ => String::new(),
    }
}

/// The end of a query on which all attempts are spent, and nobody else is left who could have some.
pub(crate) fn spent(fold: &Fold, gives_up: Option<&Failure>) -> Next {
    let (spent, crashes) = (fold.spent(), crashes(fold, gives_up));
    let kinds = if crashes > 0 { format!(" ({crashes} by a crash)") } else { String::new() };
    let message = format!("All attempts are spent: {spent}{kinds}.{}", tried(fold, gives_up));
    close(Reason::Dead, "attempts_spent", message).hint(&see_attempts(fold))
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
    let gather = query.gather.as_ref()?;
    if query.target.is_some() || fold.posted().to.name().is_some() {
        let message = "It names one agent, and asks to gather from several.".to_owned();
        return Some(close(Reason::Rejected, "gather_and_target", message).pointer("/gather").hint("Name them all in gather.to."));
    }
    if gather.to.iter().flatten().any(protocol::Name::is_coordinator) {
        let message = "The coordinator asks; it cannot be asked.".to_owned();
        return Some(close(Reason::Rejected, "gather_unclear", message).pointer("/gather/to").hint("Name agents only."));
    }
    if !gather.is_clear() {
        let message = "It must say in exactly one way whom to gather from.".to_owned();
        return Some(
            close(Reason::Rejected, "gather_unclear", message).pointer("/gather").hint("Set one of gather.to, gather.top and gather.all."),
        );
    }
    None
}

/// How many attempts took down what ran them, with the one that is given up.
fn crashes(fold: &Fold, gives_up: Option<&Failure>) -> usize {
    fold.crashes() + usize::from(gives_up.is_some_and(|failure| failure.crash))
}

/// Whether an attempt is left where it is: for how long at least (`None`: for as long as nothing can be
/// heard of it), or why it is given up.
fn hold_on(fold: &Fold, current: &Attempt, now: &Now, policy: &Policy) -> Result<Option<SignedDuration>, Failure> {
    let (patience, code, what) = match current.is_spent() {
        false => (policy.accept, "not_accepted", "did not accept it within"),
        true => (current.lease_ms.map_or(policy.lease, millis), "lease_expired", "was not heard of for"),
    };
    let gives_up = |code: &str, what: &str, limit: SignedDuration| Failure {
        crash: code == "lease_expired",
        ..Failure::new(code, format!("the instance {} {what} {limit:#}", current.instance))
    };
    let left = now.silent.map(|silent| patience.saturating_sub(silent));
    if left.is_some_and(|left| left <= SignedDuration::ZERO) {
        return Err(gives_up(code, what, patience));
    }
    // Whoever waits for input is not to blame for the pause.
    let limit = current.stall_ms.map(millis).filter(|_| current.is_spent() && fold.state() != State::Waiting);
    let Some((limit, idle)) = limit.zip(now.idle) else { return Ok(left) };
    let rest = limit.saturating_sub(idle);
    if rest <= SignedDuration::ZERO {
        return Err(gives_up("stalled", "showed no progress for", limit));
    }
    Ok(left.map(|left| left.min(rest)))
}

fn millis(ms: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// When the pause after the last attempt ends. The first attempt has none, nor has the first
/// one after an assignment that nobody accepted, or that was given back: that one cost nobody anything. Whoever gives a
/// query back again and again makes it pause shortly each time, and no longer: a person may yet want it.
fn pause_ends(fold: &Fold, now: &Now, policy: &Policy) -> Timestamp {
    let Some(last) = fold.attempts().last() else { return fold.posted().at };
    let unspent = || fold.attempts().iter().rev().take_while(|attempt| !attempt.is_spent());
    let returned = unspent().take_while(|attempt| attempt.is_given_back()).count();
    let unaccepted = unspent().filter(|attempt| !attempt.is_given_back()).count();
    let (from, times) = match &last.outcome {
        Some((Outcome::Retry, at)) if !last.is_given_back() => (*at, fold.spent()),
        Some((Outcome::Retry, at)) if returned > 1 => (*at, 1),
        _ if unaccepted > 1 => (last.assigned_at, unaccepted),
        _ => return now.time,
    };
    let doubled = 2_i32.saturating_pow(u32::try_from(times.saturating_sub(1)).unwrap_or(u32::MAX));
    let most = policy.backoff.checked_mul(doubled).unwrap_or(policy.max_backoff).min(policy.max_backoff);
    later(from, jitter(fold, most))
}

/// A part of the longest pause, from none to all of it (full jitter). It is drawn from the query's id and
/// the attempt, so that every coordinator waits for the same moment.
fn jitter(fold: &Fold, most: SignedDuration) -> SignedDuration {
    let mut hasher = DefaultHasher::new();
    (fold.key(), fold.last_number()).hash(&mut hasher);
    let most = u64::try_from(most.as_millis()).unwrap_or_default();
    millis(hasher.finish() % most.saturating_add(1))
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// What the attempts met, for the notification.
fn tried(fold: &Fold, gives_up: Option<&Failure>) -> String {
    let told = |attempt: &Attempt| {
        let failure = attempt.failure.as_ref().or(gives_up.filter(|_| attempt.is_open()));
        let what = match (failure, attempt.accepted_at) {
            (Some(failure), _) => format!("{}: {}", failure.code, failure.message),
            (None, None) => "was not accepted".to_owned(),
            (None, Some(_)) if attempt.is_open() && fold.state() == State::Waiting => "got no reply to its question".to_owned(),
            (None, Some(_)) => "did not answer".to_owned(),
        };
        format!(" Attempt {} ({}): {}.", attempt.number, attempt.agent, what.trim_end_matches('.'))
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
