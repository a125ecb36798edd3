//! From a query that is ready to an assignment: whom it is for, and when a hand is free.

use jiff::{SignedDuration, Timestamp};
use protocol::{
    Decision, InstanceId, Kind, Message, Name, To,
    message::{Assign, Failure, Reason},
};

use super::{
    Action, Desk, Router, Situation,
    react::{LOOK_AGAIN, later},
};
use crate::{Fold, Key, Next, Ticket, decide::spent, tree::shown};

/// How long after it was posted a query waits for somebody who was heard and is not known yet.
pub(super) const INTRODUCTION: SignedDuration = SignedDuration::from_secs(3);

/// How many of the queries that another one waits for are named.
const SHOWN: usize = 5;

impl Desk {
    /// Puts a query that is ready in line for the agent that should answer it.
    pub(super) fn enqueue(
        &mut self,
        key: &Key,
        gives_up: Option<&Failure>,
        now: Timestamp,
        router: &impl Router,
        actions: &mut Vec<Action>,
    ) {
        let Some(fold) = self.book.get(key) else { return };
        if self.routed.contains_key(key) {
            return;
        }
        if fold.posted().query().is_some_and(|query| query.gather.is_some()) {
            return self.ask_all(key, now, router, actions);
        }
        let at = Situation { fold, path: self.book.path(key), hands: &self.hands, queue: &self.queue };
        let decision = router.route(&at);
        let Some(agent) = decision.agent.clone() else {
            let now = self.clock.server(now);
            if !router.is_complete() && now < later(fold.posted().at, INTRODUCTION) {
                return self.timers.set(key.clone(), later(now, LOOK_AGAIN));
            }
            // It had somebody, and nobody else is left for it.
            if fold.attempts().last().is_some_and(|last| fold.is_done_with(&last.agent)) {
                let dead = spent(fold, gives_up);
                return self.finish(key, dead, actions);
            }
            return self.unroutable(key, decision, actions);
        };
        if self.book.path(key).contains(&agent) {
            return self.refuse_cycle(key, &agent, actions);
        }
        let ticket = Ticket::new(fold.posted().priority, fold.posted().seq);
        self.queue.put(key.clone(), agent.clone(), ticket);
        self.routed.insert(key.clone(), decision);
        self.stirred.insert(agent);
    }

    /// Nobody was found for a query.
    pub(super) fn unroutable(&mut self, key: &Key, decision: Decision, actions: &mut Vec<Action>) {
        let (reason, code) = (Reason::Unroutable, "no_agent");
        self.finish(key, Next::Close { reason, code, message: decision.reason, pointer: None, hint: decision.hint }, actions);
    }

    /// It would come back to an agent that waits for it.
    fn refuse_cycle(&mut self, key: &Key, agent: &Name, actions: &mut Vec<Action>) {
        let path = shown(&[self.book.path(key), std::slice::from_ref(agent)].concat());
        let message = format!("It would come back to {agent}, which waits for it: {path}.");
        let hint = Some("Ask an agent that does not stand in the path.".to_owned());
        let (reason, pointer) = (Reason::Rejected, Some("/target".to_owned()));
        self.finish(key, Next::Close { reason, code: "delegation_cycle", message, pointer, hint }, actions);
    }

    /// Gives out what waits, as far as hands are free.
    pub(super) fn pump(&mut self, now: Timestamp, router: &impl Router, actions: &mut Vec<Action>) {
        while let Some(agent) = self.stirred.pop_first() {
            while let Some((key, instance)) = self.pair(&agent) {
                self.queue.remove(&key);
                let Some(decision) = self.routed.remove(&key) else { continue };
                // It may have waited long: an attempt that was silent may have been heard again.
                let Some(Next::Dispatch { attempt, until, gives_up }) = self.next(&key, now) else {
                    self.react(&key, now, router, actions);
                    continue;
                };
                let assign = Assign {
                    agent: agent.clone(),
                    instance: instance.clone(),
                    attempt,
                    deadline: self.book.deadline(&key).unwrap_or(until),
                    coordinator: self.me.clone(),
                    decision,
                    gives_up,
                    path: self.book.path(&key).to_vec(),
                    budget: self.book.budget_left(&key),
                    parts: Vec::new(),
                    extra: protocol::Extra::new(),
                };
                // Held from here on, so that no other query is given the same hand meanwhile.
                self.hands.hold(key.clone(), agent.clone(), instance);
                self.append(&key, Kind::Assign, To::One(agent.clone()), Message::Assign(assign), actions);
            }
        }
    }

