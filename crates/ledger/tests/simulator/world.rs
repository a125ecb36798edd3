//! One run: everything that there is, the faults, and what happens step by step.
//!
//! First there is trouble, then calm. In the calm everything must finish.

use std::rc::Rc;

use jiff::SignedDuration;
use ledger::{Appended, Fold, Hands, Policy, Router};
use protocol::{Decision, Name, Step as RoutingStep, Verdict};

use crate::{
    coordinator::Coordinator,
    event::{Agenda, Event, Life, Publish},
    instance::Instance,
    mutant::Mutant,
    requests::{Request, name},
    rng::Rng,
    rules::{self, Broken, Checked},
    stream::{Draft, Expect, Ms, Stored, Stream},
    tally::{Happening, Tally},
    truths::Truths,
};

/// How likely which fault is, until the calm.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// Percent of core messages that are lost, and that come twice.
    pub(crate) loss: u64,
    pub(crate) twice: u64,
    /// Percent of everything that takes long.
    pub(crate) slow: u64,
    /// Per mille of appends that are refused without cause, whose acknowledgement is lost, and that never arrive.
    pub(crate) refused: u64,
    pub(crate) unacknowledged: u64,
    pub(crate) vanished: u64,
    /// Per mille of actions before which a coordinator crashes.
    pub(crate) crash: u64,
    /// The mean time between crashes and freezes.
    pub(crate) strikes: Ms,
}

/// Whom a query may go to: its target, else a live agent, else any.
pub(crate) struct Routes {
    pub(crate) agents: Vec<Name>,
}

impl Router for Routes {
    fn route(&self, fold: &Fold, hands: &Hands) -> Decision {
        let target = fold.posted().query.as_ref().ok().and_then(|query| query.target.clone()).or(fold.posted().to.name().cloned());
        let agent = match target {
            Some(target) => self.agents.contains(&target).then_some(target),
            None => self.agents.iter().find(|agent| hands.is_live(agent)).or(self.agents.first()).cloned(),
        };
        let step = if agent.is_some() { RoutingStep::Target } else { RoutingStep::None };
        Decision { agent, step, reason: "so".to_owned(), steps: vec![], candidates: vec![], hint: None, extra: protocol::Extra::new() }
    }
}

pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) rng: Rng,
    pub(crate) now: Ms,
    pub(crate) calm: bool,
    pub(crate) faults: Faults,
    pub(crate) policy: Policy,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) agenda: Agenda,
    pub(crate) stream: Stream,
    pub(crate) truths: Truths,
    pub(crate) routes: Routes,
    /// How many agents there are, and who is not in the roster now.
    pub(crate) agents: usize,
    absent: Option<Name>,
    /// An agent that does not come back after the trouble.
    pub(crate) gone: Option<Name>,
    pub(crate) coordinators: Vec<Coordinator>,
    pub(crate) instances: Vec<Instance>,
    pub(crate) requests: Vec<Request>,
    pub(crate) tally: Tally,
    /// Whether an append was ever in doubt, or a coordinator ever replaced.
    pub(crate) doubt: bool,
    /// Messages on their way to the server.
    pub(crate) afloat: usize,
    pub(crate) steps: u64,
    trace: Option<Vec<String>>,
    calm_at: Ms,
}

/// What came of a run.
pub(crate) struct Run {
    pub(crate) broken: Option<Broken>,
    pub(crate) tally: Tally,
    pub(crate) steps: u64,
    pub(crate) trace: Vec<String>,
}

/// Makes the run of a seed.
pub(crate) fn run(seed: u64, mutant: Option<Mutant>, traced: bool) -> Run {
    let mut world = World::new(seed, mutant, traced);
    let broken = world.play().err();
    Run { broken, tally: world.tally, steps: world.steps, trace: world.trace.unwrap_or_default() }
}

impl World {
    fn new(seed: u64, mutant: Option<Mutant>, traced: bool) -> Self {
        let mut rng = Rng::new(seed);
        let agents: Vec<Name> = (0..1 + rng.below(3)).map(|n| name(&format!("a{n}"))).collect();
        let gone = (agents.len() > 1 && rng.percent(20)).then(|| agents[0].clone());
        let seconds = |s: i64| SignedDuration::from_secs(s);
        let short = Policy {
            accept: SignedDuration::from_millis(500),
            lease: seconds(2),
            backoff: SignedDuration::from_millis(100),
            max_backoff: seconds(2),
        };
        let policy = if rng.percent(90) { short } else { Policy::default() };
        let faults = Faults {
            loss: [0, 5, 30][rng.below(3)],
            twice: [0, 10][rng.below(2)],
            slow: [0, 5, 20][rng.below(3)],
            refused: [0, 50][rng.below(2)],
            unacknowledged: [0, 50, 200][rng.below(3)],
            vanished: [0, 30][rng.below(2)],
            crash: [0, 5, 50][rng.below(3)],
            strikes: [1500, 4000, 100_000][rng.below(3)],
        };
        let mut world = Self {
            seed,
            now: 0,
            calm: false,
            faults,
            policy,
            mutant,
            agenda: Agenda::default(),
            stream: Stream::default(),
            truths: Truths::default(),
            agents: agents.len(),
            absent: None,
            routes: Routes { agents },
            gone,
            coordinators: Vec::new(),
            instances: Vec::new(),
            requests: Vec::new(),
            tally: Tally::default(),
            doubt: false,
            afloat: 0,
            steps: 0,
            trace: traced.then(Vec::new),
            calm_at: rng.between(3000, 8000),
            rng,
        };
        world.plan_coordinators();
        world.plan_instances();
        world.plan_requests(world.calm_at);
        let first = world.rng.between(0, world.faults.strikes);
        world.agenda.put(first, Event::Fault);
        if world.rng.percent(10) {
            let (leaves, returns) = (world.rng.between(0, world.calm_at), world.rng.between(0, world.calm_at));
            world.agenda.put(leaves, Event::Roster);
            world.agenda.put(returns, Event::Roster);
        }
        world.agenda.put(world.calm_at, Event::Calm);
        world
    }

