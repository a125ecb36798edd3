//! The rules of the ledger once more, written as plainly as possible: for each message of a
//! record, what counts is read off all messages before it, from the beginning. Slow on purpose,
//! and shares no code with the fold that it judges.

use jiff::{SignedDuration, Timestamp};
use ledger::{Entry, Key};
use protocol::{
    InstanceId, Kind, Message, Name, State, Verdict,
    message::{Accept, Answer, Assign, Failure, Outcome, Query, Reason, Until},
};

use crate::stream::Stored;

/// An assignment by what must match: agent, attempt, instance.
pub(crate) type Holder = (Name, u32, InstanceId);

/// What is true of one query after some prefix of the ledger.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Truth {
    pub(crate) state: State,
    /// Sequence of the message that ended it.
    pub(crate) end: Option<u64>,
    /// The highest attempt so far.
    pub(crate) number: u32,
    pub(crate) spent: usize,
    /// How many of those took down what ran them.
    pub(crate) crashes: usize,
    /// Last sequence under the query's guard filter.
    pub(crate) guard: u64,
    /// Who has it in hand.
    pub(crate) current: Option<Holder>,
    /// Whether that one has shown that it has it, and the lease that it asked for.
    pub(crate) taken: bool,
    pub(crate) lease_ms: Option<u64>,
    /// For how long that one may show no progress.
    pub(crate) stall_ms: Option<u64>,
    /// The id was taken by another requester.
    pub(crate) conflict: bool,
    pub(crate) cancelled: bool,
    pub(crate) deadline: Timestamp,
    pub(crate) verdicts: Vec<(u64, Verdict)>,
}

/// The messages of one record, and what was made of those that have been looked at.
struct Past<'a> {
    entries: Vec<&'a Entry>,
    verdicts: Vec<Verdict>,
    deadline: Timestamp,
}

/// What is true of `key`, given everything that is stored under its id. None without a query.
pub(crate) fn truth(log: &[&Stored], key: &Key) -> Option<Truth> {
    let is_query = |entry: &Entry| entry.subject.kind() == Kind::Query;
    let all: Vec<&Entry> = log.iter().filter_map(|stored| stored.entry.as_ref()).collect();
    let entries: Vec<&Entry> = all.iter().copied().filter(|entry| belongs(entry, key)).skip_while(|entry| !is_query(entry)).collect();
    let query = *entries.first()?;
    let conflict = all.iter().any(|entry| is_query(entry) && entry.seq < query.seq && entry.subject.from() != &key.requester);

    let mut past = Past { deadline: deadline(query), entries, verdicts: Vec::new() };
    for i in 0..past.entries.len() {
        let verdict = past.judge(i, conflict);
        past.verdicts.push(verdict);
    }
    let n = past.entries.len();
    Some(Truth {
        state: past.state(),
        end: past.end(n).map(|end| past.entries[end].seq),
        number: past.assigns(n).map(|(_, assign)| assign.attempt).max().unwrap_or(0),
        spent: past.assigns(n).filter(|(i, _)| past.is_taken(*i)).count() - past.retries(n, |f| f.code == "instance_stopped"),
        crashes: past.crashes(n),
        guard: log.iter().filter(|stored| stored.slot == *key && stored.seq >= query.seq).map(|stored| stored.seq).max()?,
        current: past.current(n).map(|(_, assign)| (assign.agent.clone(), assign.attempt, assign.instance.clone())),
        taken: past.current(n).is_some_and(|(i, _)| past.is_taken(i)),
        lease_ms: past.acceptance().and_then(|accept| accept.lease_ms),
        stall_ms: past.acceptance().and_then(|accept| accept.stall_ms),
        conflict,
        cancelled: past.counted(n).any(|(_, message)| matches!(message, Message::Cancel(_))),
        deadline: past.deadline,
        verdicts: past.entries.iter().map(|entry| entry.seq).zip(past.verdicts.iter().copied()).collect(),
    })
}

/// Requesters and coordinators write from the requester, agents to it.
fn belongs(entry: &Entry, key: &Key) -> bool {
    match entry.subject.kind() {
        Kind::Query | Kind::Assign | Kind::Reply | Kind::Cancel | Kind::Close => *entry.subject.from() == key.requester,
        Kind::Accept | Kind::Progress | Kind::Question | Kind::Answer => entry.subject.to().name() == Some(&key.requester),
        Kind::Notice => false,
    }
}

fn deadline(entry: &Entry) -> Timestamp {
    let after = |ms: u64| entry.time + SignedDuration::from_millis(ms as i64);
    let Ok(Message::Query(Query { deadline, timeout_ms, .. })) = &entry.body else { return entry.time };
    let wanted = deadline.unwrap_or(Timestamp::MAX).min(timeout_ms.map_or(Timestamp::MAX, after));
    let wanted = if deadline.is_none() && timeout_ms.is_none() { after(600_000) } else { wanted };
    wanted.min(after(7 * 24 * 3_600_000))
}

