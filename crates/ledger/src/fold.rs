//! The state of one query, and the rules by which stored messages change it.
//!
//! The fold never looks at a clock: what it knows of time is when the server stored each
//! message. It never refuses a message either; it says what it made of it.

use jiff::Timestamp;
use protocol::{
    AttemptState, InstanceId, Invalid, Message, Name, State, To, Verdict,
    message::{Accept, Answer, Assign, Close, Gather, Outcome, Priority, Query, Reason},
};

use crate::{
    Attempt, Content, Entry, Key,
    questions::Questions,
    whole::{due, shows_settled},
};

/// The query as it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Posted {
    /// Its sequence.
    pub seq: u64,
    /// When it was stored.
    pub at: Timestamp,
    /// Where it was sent: one agent, or any.
    pub to: To,
    /// Its request type; none if it is no valid query.
    pub request_type: Option<Box<str>>,
    /// Which goes first where not all can.
    pub priority: Priority,
    /// When it expires.
    pub deadline: Timestamp,
    /// Its content, to tell a repetition from a conflict.
    pub content: Content,
    /// What was asked, while it matters: a ledger holds many queries that have ended.
    asked: Option<Result<Box<Query>, Invalid>>,
}

impl Posted {
    fn new(entry: &Entry) -> Self {
        let query = match &entry.body {
            Ok(Message::Query(query)) => Ok(Box::new(query.clone())),
            Err(invalid) => Err(invalid.clone()),
            Ok(other) => Err(mismatch(other)),
        };
        Self {
            seq: entry.seq,
            at: entry.time,
            to: entry.subject.to().clone(),
            request_type: query.as_ref().ok().map(|query| query.request_type.as_str().into()),
            priority: query.as_ref().map(|query| query.priority()).unwrap_or_default(),
            deadline: query.as_ref().map_or(entry.time, |query| query.deadline(entry.time)),
            content: Content::of(entry.subject.id(), entry.subject.to(), &entry.body),
            asked: Some(query),
        }
    }

    /// The query. None if it is not valid, or has ended: then the ledger has it, and nobody else.
    #[must_use]
    pub fn query(&self) -> Option<&Query> {
        self.asked.as_ref()?.as_deref().ok()
    }

    /// Why it is no valid query, until it has ended.
    #[must_use]
    pub fn invalid(&self) -> Option<&Invalid> {
        self.asked.as_ref()?.as_ref().err()
    }
}

/// How and when a query ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The state it ended in.
    pub state: State,
    /// Sequence of the message that ended it.
    pub seq: u64,
    /// When that message was stored.
    pub at: Timestamp,
    /// Whose answer ended it: agent, attempt and instance. None for a close.
    pub by: Option<(Name, u32, InstanceId)>,
}

/// The state of one query.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    key: Key,
    posted: Posted,
    /// The id belongs to an earlier query of another requester.
    conflict: bool,
    attempts: Vec<Attempt>,
    questions: Questions,
    cancelled: bool,
    ended: Option<Ended>,
    /// Last sequence under the filter by which queries, assignments and endings exclude each other.
    guard: u64,
}

impl Fold {
    /// Begins with a stored query. `conflict`: the id belongs to another requester's query.
    pub(crate) fn begin(key: Key, entry: &Entry, conflict: bool) -> Self {
        Self {
            key,
            posted: Posted::new(entry),
            conflict,
            attempts: Vec::new(),
            questions: Questions::default(),
            cancelled: false,
            ended: None,
            guard: entry.seq,
        }
    }

    /// Applies the next message of this query, in ledger order, and says what became of it.
    pub fn apply(&mut self, entry: &Entry) -> Verdict {
        let Ok(message) = &entry.body else {
            return if self.ended.is_some() { Verdict::Late } else { Verdict::Invalid };
        };
        if let Message::Query(_) = message {
            return if Content::of(entry.subject.id(), entry.subject.to(), &entry.body) == self.posted.content {
                Verdict::Duplicate
            } else {
                Verdict::Conflict
            };
        }
        // The first terminal message in ledger order has ended it. Nothing after that counts.
        if self.ended.is_some() {
            return Verdict::Late;
        }
        let from = entry.subject.from();
        match message {
            Message::Assign(assign) => self.assign(entry, assign),
            Message::Accept(accept) => self.accept(entry, accept),
            Message::Progress(progress) => match (progress.attempt, &progress.instance) {
                (Some(attempt), Some(instance)) => {
                    let verdict = self.work(entry, from, attempt, instance);
                    if let (Verdict::Counted, Some(question)) = (verdict, progress.defaulted) {
                        self.questions.waive(question);
                    }
                    verdict
                }
                _ => Verdict::Stale,
            },
            Message::Question(question) => {
                if self.questions.is_asked(question.question) && self.current_is(from, question.attempt, &question.instance) {
                    return Verdict::Duplicate;
                }
                let verdict = self.work(entry, from, question.attempt, &question.instance);
                if verdict == Verdict::Counted {
                    self.questions.ask(question.question);
                }
                verdict
            }
            // It counts even if its question is stored later: the two are written by two connections.
            Message::Reply(reply) => counted_if(self.questions.reply(reply.question)),
            Message::Answer(answer) => self.answer(entry, answer),
            Message::Close(close) => self.close(entry, close),
            Message::Cancel(_) => counted_if(!std::mem::replace(&mut self.cancelled, true)),
            Message::Query(_) | Message::Notice(_) => Verdict::Orphan,
        }
    }

