//! One question to several agents: who is asked, how far they are, and the answer that names them all.
//!
//! Such a query is assigned to the coordinator itself. The assignment lists the parts with their ids; each part
//! is a query of its own, asked on behalf of the whole. So whichever coordinator reads the ledger can post what
//! is still missing, and answer. Nothing of it is remembered beside the ledger.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use protocol::{
    Candidate, Decision, InstanceId, Kind, Message, Name, QueryId, State, Step, Subject, To,
    message::{Answer, Asked, Assign, Failure, Gather, Outcome, Part, Query, Until},
};

use super::{
    Action, Desk, Flight, Router, Situation,
    dispatch::INTRODUCTION,
    react::{LOOK_AGAIN, later},
};
use crate::{Attempt, Book, Entry, Fold, Key, whole::is_settled};

/// The instance that parts are gathered by: whichever coordinator there is.
const INSTANCE: &str = "gather";

/// How soon to look whether a part was stored.
const POSTED: SignedDuration = SignedDuration::from_secs(1);

/// What results and facts of all parts may take up together, in bytes as JSON: a quarter of the usual limit of
/// a message.
const MOST_BYTES: usize = 256 * 1024;

/// How much of a delivery notification is kept of a part whose result is left out, in characters.
const SHORTENED: usize = 200;

/// What has been gathered for one query.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Gathering {
    parts: Vec<Asked>,
    ended: HashMap<QueryId, Part>,
    bytes: usize,
}

impl Gathering {
    /// How a part ended.
    fn add(&mut self, mut part: Part) {
        let bytes = serde_json::to_string(&part).map_or(usize::MAX, |text| text.len());
        if self.bytes.saturating_add(bytes) > MOST_BYTES {
            part.omitted = part.result.is_some() || !part.facts.is_empty();
            (part.result, part.usage, part.facts, part.unknown) = (None, None, Vec::new(), Vec::new());
            part.delivery = part.delivery.map(shortened);
            part.failure = part.failure.map(|failure| Failure::new(&failure.code, shortened(failure.message)));
        } else {
            self.bytes += bytes;
        }
        self.ended.insert(part.id, part);
    }

    /// Every part as it stands, in the order in which they were chosen.
    fn parts(&self, book: &Book) -> Vec<Part> {
        let stands = |asked: &Asked| {
            let state = book.get(&part_key(asked.id)).map_or(State::Posted, Fold::state);
            self.ended.get(&asked.id).cloned().unwrap_or_else(|| blank(asked, state))
        };
        self.parts.iter().map(stands).collect()
    }

    /// Whether it can be answered, given how many answers it waits for.
    fn is_settled(&self, until: Until) -> bool {
        let completed = self.ended.values().filter(|part| part.state == State::Completed).count();
        is_settled(until, completed, self.parts.len().saturating_sub(self.ended.len()))
    }
}

impl Desk {
    /// Assigns a query that is to be asked of several agents: to the coordinator, with its parts.
    pub(super) fn ask_all(&mut self, key: &Key, now: Timestamp, router: &impl Router, actions: &mut Vec<Action>) {
        let Some(fold) = self.book.get(key) else { return };
        let Some(gather) = fold.posted().query().and_then(|query| query.gather.as_ref()) else { return };
        let at = Situation { fold, path: self.book.path(key), hands: &self.hands, queue: &self.queue };
        let mut decision = match &gather.to {
            Some(names) => named(names),
            None => router.route(&at),
        };
        let now = self.clock.server(now);
        if decision.candidates.is_empty() {
            if !router.is_complete() && now < later(fold.posted().at, INTRODUCTION) {
                return self.timers.set(key.clone(), later(now, LOOK_AGAIN));
            }
            return self.unroutable(key, decision, actions);
        }
        let Ok(instance) = INSTANCE.parse::<InstanceId>() else { return };
        decision.agent = Some(Name::coordinator());
        let attempt = fold.last_number().saturating_add(1);
        let asked = |candidate: &Candidate| {
            let source = format!("{} {} {attempt} {}", key.id, key.requester, candidate.agent);
            Asked { id: QueryId::derived(now, &source), agent: candidate.agent.clone() }
        };
        let assign = Assign {
            agent: Name::coordinator(),
            instance,
            attempt,
            deadline: self.book.deadline(key).unwrap_or(fold.posted().deadline),
            coordinator: self.me.clone(),
            parts: decision.candidates.iter().map(asked).collect(),
            decision,
            gives_up: None,
            path: self.book.path(key).to_vec(),
            budget: self.book.budget_left(key),
            extra: protocol::Extra::new(),
        };
        self.append(key, Kind::Assign, To::One(Name::coordinator()), Message::Assign(assign), actions);
    }

