//! Who asks whom in turn: agents that ask others while they work, wait for them or do not, and ask too late; people who
//! ask several at once; and strangers who claim to be asked on somebody's behalf.
//!
//! One run in four has families; the others go on as if there were none.

use ledger::Key;
use protocol::{
    Message, Name, QueryId, To, Verdict, Work,
    message::{Budget, Gather, Query, Until, Usage},
};

use crate::{
    event::{Event, Life},
    lineage,
    requests::{Act, Request, name},
    rules::Checked,
    stream::{Ms, Stored},
    tally::Happening,
    whole,
    world::World,
};

/// No run has more queries than this.
const MOST: usize = 30;

/// Whether the run of a seed has families.
pub(crate) const fn is_family(seed: u64) -> bool {
    seed % 4 == 3
}

/// What a job asks of others.
#[derive(Default)]
pub(crate) struct Errands {
    path: Vec<Name>,
    /// How often it may ask some more.
    rounds: usize,
    asked: Vec<Key>,
    /// For how long it waits for them.
    until: Ms,
}

impl World {
    /// What an instance will ask of others for this work.
    pub(crate) fn errands(&mut self, work: &Work) -> Errands {
        if !self.family {
            return Errands::default();
        }
        let rounds = match work.assign.path.len() {
            0 => self.rng.below(3),
            2 => self.rng.below(2),
            3 => usize::from(self.rng.percent(30)),
            _ => 0,
        };
        Errands { path: work.assign.path.clone(), rounds, asked: Vec::new(), until: 0 }
    }

    /// Whether a job asks others now, or waits for whom it has asked.
    pub(crate) fn delegates(&mut self, life: Life, place: usize) -> bool {
        if !self.family {
            return false;
        }
        let job = &self.instances[life.index].jobs[place];
        let (key, Errands { path, rounds, asked, until }) = (job.key.clone(), &job.errands);
        let is_open = |key: &Key| self.truths.now(key).is_some_and(|truth| truth.end.is_none());
        if self.now < *until && asked.iter().any(is_open) {
            return true;
        }
        let (path, rounds) = (path.clone(), *rounds);
        if rounds == 0 || !self.rng.percent(60) {
            return false;
        }
        let some: Vec<Key> = (0..1 + self.rng.below(3)).filter_map(|_| self.ask_another(life, &key, &path)).collect();
        let patience = if self.calm { self.rng.between(100, 2000) } else { self.rng.between(300, 5000) };
        // Now and then it goes on, and perhaps answers, before they have.
        let waits = self.rng.percent(75);
        let errands = &mut self.instances[life.index].jobs[place].errands;
        errands.rounds -= 1;
        errands.asked.extend(some);
        errands.until = if waits { self.now + patience } else { 0 };
        true
    }

    /// One more question on behalf of a query: whether or not its time is over.
    pub(crate) fn ask_another(&mut self, life: Life, parent: &Key, path: &[Name]) -> Option<Key> {
        let n = self.requests.len();
        if n >= MOST {
            return None;
        }
        let asker = self.instances[life.index].agent.clone();
        let request = self.sub_query(asker, parent.id, path);
        let key = request.key.clone();
        self.requests.push(request);
        self.act(Act::Post(n));
        if !self.calm && self.rng.percent(30) {
            self.plan_thoughts(n, self.now, self.now + 4000);
        }
        Some(key)
    }

    fn fresh_id(&self) -> QueryId {
        format!("{:08x}-0000-7000-8001-{:012x}", self.requests.len(), self.seed & 0xffff_ffff_ffff).parse().unwrap()
    }

    fn sub_query(&mut self, asker: Name, parent: QueryId, path: &[Name]) -> Request {
        let mut query = Query { parent: Some(parent), ..Query::new(asker.clone(), "request", "And what do you know?") };
        query.timeout_ms = [None, Some(400), Some(3000), Some(60_000)][self.rng.below(4)];
        query.attempts = [None, Some(1), Some(2)][self.rng.below(3)];
        // What a client says of its path is not believed.
        query.path = [None, Some(Vec::new()), Some(path.to_vec())][self.rng.below(3)].clone();
        let mut to = To::Any;
        match self.rng.below(20) {
            0..8 => to = To::One(self.somebody()),
            8 => to = To::One(name("nobody")),
            9 => to = To::One(asker.clone()),
            10..14 => query.gather = Some(self.gather()),
            _ => {}
        }
        if self.rng.percent(50) {
            query.target = to.name().cloned();
        }
        if self.rng.percent(15) {
            query.budget = Some(self.budget());
        }
        Request { key: Key { id: self.fresh_id(), requester: asker }, to, body: Ok(Message::Query(query)) }
    }