    fn assign(&mut self, entry: &Entry, assign: &Assign) -> Verdict {
        if assign.attempt <= self.last_number() {
            return Verdict::Stale;
        }
        if let Some(lost) = self.attempts.last_mut().filter(|attempt| attempt.is_open()) {
            lost.state = AttemptState::Lost;
            lost.failure.clone_from(&assign.gives_up);
        }
        self.questions.begin_attempt();
        // Nearly always there is one.
        self.attempts.reserve_exact(1);
        let mut attempt = Attempt::new(assign, entry.time);
        // A coordinator that asks several agents at once needs no acceptance of its own.
        if !assign.parts.is_empty() {
            attempt.taken(entry.time);
            attempt.state = AttemptState::Working;
            attempt.due = self.gather().map(|gather| due(gather, entry.time, assign.deadline));
        }
        self.attempts.push(attempt);
        Verdict::Counted
    }

    fn accept(&mut self, entry: &Entry, accept: &Accept) -> Verdict {
        let Some(attempt) = self.matching(entry.subject.from(), accept.attempt, &accept.instance) else {
            return Verdict::Stale;
        };
        if attempt.state != AttemptState::Assigned {
            return Verdict::Duplicate;
        }
        attempt.taken(entry.time);
        attempt.state = AttemptState::Accepted;
        (attempt.lease_ms, attempt.stall_ms) = (accept.lease_ms, accept.stall_ms);
        Verdict::Counted
    }

    /// A sign of work: it also shows that the instance has taken the query.
    fn work(&mut self, entry: &Entry, from: &Name, number: u32, instance: &InstanceId) -> Verdict {
        let Some(attempt) = self.matching(from, number, instance) else {
            return Verdict::Stale;
        };
        attempt.taken(entry.time);
        attempt.state = AttemptState::Working;
        Verdict::Counted
    }

    fn gather(&self) -> Option<&Gather> {
        self.posted.query()?.gather.as_ref()
    }

    /// Whether an answer for several agents comes before its time, by the server's clock: parts are open that it
    /// must wait for.
    fn is_early(&self, entry: &Entry, answer: &Answer) -> bool {
        let due = self.current().and_then(|attempt| attempt.due);
        let waits = self.gather().is_some_and(|gather| !shows_settled(gather.until(), &answer.parts));
        waits && due.is_some_and(|due| entry.time < due)
    }

    fn answer(&mut self, entry: &Entry, answer: &Answer) -> Verdict {
        let from = entry.subject.from();
        if self.current_is(from, answer.attempt, &answer.instance) && self.is_early(entry, answer) {
            return Verdict::Premature;
        }
        // Whoever answers for several names them.
        let named = |attempt: &&mut Attempt| attempt.due.is_none() || !answer.parts.is_empty();
        let Some(attempt) = self.matching(from, answer.attempt, &answer.instance).filter(named) else {
            return Verdict::Stale;
        };
        attempt.taken(entry.time);
        attempt.state = AttemptState::Answered;
        attempt.outcome = Some((answer.outcome, entry.time));
        attempt.failure.clone_from(&answer.failure);
        let state = match answer.outcome {
            Outcome::Completed => State::Completed,
            Outcome::Failed => State::Failed,
            Outcome::Retry => return Verdict::Counted,
        };
        let by = Some((from.clone(), answer.attempt, answer.instance.clone()));
        self.end(Ended { state, seq: entry.seq, at: entry.time, by });
        Verdict::Counted
    }

    fn end(&mut self, ended: Ended) {
        self.ended = Some(ended);
        self.posted.asked = None;
    }