    /// The next query that goes to an agent, and to which of its instances. Who takes one query only comes first, so that
    /// nobody else is given it.
    fn pair(&self, agent: &Name) -> Option<(Key, InstanceId)> {
        let waits = |id| self.book.under(id).map(Fold::key).find(|key| self.queue.agent_of(key) == Some(agent));
        let wanted = self.hands.choosy(agent).find_map(|(instance, id)| waits(id).zip(Some(instance)));
        let (key, instance) = wanted.or_else(|| self.queue.first(agent).zip(self.hands.free(agent)))?;
        Some((key.clone(), instance.clone()))
    }

    /// How many queries wait for a hand of an agent.
    #[must_use]
    pub fn waiting(&self, agent: &Name) -> usize {
        self.queue.len(agent)
    }

    /// Whether a query waits for this agent to take it, as far as this desk knows. What another coordinator looks after
    /// is known here only by the agent that it names, for the first two seconds.
    #[must_use]
    pub fn waits_for(&self, key: &Key, agent: &Name) -> bool {
        if let Some(waits) = self.queue.agent_of(key) {
            return waits == agent;
        }
        let open = self.book.get(key).filter(|fold| fold.ended().is_none() && fold.current().is_none());
        let named =
            |fold: &Fold| fold.posted().to.name() == Some(agent) || fold.posted().query().is_some_and(|q| q.target.as_ref() == Some(agent));
        open.is_some_and(named)
    }

    /// Why a query waits, in words; `None` if it does not.
    #[must_use]
    pub fn waiting_for(&self, key: &Key, now: Timestamp, router: &impl Router) -> Option<String> {
        if let Some(agent) = self.queue.agent_of(key) {
            return Some(self.queued(agent, router));
        }
        match self.next(key, now)? {
            Next::Wait { why: Some(why), .. } => Some(why.to_owned()),
            Next::Wait { why: None, .. } => self.input(key).or_else(|| self.delegates(key)).or_else(|| self.silence(key, now, router)),
            Next::Gather => self.delegates(key),
            _ => None,
        }
    }

    /// Whose reply an agent waits for.
    fn input(&self, key: &Key) -> Option<String> {
        let fold = self.book.get(key).filter(|fold| fold.state() == protocol::State::Waiting)?;
        Some(format!("a reply of {} to {}", key.requester, fold.current()?.agent))
    }

    /// For whom a query waits that others were asked on behalf of.
    fn delegates(&self, key: &Key) -> Option<String> {
        let open = |child: &&Fold| child.ended().is_none();
        let told = |child: &Fold| format!("{} ({})", asked_of(child), child.state());
        let waits: Vec<_> = self.book.children(key).filter(open).map(told).collect();
        let (some, more) = (waits.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", "), waits.len().saturating_sub(SHOWN));
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        if waits.is_empty() { None } else { Some(format!("what it asked of {some}{more}")) }
    }

    /// Who has a query in hand and is not heard any more. Its lease still runs.
    fn silence(&self, key: &Key, now: Timestamp, router: &impl Router) -> Option<String> {
        let attempt = self.book.get(key)?.current()?;
        if self.hands.of(&attempt.agent).any(|(instance, _)| *instance == attempt.instance) {
            return None;
        }
        let silent = self.silent(key, now).0.unwrap_or_default().as_secs();
        // Whoever took it at a terminal does not run meanwhile; what it sends renews the lease.
        if router.pulls(&attempt.agent) {
            return Some(format!("{}, who took it, and was last heard of {silent} s ago", attempt.agent));
        }
        Some(format!("a sign of life of {}: its instance {} has been silent for {silent} s", attempt.agent, attempt.instance))
    }

    fn queued(&self, agent: &Name, router: &impl Router) -> String {
        let (live, pulling) = (self.hands.is_live(agent), self.hands.of(agent).filter(|(_, hand)| hand.pulls).count());
        let instances = self.hands.of(agent).count() - pulling;
        if instances == 0 && (pulling > 0 || router.pulls(agent)) {
            return format!("{agent} to take it: agentbus inbox --as {agent}");
        }
        if !live {
            return format!("a live instance of {agent}");
        }
        let waiting = self.queue.len(agent);
        let busy = if instances == 1 { "its instance is".to_owned() } else { format!("all its {instances} instances are") };
        format!("a free hand of {agent}: {busy} busy, {waiting} waiting")
    }
}

/// Whom a query was asked of.
fn asked_of(fold: &Fold) -> String {
    let target = fold.posted().query().and_then(|query| query.target.as_ref());
    let agent = fold.current().map(|attempt| &attempt.agent).or(target).or(fold.posted().to.name());
    agent.map_or_else(|| "any agent".to_owned(), Name::to_string)
}