    fn somebody(&mut self) -> Name {
        let n = self.rng.below(self.agents);
        name(&format!("a{n}"))
    }

    fn budget(&mut self) -> Budget {
        Budget {
            queries: [None, Some(0), Some(1), Some(3)][self.rng.below(4)],
            depth: [None, Some(0), Some(1), Some(2)][self.rng.below(4)],
            tokens: [None, None, Some(150), Some(400)][self.rng.below(4)],
            ..Budget::default()
        }
    }

    fn gather(&mut self) -> Gather {
        let (mut to, mut top, mut all) = (None, None, false);
        match self.rng.below(4) {
            0 => top = Some(1 + self.rng.below(3) as u32),
            1 => all = true,
            _ => {
                let strange = self.rng.percent(20).then(|| name("nobody"));
                to = Some((0..1 + self.rng.below(3)).map(|_| self.somebody()).chain(strange).collect());
            }
        }
        let until = [None, Some(Until::First), Some(Until::Quorum(1)), Some(Until::Quorum(2)), Some(Until::All)][self.rng.below(5)];
        let timeout_ms = [None, Some(300), Some(1500), Some(4000)][self.rng.below(4)];
        Gather { to, top, all, until, timeout_ms, ..Gather::default() }
    }

    /// A person's query may have a budget, and may ask several at once.
    pub(crate) fn enlarge(&mut self, query: &mut Query, to: &mut To) {
        if !self.family {
            return;
        }
        if self.rng.percent(40) {
            query.budget = Some(self.budget());
        }
        if !self.rng.percent(35) {
            return;
        }
        query.gather = Some(self.gather());
        // Not every part can be answered; time must end what waits for it.
        query.timeout_ms = query.timeout_ms.filter(|ms| *ms <= 8000).or(Some(6000));
        if self.rng.percent(95) {
            (query.target, *to) = (None, To::Any);
        }
    }

    /// Somebody claims to ask on behalf of a query that is not in its hands.
    pub(crate) fn claim(&mut self, n: usize) {
        let known = self.requests[n].key.clone();
        let who = [name("eve"), known.requester, self.somebody()][self.rng.below(3)].clone();
        let parent = if self.rng.percent(20) { self.fresh_id() } else { known.id };
        let (claim, request) = (self.requests.len(), self.sub_query(who, parent, &[]));
        if claim < MOST {
            self.requests.push(request);
            self.act(Act::Post(claim));
        }
    }

    /// An answer tells what it cost.
    pub(crate) fn bill(&mut self, answer: &mut Message) {
        if let (true, Message::Answer(answer)) = (self.family, answer) {
            let tokens = [None, Some(60), Some(200)][self.rng.below(3)];
            answer.usage = tokens.map(|tokens| Usage { input_tokens: Some(tokens), output_tokens: Some(5), ..Usage::default() });
        }
    }

    /// The end of what somebody asked, and was allowed to, shows that it may work again.
    pub(crate) fn note_child(&mut self, index: usize, stored: &Stored) {
        let Some(key) = stored.entry.as_ref().and_then(ledger::Entry::key).filter(|_| self.family) else { return };
        if self.truths.at(&key, stored.seq).is_none_or(|truth| truth.end != Some(stored.seq)) {
            return;
        }
        let kin = self.truths.kin(&key).filter(|kin| kin.reasons.is_empty());
        let Some(parent) = kin.and_then(|kin| kin.parent.clone()) else { return };
        if let Some((_, attempt, _)) = self.truths.at(&parent, stored.seq).and_then(|truth| truth.current.clone()) {
            self.coordinators[index].worked.insert((parent, attempt), self.now);
        }
    }