    /// Time only permits `expired`, and it is the server's time; a cancel only permits `cancelled`.
    fn close(&mut self, entry: &Entry, close: &Close) -> Verdict {
        let permitted = match close.reason {
            Reason::Expired => entry.time >= self.posted.deadline,
            // What is asked on behalf of another query ends with it; only the trees know of that.
            Reason::Cancelled => self.cancelled || self.posted.query().is_some_and(|query| query.parent.is_some()),
            Reason::Rejected | Reason::Unroutable | Reason::Dead => true,
        };
        if !permitted {
            return Verdict::Premature;
        }
        if let Some(attempt) = self.attempts.last_mut().filter(|attempt| attempt.is_open()) {
            attempt.state = AttemptState::Stopped;
        }
        self.end(Ended { state: close.reason.state(), seq: entry.seq, at: entry.time, by: None });
        Verdict::Counted
    }

    /// Notes a message under the guard filter: also one that belongs to another record, and junk.
    pub(crate) fn guarded(&mut self, seq: u64) {
        self.guard = seq;
    }

    fn matching(&mut self, from: &Name, number: u32, instance: &InstanceId) -> Option<&mut Attempt> {
        self.attempts.last_mut().filter(|attempt| attempt.is(from, number, instance))
    }

    fn current_is(&self, from: &Name, number: u32, instance: &InstanceId) -> bool {
        self.attempts.last().is_some_and(|attempt| attempt.is(from, number, instance))
    }

    /// Where the query stands.
    #[must_use]
    pub fn state(&self) -> State {
        if let Some(ended) = &self.ended {
            return ended.state;
        }
        match self.current().map(|attempt| attempt.state) {
            Some(AttemptState::Assigned) => State::Assigned,
            Some(AttemptState::Accepted) => State::Accepted,
            Some(_) if self.questions.any_open() => State::Waiting,
            Some(_) => State::Working,
            None => State::Posted,
        }
    }

    /// Whether the attempt in hand waits for the reply to this question.
    #[must_use]
    pub fn awaits(&self, question: u32) -> bool {
        self.current().is_some() && self.questions.is_open(question)
    }

    /// Which query this is.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// The query as it was stored.
    #[must_use]
    pub const fn posted(&self) -> &Posted {
        &self.posted
    }

    /// Whether its id belongs to another requester's query.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        self.conflict
    }

    /// Whether its requester has cancelled it.
    #[must_use]
    pub const fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// Its attempts, oldest first.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// The attempt that is in somebody's hands.
    #[must_use]
    pub fn current(&self) -> Option<&Attempt> {
        self.attempts.last().filter(|attempt| attempt.is_open())
    }

    /// How many attempts are spent: those that an instance took and did not give back.
    #[must_use]
    pub fn spent(&self) -> usize {
        self.attempts.iter().filter(|attempt| attempt.is_spent()).count()
    }

    /// How many attempts were spent on one agent.
    #[must_use]
    pub fn spent_by(&self, agent: &Name) -> usize {
        self.attempts.iter().filter(|attempt| attempt.is_spent() && attempt.agent == *agent).count()
    }

    /// How many attempts took down what ran them.
    #[must_use]
    pub fn crashes(&self) -> usize {
        self.attempts.iter().filter(|attempt| attempt.is_crash()).count()
    }

    /// How many attempts may be spent on one agent.
    #[must_use]
    pub fn allowed(&self) -> usize {
        self.posted.query().map_or(1, |query| query.attempts() as usize)
    }

    /// Whether an agent has had all its attempts at this query.
    #[must_use]
    pub fn is_done_with(&self, agent: &Name) -> bool {
        self.spent_by(agent) >= self.allowed()
    }

    /// The highest attempt number so far; 0 before the first.
    #[must_use]
    pub fn last_number(&self) -> u32 {
        self.attempts.last().map_or(0, |attempt| attempt.number)
    }

    /// How it ended, if it has.
    #[must_use]
    pub const fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// The sequence that an assignment or close must expect under compare-and-set.
    #[must_use]
    pub const fn guard(&self) -> u64 {
        self.guard
    }
}

const fn counted_if(new: bool) -> Verdict {
    if new { Verdict::Counted } else { Verdict::Duplicate }
}

fn mismatch(message: &Message) -> Invalid {
    Invalid { pointer: String::new(), keyword: "type".to_owned(), reason: format!("a {} is no query", message.kind()) }
}

#[cfg(test)]
mod tests;