    fn play(&mut self) -> Checked {
        // Long enough for the pauses and leases of the slower policy, one after the other.
        let patience = if self.policy == Policy::default() { 180_000 } else { 60_000 };
        while let Some((at, event)) = self.agenda.next() {
            self.now = self.now.max(at);
            self.steps += 1;
            self.note(|| format!("{event:?}"));
            self.happen(event)?;
            if self.calm && self.is_finished() {
                return rules::finished(self);
            }
            if self.now > self.calm_at + patience {
                return Err(Broken::new("finishes", rules::unfinished(self)));
            }
        }
        Err(Broken::new("finishes", "nothing happens any more".to_owned()))
    }

    fn happen(&mut self, event: Event) -> Checked {
        match event {
            Event::Publish(publish) => return self.arrive(*publish),
            Event::Acked(life, key, outcome) => return self.acked(life, key, outcome),
            Event::Read(life, upto) => return self.read(life, upto),
            Event::Replay(life) => return self.replay(life),
            Event::Wake(life, set) => return self.wake(life, set),
            Event::Beat(life) => return self.beat(life),
            Event::Peer { to, beat, from, sent, stored } => return self.peer(to, &beat, from, sent, stored),
            Event::Heard(life, beat) => return self.heard(life, &beat),
            Event::Pulse(life) => {
                if self.reach_instance(life, || Event::Pulse(life)) {
                    self.pulse(life);
                }
            }
            Event::Order(life, order) => {
                if self.reach_instance(life, || Event::Order(life, Rc::clone(&order))) {
                    self.ordered(life, &order);
                }
            }
            Event::Work(life, key, attempt) => {
                if self.reach_instance(life, || Event::Work(life, key.clone(), attempt)) {
                    self.work(life, key, attempt);
                }
            }
            Event::Act(act) => self.act(act),
            Event::Roster => self.change_roster(),
            Event::Rerouted(life) => return self.rerouted(life),
            Event::Fault => self.strike(),
            Event::StartCoordinator(index) => return self.start_coordinator(index),
            Event::StartInstance(index) => self.start_instance(index),
            Event::Calm => self.calm_down(),
        }
        Ok(())
    }

    /// A crash or a freeze of somebody.
    fn strike(&mut self) {
        if self.calm {
            return;
        }
        let pause = self.rng.between(100, 5000);
        match self.rng.below(6) {
            0 => {
                let index = self.rng.below(self.coordinators.len());
                self.crash_coordinator(index);
            }
            1 | 2 => {
                let index = self.rng.below(self.coordinators.len());
                self.freeze_coordinator(index, pause);
            }
            3 => {
                let index = self.rng.below(self.instances.len());
                self.crash_instance(index);
            }
            _ => {
                let index = self.rng.below(self.instances.len());
                self.instances[index].frozen_until = self.now + pause;
                self.tally.count(Happening::InstanceFreeze);
            }
        }
        let next = self.now + self.rng.between(1, 2 * self.faults.strikes);
        self.agenda.put(next, Event::Fault);
    }

    fn change_roster(&mut self) {
        if let Some(absent) = self.absent.take() {
            self.routes.agents.push(absent);
        } else if self.agents > 1 {
            self.absent = self.routes.agents.pop();
        }
        self.tally.count(Happening::RosterChange);
        for life in self.coordinator_lives() {
            self.agenda.put(self.now, Event::Rerouted(life));
        }
    }

    fn calm_down(&mut self) {
        self.calm = true;
        self.faults = Faults::default();
        if self.absent.is_some() {
            self.change_roster();
        }
        // Who is frozen thaws when its time has come.
        let now = self.now;
        for index in 0..self.instances.len() {
            if self.gone.as_ref() == Some(&self.instances[index].agent) {
                self.crash_instance(index);
            }
            self.agenda.put(now, Event::StartInstance(index));
        }
        for index in 0..self.coordinators.len() {
            self.agenda.put(now, Event::StartCoordinator(index));
        }
    }