    /// What nobody may forget, looked at now and then.
    pub(crate) fn look_at_families(&self, index: usize) -> Checked {
        whole::none_is_forgotten(self, index)?;
        lineage::no_orphan_lives(self)
    }

    /// Something was stored: an enemy may take the id of a part before the part itself is there.
    pub(crate) fn envy(&mut self, stored: &Stored) {
        let Some(Ok(Message::Assign(assign))) = stored.entry.as_ref().map(|entry| &entry.body) else { return };
        if !self.family || self.calm || assign.parts.is_empty() || !self.rng.percent(10) {
            return;
        }
        let part = Key { id: assign.parts[self.rng.below(assign.parts.len())].id, requester: Name::coordinator() };
        let body = Ok(Message::Query(Query::new(name("eve"), "request", "Mine!")));
        self.requests.push(Request { key: part, to: To::Any, body });
        let (n, at) = (self.requests.len() - 1, self.now + self.rng.between(0, 20));
        self.agenda.put(at, Event::Act(if self.rng.percent(80) { Act::Steal(n) } else { Act::Meddle(n) }));
    }

    /// Counts what happens in families.
    pub(crate) fn count_family(&mut self, stored: &Stored) {
        let Some((entry, key)) = stored.entry.as_ref().and_then(|entry| Some((entry, entry.key()?))) else { return };
        let Some(truth) = self.truths.now(&key).filter(|_| self.family) else { return };
        let verdict = truth.verdicts.iter().find(|(seq, _)| *seq == stored.seq).map(|(_, verdict)| *verdict);
        let happenings: Vec<Happening> = match (&entry.body, verdict) {
            (Ok(Message::Query(query)), Some(Verdict::Conflict)) if key.requester.is_coordinator() && query.parent.is_some() => {
                vec![Happening::PartStolen]
            }
            (Ok(Message::Query(query)), Some(Verdict::Counted)) if query.parent.is_some() => self.asked(&key, query),
            (Ok(Message::Assign(assign)), Some(Verdict::Counted)) if assign.path.len() > 3 => vec![Happening::Deep],
            (Ok(Message::Answer(answer)), Some(Verdict::Counted)) if !answer.parts.is_empty() => {
                let open = answer.parts.iter().any(|part| !part.state.is_terminal());
                let bad = answer.failure.is_some().then_some(Happening::GatherUnmet);
                [Happening::Gathered].into_iter().chain(open.then_some(Happening::PartsOpen)).chain(bad).collect()
            }
            (Ok(Message::Close(close)), Some(Verdict::Counted)) => self.closed(&key, &close.code, stored.seq),
            _ => return,
        };
        happenings.into_iter().for_each(|what| self.tally.count(what));
    }

    fn asked(&self, key: &Key, query: &Query) -> Vec<Happening> {
        if key.requester.is_coordinator() {
            return vec![Happening::PartAsked];
        }
        let nested = query.gather.is_some().then_some(Happening::NestedGather);
        // It had the parent in hand once.
        let parent = self.truths.kin(key).and_then(|kin| kin.parent.clone());
        let was_its = parent.is_some_and(|parent| {
            let mut held = self.truths.history(&parent).iter().filter_map(|(_, truth)| truth.current.as_ref());
            held.any(|(agent, ..)| *agent == key.requester)
        });
        let zombie = (was_its && lineage::is_refused(self, key)).then_some(Happening::ZombieAsks);
        [Happening::Asked].into_iter().chain(nested).chain(zombie).collect()
    }

    fn closed(&self, key: &Key, code: &str, seq: u64) -> Vec<Happening> {
        let what = match (code, self.truths.abandoned(key, seq)) {
            ("not_delegated", _) => Happening::NotDelegated,
            ("unknown_parent", _) => Happening::UnknownParent,
            ("delegation_cycle", _) => Happening::Cycle,
            ("too_deep", _) => Happening::TooDeep,
            ("budget_spent", _) => Happening::BudgetSpent,
            ("parent_ended", Some((_, true))) => Happening::EndedWithParent,
            ("parent_ended", _) => Happening::EndedWithAttempt,
            _ => return Vec::new(),
        };
        vec![what]
    }
}