    /// What the ledger shows of a query that gathers, or of one of its parts.
    pub(super) fn note_part(&mut self, key: &Key, entry: &Entry, now: Timestamp) {
        if let Ok(Message::Assign(assign)) = &entry.body
            && !assign.parts.is_empty()
        {
            self.gathers.insert(key.clone(), Gathering { parts: assign.parts.clone(), ..Gathering::default() });
        }
        let Some(fold) = self.book.get(key).filter(|fold| fold.ended().is_some()) else { return };
        self.gathers.remove(key);
        let Some(parent) = self.book.parent(key) else { return };
        // Whoever waited for it can go on: from here on it may be idle.
        if let Some(heard) = self.heard.get_mut(parent) {
            heard.worked = now;
        }
        let Some(gathering) = self.gathers.get_mut(parent) else { return };
        if let Some(asked) = gathering.parts.iter().find(|asked| asked.id == key.id).filter(|_| key.requester.is_coordinator()) {
            let part = ended(asked, fold.state(), entry);
            gathering.add(part);
        }
    }

    /// Goes on with a query that gathers: answers it, or asks whom it has not asked yet.
    pub(super) fn gather(&mut self, key: &Key, now: Timestamp, actions: &mut Vec<Action>) {
        let (Some(fold), Some(gathering)) = (self.book.get(key), self.gathers.get(key)) else { return };
        let Some((query, attempt)) = fold.posted().query().zip(fold.current()) else { return };
        let Some(gather) = &query.gather else { return };
        let due = attempt.due.unwrap_or(fold.posted().deadline);
        let server = self.clock.server(now);
        if server >= due || gathering.is_settled(gather.until()) {
            let answer = gathered(gather, attempt, gathering.parts(&self.book));
            if self.may_act(key, now) {
                self.answer(key, answer, actions);
            }
            return;
        }
        let unasked = |asked: &&Asked| self.book.get(&part_key(asked.id)).is_none();
        let missing: Vec<(Asked, Query)> =
            gathering.parts.iter().filter(unasked).map(|asked| (asked.clone(), part_of(key, query, due, &asked.agent))).collect();
        self.timers.set(key.clone(), if missing.is_empty() { due } else { later(server, POSTED).min(due) });
        // All is done for now: nobody has left it lying.
        if missing.is_empty() {
            self.lying.remove(key);
        }
        if !missing.is_empty() && self.may_act(key, now) {
            missing.into_iter().for_each(|(asked, query)| self.ask(&asked, query, actions));
        }
    }

    /// Posts a part, unless that is under way.
    fn ask(&mut self, asked: &Asked, query: Query, actions: &mut Vec<Action>) {
        let key = part_key(asked.id);
        let Ok(subject) = Subject::new(Kind::Query, key.id, key.requester.clone(), To::One(asked.agent.clone())) else { return };
        if self.in_flight.contains_key(&key) {
            return;
        }
        self.in_flight.insert(key.clone(), Flight::Sent);
        actions.push(Action::Append { key, subject, message: Box::new(Message::Query(query)), expect: Some(0) });
    }