impl Past<'_> {
    /// What becomes of message `i`, given those before it.
    fn judge(&self, i: usize, conflict: bool) -> Verdict {
        let entry = self.entries[i];
        let ended = self.end(i).is_some();
        let from = entry.subject.from();
        let is_current = |attempt: u32, instance: &InstanceId| {
            self.current(i).is_some_and(|(_, a)| a.agent == *from && a.attempt == attempt && a.instance == *instance)
        };
        let since = self.current(i).map_or(0, |(index, _)| index);
        let before = |wanted: &dyn Fn(&Message) -> bool| self.counted(i).any(|(_, message)| wanted(message));
        let in_attempt = |wanted: &dyn Fn(&Message) -> bool| self.counted(i).any(|(j, message)| j > since && wanted(message));

        let Ok(message) = &entry.body else {
            return if ended { Verdict::Late } else { Verdict::Invalid };
        };
        if let Message::Query(query) = message {
            let first = self.entries[0];
            let same = matches!(&first.body, Ok(Message::Query(other)) if other == query) && first.subject.to() == entry.subject.to();
            return match (i, conflict, same) {
                (0, true, _) => Verdict::Conflict,
                (0, false, _) => Verdict::Counted,
                (_, _, true) => Verdict::Duplicate,
                (_, _, false) => Verdict::Conflict,
            };
        }
        if ended {
            return Verdict::Late;
        }
        let (counts, otherwise) = match message {
            Message::Assign(assign) => (self.assigns(i).all(|(_, earlier)| earlier.attempt < assign.attempt), Verdict::Stale),
            Message::Accept(accept) if !is_current(accept.attempt, &accept.instance) => (false, Verdict::Stale),
            Message::Accept(_) => (!in_attempt(&is_sign), Verdict::Duplicate),
            Message::Progress(p) => {
                let named = p.attempt.zip(p.instance.as_ref());
                (named.is_some_and(|(attempt, instance)| is_current(attempt, instance)), Verdict::Stale)
            }
            Message::Question(q) if !is_current(q.attempt, &q.instance) => (false, Verdict::Stale),
            Message::Question(q) => {
                let again = |m: &Message| matches!(m, Message::Question(earlier) if earlier.question == q.question);
                (!in_attempt(&again), Verdict::Duplicate)
            }
            Message::Answer(answer) if !is_current(answer.attempt, &answer.instance) => (false, Verdict::Stale),
            Message::Answer(answer) => (!self.is_early(i, entry.time, answer), Verdict::Premature),
            Message::Reply(reply) => {
                (!before(&|m| matches!(m, Message::Reply(earlier) if earlier.question == reply.question)), Verdict::Duplicate)
            }
            Message::Cancel(_) => (!before(&|m| matches!(m, Message::Cancel(_))), Verdict::Duplicate),
            Message::Close(close) => {
                let permitted = match close.reason {
                    Reason::Expired => entry.time >= self.deadline,
                    // One that was asked on behalf of another may end with it.
                    Reason::Cancelled => self.has_parent() || before(&|m| matches!(m, Message::Cancel(_))),
                    _ => true,
                };
                (permitted, Verdict::Premature)
            }
            Message::Query(_) | Message::Notice(_) => (false, Verdict::Orphan),
        };
        if counts { Verdict::Counted } else { otherwise }
    }

    /// The messages before `n` that count.
    fn counted(&self, n: usize) -> impl DoubleEndedIterator<Item = (usize, &Message)> {
        let counted = (0..n).filter(|i| self.verdicts[*i] == Verdict::Counted);
        counted.filter_map(|i| Some((i, self.entries[i].body.as_ref().ok()?)))
    }

    fn assigns(&self, n: usize) -> impl DoubleEndedIterator<Item = (usize, &Assign)> {
        self.counted(n).filter_map(|(i, message)| if let Message::Assign(assign) = message { Some((i, assign)) } else { None })
    }

    /// The message before `n` that ended the query.
    fn end(&self, n: usize) -> Option<usize> {
        self.counted(n).find(|(_, message)| ending(message).is_some()).map(|(i, _)| i)
    }

    /// The last assignment before `n`, unless an answer or an ending came after it.
    fn current(&self, n: usize) -> Option<(usize, &Assign)> {
        let (i, assign) = self.assigns(n).next_back()?;
        let over = |message: &Message| matches!(message, Message::Answer(_) | Message::Close(_));
        if self.counted(n).any(|(j, message)| j > i && over(message)) { None } else { Some((i, assign)) }
    }

    /// Whether the query says that it is asked on behalf of another.
    fn has_parent(&self) -> bool {
        matches!(&self.entries[0].body, Ok(Message::Query(query)) if query.parent.is_some())
    }

    /// Whether an answer for several agents comes too early: parts are open that matter, and it is not yet time.
    fn is_early(&self, i: usize, time: Timestamp, answer: &Answer) -> bool {
        let Ok(Message::Query(Query { gather: Some(gather), .. })) = &self.entries[0].body else { return false };
        let Some((begun, assign)) = self.current(i) else { return false };
        let timeout = gather.timeout_ms.map(|ms| self.entries[begun].time + SignedDuration::from_millis(ms as i64));
        let is_time = time >= assign.deadline || timeout.is_some_and(|due| time >= due);
        let (mut completed, mut open) = (0, 0);
        for part in &answer.parts {
            completed += usize::from(part.state == State::Completed);
            open += usize::from(!part.state.is_terminal());
        }
        let enough = match gather.until {
            None | Some(Until::All) => false,
            Some(Until::First) => completed > 0 || open == 0,
            Some(Until::Quorum(n)) => completed >= n as usize || completed + open < n as usize,
        };
        !is_time && open > 0 && !enough
    }

    /// Whether the instance showed that it had assignment `i`, before the next assignment. What a coordinator gathers
    /// itself needs no more.
    fn is_taken(&self, i: usize) -> bool {
        let n = self.entries.len();
        if self.assigns(n).any(|(j, assign)| i == j && !assign.parts.is_empty()) {
            return true;
        }
        let next = self.assigns(n).map(|(j, _)| j).find(|j| *j > i).unwrap_or(n);
        self.counted(next).any(|(j, message)| j > i && (is_sign(message) || matches!(message, Message::Answer(_))))
    }

    /// What the current instance said when it accepted.
    fn acceptance(&self) -> Option<&Accept> {
        let n = self.entries.len();
        let (assigned, _) = self.current(n)?;
        let mut after = self.counted(n).filter(|(i, _)| *i > assigned);
        after.find_map(|(_, message)| if let Message::Accept(accept) = message { Some(accept) } else { None })
    }

    /// How many attempts took down what ran them: their lease ran out, as what came next says, or they say so.
    fn crashes(&self, n: usize) -> usize {
        let lost = |(i, assign): &(usize, &Assign)| self.current(*i).is_some() && assign.gives_up.as_ref().is_some_and(|f| f.crash);
        self.assigns(n).filter(lost).count() + self.retries(n, |failure| failure.crash)
    }

    /// How many attempts asked for another one, for a reason of this kind.
    fn retries(&self, n: usize, kind: impl Fn(&Failure) -> bool) -> usize {
        let is_one = |message: &Message| match message {
            Message::Answer(answer) => answer.outcome == Outcome::Retry && answer.failure.as_ref().is_some_and(&kind),
            _ => false,
        };
        self.counted(n).filter(|(_, message)| is_one(message)).count()
    }

    fn state(&self) -> State {
        let n = self.entries.len();
        if let Some(end) = self.end(n) {
            return self.entries[end].body.as_ref().ok().and_then(ending).unwrap();
        }
        let Some((assigned, assign)) = self.current(n) else { return State::Posted };
        if !assign.parts.is_empty() {
            return State::Working;
        }
        let since: Vec<&Message> = self.counted(n).filter(|(i, _)| *i > assigned).map(|(_, message)| message).collect();
        let replied =
            |number: u32| self.counted(n).any(|(_, message)| matches!(message, Message::Reply(reply) if reply.question == number));
        let waived = |number: u32| since.iter().any(|message| matches!(message, Message::Progress(p) if p.defaulted == Some(number)));
        if since.iter().any(|message| matches!(message, Message::Question(q) if !replied(q.question) && !waived(q.question))) {
            State::Waiting
        } else if since.iter().any(|message| matches!(message, Message::Question(_) | Message::Progress(_))) {
            State::Working
        } else if since.iter().any(|message| matches!(message, Message::Accept(_))) {
            State::Accepted
        } else {
            State::Assigned
        }
    }
}

/// Whether a message shows that an instance has taken its assignment.
fn is_sign(message: &Message) -> bool {
    matches!(message, Message::Accept(_) | Message::Progress(_) | Message::Question(_))
}

/// The state in which a message would end a query.
fn ending(message: &Message) -> Option<State> {
    match message {
        Message::Answer(answer) => match answer.outcome {
            Outcome::Completed => Some(State::Completed),
            Outcome::Failed => Some(State::Failed),
            Outcome::Retry => None,
        },
        Message::Close(close) => Some(match close.reason {
            Reason::Rejected => State::Rejected,
            Reason::Unroutable => State::Unroutable,
            Reason::Expired => State::Expired,
            Reason::Cancelled => State::Cancelled,
            Reason::Dead => State::Dead,
        }),
        _ => None,
    }
}