    fn is_finished(&self) -> bool {
        self.truths.open() == 0
            && self.afloat == 0
            && self.instances.iter().all(|instance| instance.jobs.is_empty())
            && self.coordinators.iter().all(|coordinator| coordinator.has_read(self.stream.len()))
            && self.coordinators.iter().all(Coordinator::is_idle)
    }

    /// How long something takes on the way.
    pub(crate) fn delay(&mut self) -> Ms {
        if self.rng.percent(self.faults.slow) { self.rng.between(50, 3000) } else { self.rng.between(1, 8) }
    }

    /// A core message: it may be lost, late, or come twice.
    pub(crate) fn send_core(&mut self, event: impl Fn() -> Event) {
        if self.rng.percent(self.faults.loss) {
            return self.tally.count(Happening::CoreLost);
        }
        let at = self.now + self.delay();
        self.agenda.put(at, event());
        if self.rng.percent(self.faults.twice) {
            self.tally.count(Happening::CoreTwice);
            let at = self.now + self.delay();
            self.agenda.put(at, event());
        }
    }

    /// Publishes a message that nobody waits for: it may be late, lost, or repeated by its writer.
    pub(crate) fn publish(&mut self, draft: Draft, expect: Option<Expect>) {
        if self.rng.per_mille(self.faults.vanished) {
            return self.tally.count(Happening::AppendLost);
        }
        let publish = Publish { draft, expect, by: None, refused: false, unacknowledged: true };
        if self.rng.per_mille(self.faults.unacknowledged / 2) {
            self.set_afloat(publish.clone());
        }
        self.set_afloat(publish);
    }

    pub(crate) fn set_afloat(&mut self, publish: Publish) {
        self.afloat += 1;
        let at = self.now + self.delay();
        self.agenda.put(at, Event::Publish(Box::new(publish)));
    }

    /// A message reaches the server, which stores it or refuses it.
    fn arrive(&mut self, publish: Publish) -> Checked {
        self.afloat -= 1;
        let fenced = !matches!(self.mutant, Some(Mutant::FenceOff));
        let admitted = publish.expect.as_ref().is_none_or(|expect| !fenced || self.stream.admits(expect));
        let outcome = if publish.refused || !admitted {
            self.tally.count(if publish.refused { Happening::RefusedFreely } else { Happening::Refused });
            Appended::Refused
        } else {
            let stored = self.stream.store(publish.draft, self.now);
            let by = publish.by.as_ref().map(|(life, _, read)| (*life, *read));
            self.store(&stored, by)?;
            Appended::Stored(stored.seq)
        };
        if let Some((life, key, _)) = publish.by.filter(|_| !publish.unacknowledged) {
            let at = self.now + self.delay();
            self.agenda.put(at, Event::Acked(life, key, outcome));
        }
        Ok(())
    }

    fn store(&mut self, stored: &Rc<Stored>, by: Option<(Life, u64)>) -> Checked {
        self.truths.stored(stored);
        rules::stored(self, stored, by)?;
        self.count_verdict(stored);
        self.expect_reply(stored);
        for life in self.coordinator_lives() {
            let at = self.now + self.delay();
            self.agenda.put(at, Event::Read(life, stored.seq as usize));
        }
        Ok(())
    }

    fn count_verdict(&mut self, stored: &Stored) {
        let Some(key) = stored.entry.as_ref().and_then(ledger::Entry::key) else { return };
        let Some(truth) = self.truths.now(&key) else { return self.tally.count(Happening::Orphan) };
        if truth.end == Some(stored.seq) {
            self.tally.count(rules::happening(truth.state));
            if stored.at > crate::stream::ms(truth.deadline) && truth.state == protocol::State::Completed {
                self.tally.count(Happening::AnsweredPastDeadline);
            }
        }
        let what = match truth.verdicts.iter().find(|(seq, _)| *seq == stored.seq) {
            Some((_, Verdict::Duplicate)) => Happening::Duplicate,
            Some((_, Verdict::Conflict)) => Happening::Conflict,
            Some((_, Verdict::Late)) => Happening::Late,
            Some((_, Verdict::Stale)) => Happening::Stale,
            Some((_, Verdict::Premature)) => Happening::Premature,
            Some((_, Verdict::Invalid)) => Happening::Invalid,
            _ => return,
        };
        self.tally.count(what);
    }

    /// A question that is stored may get its reply.
    fn expect_reply(&mut self, stored: &Stored) {
        let Some(entry) = &stored.entry else { return };
        let (Ok(protocol::Message::Question(question)), Some(key)) = (&entry.body, entry.key()) else { return };
        self.tally.count(Happening::Waiting);
        if !self.calm && self.rng.percent(70) {
            let at = self.now + self.rng.between(10, 800);
            let reply = crate::requests::Act::Reply(key, entry.subject.from().clone(), question.question);
            self.agenda.put(at, Event::Act(reply));
        }
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>7} {}", self.now, what()));
        }
    }
}
