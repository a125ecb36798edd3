//! One run: everything that there is, the faults, and what happens step by step.
//!
//! First there is trouble, then calm. In the calm everything must finish.

use std::rc::Rc;

use jiff::SignedDuration;
use ledger::{Policy, Router, Situation};
use protocol::{Candidate, Decision, Name, Step, message::Gather};

use crate::{
    coordinator::Coordinator,
    event::{Agenda, Event},
    family,
    instance::Instance,
    mutant::Mutant,
    requests::{Request, name},
    rng::Rng,
    rules::{self, Broken, Checked},
    stream::{Ms, Stream},
    tally::Tally,
    trouble::Faults,
    truths::Truths,
};

/// Whom a query may go to: its target, else a live agent, else any.
pub(crate) struct Routes {
    pub(crate) agents: Vec<Name>,
}

impl Router for Routes {
    fn route(&self, at: &Situation<'_>) -> Decision {
        let (fold, hands) = (at.fold, at.hands);
        if let Some(gather) = fold.posted().query().and_then(|query| query.gather.as_ref()) {
            return self.choose(at, gather);
        }
        let target = fold.posted().query().and_then(|query| query.target.clone()).or(fold.posted().to.name().cloned());
        let others = || self.agents.iter().filter(|agent| !at.path.contains(agent));
        let agent = match target {
            Some(target) => self.agents.contains(&target).then_some(target),
            None => others().find(|agent| hands.is_live(agent)).or(others().next()).cloned(),
        };
        let step = if agent.is_some() { Step::Target } else { Step::None };
        Decision::new(agent, step, "so")
    }
}

impl Routes {
    /// Whom to ask at once.
    fn choose(&self, at: &Situation<'_>, gather: &Gather) -> Decision {
        let fits = |agent: &&Name| !at.path.contains(agent) && (!gather.all || at.hands.is_live(agent));
        let chosen = self.agents.iter().filter(fits).take(gather.top.map_or(usize::MAX, |top| top as usize));
        let mut decision = Decision::new(None, Step::Score, "so");
        decision.candidates = chosen.map(|agent| Candidate::new(agent.clone(), "so")).collect();
        decision
    }
}

pub(crate) struct World {
    pub(crate) seed: u64,
    /// Whether agents ask each other, and people several at once.
    pub(crate) family: bool,
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
    pub(crate) absent: Option<Name>,
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
    pub(crate) calm_at: Ms,
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
        let family = family::is_family(seed);
        let agents: Vec<Name> = (0..1 + usize::from(family) + rng.below(3)).map(|n| name(&format!("a{n}"))).collect();
        let gone = (agents.len() > 1 && rng.percent(if family { 40 } else { 20 })).then(|| agents[0].clone());
        let seconds = |s: i64| SignedDuration::from_secs(s);
        let short = Policy {
            accept: SignedDuration::from_millis(500),
            lease: seconds(2),
            backoff: SignedDuration::from_millis(100),
            max_backoff: seconds(2),
            ..Policy::default()
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
            family,
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

    fn is_finished(&self) -> bool {
        self.truths.open() == 0
            && self.afloat == 0
            && self.instances.iter().all(|instance| instance.jobs.is_empty())
            && self.coordinators.iter().all(|coordinator| coordinator.has_read(self.stream.len()))
            && self.coordinators.iter().all(Coordinator::is_idle)
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>7} {}", self.now, what()));
        }
    }
}
