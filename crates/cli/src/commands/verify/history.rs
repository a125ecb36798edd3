//! The rules of a legal history, told once more: plainly, and apart from the fold by which the bus runs.
//!
//! Each query is followed by a few words of state of its own, and by the fold; where the two disagree, one of them is
//! wrong. Pure. Some things are no fault: an agent may answer late, or beside a close that was faster, and such
//! messages are kept and change nothing. Faults are what compare-and-set makes impossible for a coordinator.

use std::collections::HashMap;

use agentbus::{Entry, Message, Name, QueryId, State};
use jiff::{SignedDuration, Timestamp};
use ledger::{Book, Key};
use protocol::{
    InstanceId,
    message::{Answer, Assign, Close, Gather, Outcome, Reason, Until},
};

/// For how long after its deadline a query may have no ending yet.
const GRACE: SignedDuration = SignedDuration::from_secs(60);

/// Something about a query that should not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suspicion {
    /// The query.
    pub(super) id: QueryId,
    /// The message that shows it.
    pub(super) seq: u64,
    /// A stable word for a program.
    pub(super) code: &'static str,
    /// What is wrong, for a person.
    pub(super) message: String,
}

/// The histories of queries, told from their messages in order.
#[derive(Debug, Default)]
pub(super) struct History {
    cases: HashMap<Key, Case>,
    book: Book,
    faults: Vec<Suspicion>,
}

/// What must be known of a query to judge what comes next.
#[derive(Debug)]
struct Case {
    seq: u64,
    deadline: Option<Timestamp>,
    /// In whose hands it is: agent, instance and attempt.
    hand: Option<(Name, InstanceId, u32)>,
    /// The highest attempt so far.
    attempt: u32,
    is_cancelled: bool,
    /// Whether it was asked on behalf of another query.
    is_delegated: bool,
    /// How many of several agents' answers it waits for, and until when.
    gathers: Option<(Until, Timestamp)>,
    /// Which message ended it, and how.
    ended: Option<(u64, State)>,
    /// The close that was stored for it, whether it counted or not.
    closed: Option<u64>,
}

impl History {
    /// The next message.
    pub(super) fn hear(&mut self, entry: &Entry) {
        self.book.apply(entry);
        let Some(key) = entry.key() else { return };
        if let Some(case) = self.cases.get_mut(&key) {
            let fault = case.hear(entry);
            self.faults.extend(fault.map(|(code, message)| Suspicion { id: key.id, seq: entry.seq, code, message }));
            return;
        }
        if entry.subject.kind() == protocol::Kind::Query {
            self.cases.insert(key, Case::begin(entry));
        }
    }

    /// How many queries there are.
    pub(super) fn queries(&self) -> usize {
        self.cases.len()
    }

    /// How many of them have ended.
    pub(super) fn ended(&self) -> usize {
        self.cases.values().filter(|case| case.ended.is_some()).count()
    }

    /// What should not be, in the order of the messages that show it.
    pub(super) fn suspicions(&self, now: Timestamp) -> Vec<Suspicion> {
        let mut all = self.faults.clone();
        for (key, case) in &self.cases {
            let suspicion = |seq, code, message| Suspicion { id: key.id, seq, code, message };
            let folded = self.book.get(key);
            let by_fold = folded.and_then(|fold| fold.ended()).map(|ended| (ended.seq, ended.state));
            if folded.is_some() && by_fold != case.ended {
                let message = format!("the fold says that it ended by {}, and its messages say by {}", told(by_fold), told(case.ended));
                all.push(suspicion(case.seq, "ending_disputed", message));
            }
            let overdue = |at: Timestamp| now.duration_since(at) > GRACE;
            if case.ended.is_none() && case.deadline.is_some_and(overdue) {
                all.push(suspicion(case.seq, "overdue", "its deadline has passed, and it has not ended".to_owned()));
            }
        }
        all.sort_by_key(|suspicion| suspicion.seq);
        all
    }
}

fn told(ended: Option<(u64, State)>) -> String {
    ended.map_or_else(|| "nothing".to_owned(), |(seq, state)| format!("message {seq} as {state}"))
}

