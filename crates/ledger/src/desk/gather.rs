//! One question to several agents: who is asked, how far they are, and the answer that names them all.
//!
//! Such a query is assigned to the coordinator itself. The assignment lists the parts with their ids; each part
//! is a query of its own, asked on behalf of the whole. So whichever coordinator reads the ledger can post what
//! is still missing, and answer. Nothing of it is remembered beside the ledger.

use jiff::{SignedDuration, Timestamp};
use protocol::{
    Candidate, Decision, InstanceId, Kind, Message, Name, QueryId, Step, Subject, To,
    message::{Answer, Asked, Assign, Gather, Query, Reason},
};

use super::{
    Action, Desk, Flight, Router, Situation,
    dispatch::INTRODUCTION,
    gathered::Gathering,
    react::{LOOK_AGAIN, later},
};
use crate::{Entry, Fold, Key, Next};

/// The instance that parts are gathered by: whichever coordinator there is.
const INSTANCE: &str = "gather";

/// How soon to look whether a part was stored.
const POSTED: SignedDuration = SignedDuration::from_secs(1);

/// How soon to look again whether all has been heard.
const SOON: SignedDuration = SignedDuration::from_millis(250);

/// How long past the time a coordinator that may be deaf holds its answer back: then it answers as well as it can.
const OVERTIME: SignedDuration = SignedDuration::from_secs(20);

/// Instances with the usual lease are heard once in this time.
const HEARTBEAT: SignedDuration = SignedDuration::from_secs(6);

/// The most parts that an assignment can list.
const MOST: usize = 1024;

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
        if gather.all && self.may_hear_more(now, fold.posted().at, fold.posted().deadline, router) {
            return self.timers.set(key.clone(), later(self.clock.server(now), SOON));
        }
        let now = self.clock.server(now);
        if let Some(refusal) = refuse(gather, decision.candidates.len()) {
            return self.finish(key, refusal, actions);
        }
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
            let source = format!("{} {} {} {attempt} {}", self.secret, key.id, key.requester, candidate.agent);
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
            self.gathers.insert(key.clone(), Gathering::of(&assign.parts));
        }
        if self.book.get(key).is_none_or(|fold| fold.ended().is_none()) {
            return;
        }
        self.gathers.remove(key);
        self.end_part(key, entry);
        let Some(parent) = self.book.parent(key).filter(|_| self.book.is_child(key)) else { return };
        // Whoever waited for it can go on: from here on it may be idle.
        if let Some(heard) = self.heard.get_mut(parent) {
            heard.worked = now;
        }
    }

    /// A part has ended with this entry, if it is one: also one that was refused.
    fn end_part(&mut self, key: &Key, entry: &Entry) {
        let Some(state) = self.book.get(key).filter(|_| key.requester.is_coordinator()).map(Fold::state) else { return };
        let Some(gathering) = self.whole_of(key).and_then(|whole| self.gathers.get_mut(&whole)) else { return };
        if let Some(asked) = gathering.part(key.id).cloned() {
            gathering.add(&asked, state, entry, self.policy.largest);
        }
    }

    /// The query that gathers what this one was asked for. A part that was refused, since what stands above the whole is
    /// over, hangs on nothing in the book; the whole lists it all the same.
    pub(super) fn whole_of(&self, key: &Key) -> Option<Key> {
        let above = self.book.parent(key).filter(|parent| self.gathers.contains_key(parent));
        if above.is_some() || !key.requester.is_coordinator() {
            return above.cloned();
        }
        self.gathers.iter().find(|(_, gathering)| gathering.part(key.id).is_some()).map(|(whole, _)| whole.clone())
    }

    /// Goes on with a query that gathers: answers it, or asks whom it has not asked yet.
    pub(super) fn gather(&mut self, key: &Key, now: Timestamp, actions: &mut Vec<Action>) {
        let (Some(fold), Some(gathering)) = (self.book.get(key), self.gathers.get(key)) else { return };
        let Some((query, attempt)) = fold.posted().query().zip(fold.current()) else { return };
        let Some(gather) = &query.gather else { return };
        let due = attempt.due.unwrap_or(fold.posted().deadline);
        let server = self.clock.server(now);
        let settled = gathering.is_settled(gather.until());
        if !settled && server >= due && server < later(due, OVERTIME) && !self.hears_all(now) {
            // What has been answered in time may still be on its way here.
            return self.timers.set(key.clone(), later(server, SOON));
        }
        if settled || server >= due {
            let answer = gathering.answer(gather, attempt, &self.book, self.policy.largest);
            match answer {
                _ if !self.may_act(key, now) => {}
                Some(answer) => self.answer(key, answer, actions),
                None => self.finish(key, unspeakable(), actions),
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

    /// Whether everything has been heard for long enough to have read what was stored before.
    fn hears_all(&self, now: Timestamp) -> bool {
        self.listening_since.is_some_and(|since| now >= later(since, POSTED))
    }

    /// Whether it is too early to say who is live: this coordinator has begun to listen only now, and somebody who is known
    /// has not been heard. `posted` and `deadline` bound how long that is waited for.
    fn may_hear_more(&self, now: Timestamp, posted: Timestamp, deadline: Timestamp, router: &impl Router) -> bool {
        let share = deadline.duration_since(posted) / 4;
        let patient = self.clock.server(now) < later(posted, share.min(OVERTIME));
        let new = self.listening_since.is_none_or(|since| now < later(since, HEARTBEAT));
        patient && new && router.awaits(&self.hands)
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
        self.gathers.get_mut(key).into_iter().for_each(Gathering::send);
        self.in_flight.insert(key.clone(), Flight::Sent);
        actions.push(Action::Append { key: key.clone(), subject, message: Box::new(Message::Answer(Box::new(answer))), expect: None });
    }
}

/// What is wrong with asking so many agents.
fn refuse(gather: &Gather, count: usize) -> Option<Next> {
    let needed = gather.until().needed();
    let (code, message, hint) = if count > MOST {
        ("gather_too_many", format!("It asks {count} agents, and {MOST} can be asked at once."), "Ask fewer: gather.top, or gather.to.")
    } else if count > 0 && needed > count {
        let message = format!("It waits for {needed} answers, and {count} agents are asked.");
        ("gather_unmet", message, "Wait for fewer answers, or ask more agents.")
    } else {
        return None;
    };
    let (reason, pointer) = (Reason::Rejected, Some("/gather".to_owned()));
    Some(Next::Close { reason, code, message, pointer, hint: Some(hint.to_owned()) })
}

/// Even the bare names of the parts are more than a message can hold.
fn unspeakable() -> Next {
    let message = "All parts have ended or are late, and together they are more than one message can hold.".to_owned();
    let hint = Some("See each part's own record: agentbus history --tree ID".to_owned());
    Next::Close { reason: Reason::Dead, code: "answer_too_large", message, pointer: None, hint }
}

/// Where a part stands in the ledger.
pub(super) fn part_key(id: QueryId) -> Key {
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

#[cfg(test)]
mod tests;