    /// Answers a query that gathers. The first answer in the ledger counts, whichever coordinator wrote it.
    fn answer(&mut self, key: &Key, answer: Answer, actions: &mut Vec<Action>) {
        let Ok(subject) = Subject::new(Kind::Answer, key.id, Name::coordinator(), To::One(key.requester.clone())) else { return };
        self.in_flight.insert(key.clone(), Flight::Sent);
        actions.push(Action::Append { key: key.clone(), subject, message: Box::new(Message::Answer(Box::new(answer))), expect: None });
    }
}

/// Where a part stands in the ledger.
fn part_key(id: QueryId) -> Key {
    Key { id, requester: Name::coordinator() }
}

/// The query names whom to ask.
fn named(names: &[Name]) -> Decision {
    let mut decision = Decision::new(None, Step::Target, format!("the query names {} agents", names.len()));
    for name in names {
        if !decision.candidates.iter().any(|candidate| candidate.agent == *name) {
            decision.candidates.push(Candidate::new(name.clone(), "named in gather.to"));
        }
    }
    decision
}

/// The question of a whole, as it is put to one agent.
fn part_of(whole: &Key, query: &Query, due: Timestamp, agent: &Name) -> Query {
    Query {
        requesting_agent: Name::coordinator(),
        id: None,
        target: Some(agent.clone()),
        timeout_ms: None,
        deadline: Some(due),
        failover: None,
        gather: None,
        parent: Some(whole.id),
        path: None,
        budget: None,
        replays: None,
        ..query.clone()
    }
}

fn blank(asked: &Asked, state: State) -> Part {
    Part {
        agent: asked.agent.clone(),
        id: asked.id,
        state,
        outcome: None,
        delivery: None,
        result: None,
        facts: Vec::new(),
        unknown: Vec::new(),
        usage: None,
        failure: None,
        omitted: false,
    }
}

/// A part by the message that ended it.
fn ended(asked: &Asked, state: State, entry: &Entry) -> Part {
    let part = blank(asked, state);
    match &entry.body {
        Ok(Message::Answer(answer)) => Part {
            outcome: Some(answer.outcome),
            delivery: Some(answer.delivery.clone()),
            result: answer.result.clone(),
            facts: answer.facts.clone(),
            unknown: answer.unknown.clone(),
            usage: answer.usage.clone(),
            failure: answer.failure.clone(),
            ..part
        },
        Ok(Message::Close(close)) => {
            Part { delivery: Some(close.message.clone()), failure: Some(Failure::new(&close.code, close.message.clone())), ..part }
        }
        _ => part,
    }
}

/// The answer of the whole.
fn gathered(gather: &Gather, attempt: &Attempt, parts: Vec<Part>) -> Answer {
    let completed = parts.iter().filter(|part| part.state == State::Completed).count();
    let needed = gather.until().needed();
    let delivery = delivered(completed, &parts);
    let failure = (completed < needed)
        .then(|| Failure::new("gather_unmet", format!("{completed} of {} parts completed, and {needed} had to.", parts.len())));
    Answer {
        agent: Name::coordinator(),
        attempt: attempt.number,
        instance: attempt.instance.clone(),
        outcome: if failure.is_none() { Outcome::Completed } else { Outcome::Failed },
        delivery,
        result: None,
        facts: Vec::new(),
        unknown: Vec::new(),
        parts,
        usage: None,
        failure,
        extra: protocol::Extra::new(),
    }
}

/// The delivery notification of the whole names each part that did not complete.
fn delivered(completed: usize, parts: &[Part]) -> String {
    let mut text = format!("{completed} of {} parts completed.", parts.len());
    for part in parts.iter().filter(|part| part.state != State::Completed) {
        let why = match &part.failure {
            Some(failure) => format!("{} ({})", part.state, failure.code),
            None => format!("had not answered ({})", part.state),
        };
        text.push_str(&format!(" {}: {why}.", part.agent));
    }
    text
}

fn shortened(text: String) -> String {
    if text.chars().nth(SHORTENED).is_none() { text } else { text.chars().take(SHORTENED).chain(['…']).collect() }
}

#[cfg(test)]
mod tests;