/// A rule that was broken, and how.
type Fault = (&'static str, String);

impl Case {
    fn begin(entry: &Entry) -> Self {
        let query = match &entry.body {
            Ok(Message::Query(query)) => Some(query),
            _ => None,
        };
        let deadline = query.map(|query| query.deadline(entry.time));
        let due = |gather: &Gather| {
            let ms = gather.timeout_ms.and_then(|ms| i64::try_from(ms).ok()).unwrap_or(i64::MAX);
            entry.time.checked_add(jiff::SignedDuration::from_millis(ms)).unwrap_or(Timestamp::MAX)
        };
        // Reckoned from when it was posted: a coordinator begins later, and answers later.
        let gather = query.and_then(|query| query.gather.as_ref());
        Self {
            seq: entry.seq,
            deadline,
            hand: None,
            attempt: 0,
            is_cancelled: false,
            is_delegated: query.is_some_and(|query| query.parent.is_some()),
            gathers: gather.map(|gather| (gather.until(), due(gather).min(deadline.unwrap_or(Timestamp::MAX)))),
            ended: None,
            closed: None,
        }
    }

    /// Whether an answer of several agents came before its time, or names nobody.
    fn is_no_answer(&self, entry: &Entry, answer: &Answer) -> bool {
        let Some((until, due)) = self.gathers else { return false };
        let completed = answer.parts.iter().filter(|part| part.state == State::Completed).count();
        let open = answer.parts.iter().filter(|part| !part.state.is_terminal()).count();
        let waits = match until {
            Until::All => open > 0,
            Until::First | Until::Quorum(_) => completed < until.needed() && completed + open >= until.needed(),
        };
        answer.parts.is_empty() || waits && entry.time < due
    }

    fn hear(&mut self, entry: &Entry) -> Option<Fault> {
        match entry.body.as_ref().ok()? {
            Message::Assign(assign) => self.assigned(assign),
            Message::Answer(answer) => {
                self.answered(entry, answer);
                None
            }
            Message::Close(close) => self.closed(entry, close),
            Message::Cancel(_) if self.ended.is_none() => {
                self.is_cancelled = true;
                None
            }
            _ => None,
        }
    }

    fn assigned(&mut self, assign: &Assign) -> Option<Fault> {
        if let Some(closed) = self.closed.filter(|_| self.ended.is_some()) {
            return Some(("assigned_after_close", format!("attempt {} was assigned after message {closed} had closed it", assign.attempt)));
        }
        if self.ended.is_some() {
            return None;
        }
        if assign.attempt <= self.attempt {
            return Some(("attempt_not_rising", format!("attempt {} was assigned after attempt {}", assign.attempt, self.attempt)));
        }
        self.attempt = assign.attempt;
        self.hand = Some((assign.agent.clone(), assign.instance.clone(), assign.attempt));
        None
    }

    /// An answer counts from whoever has the query in hand. All others are late or stale, and no fault.
    fn answered(&mut self, entry: &Entry, answer: &Answer) {
        let from = (entry.subject.from().clone(), answer.instance.clone(), answer.attempt);
        if self.ended.is_some() || self.hand.as_ref() != Some(&from) || self.is_no_answer(entry, answer) {
            return;
        }
        self.hand = None;
        self.ended = match answer.outcome {
            Outcome::Completed => Some((entry.seq, State::Completed)),
            Outcome::Failed => Some((entry.seq, State::Failed)),
            Outcome::Retry => None,
        };
    }

    fn closed(&mut self, entry: &Entry, close: &Close) -> Option<Fault> {
        if let (Some(closed), Some(_)) = (self.closed, self.ended) {
            return Some(("closed_twice", format!("it was closed as {} after message {closed} had closed it", close.reason.state())));
        }
        if self.ended.is_some() {
            return None;
        }
        let may = match close.reason {
            Reason::Expired => self.deadline.is_some_and(|deadline| entry.time >= deadline),
            // What was asked on behalf of another query ends with that.
            Reason::Cancelled => self.is_cancelled || self.is_delegated,
            Reason::Rejected | Reason::Unroutable | Reason::Dead => true,
        };
        if may {
            self.closed = Some(entry.seq);
            self.ended = Some((entry.seq, close.reason.state()));
        }
        None
    }
}

#[cfg(test)]
mod tests;
