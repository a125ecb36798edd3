//! Agent instances: they accept, report, ask and answer, and crash or freeze in between.

use std::{collections::HashSet, rc::Rc};

use ledger::Key;
use protocol::{
    Extra, Heartbeat, InstanceId, Kind, Lease, Message, Name, Order, QueryId, To, Work,
    message::{Accept, Failure, Outcome, Progress, Question},
};

use crate::{
    event::{Event, Life},
    family::Errands,
    requests,
    stream::Ms,
    tally::Happening,
    world::World,
};

/// How often an instance shows that it lives.
pub(crate) const PULSE: Ms = 1000;

/// One instance of an agent.
pub(crate) struct Instance {
    pub(crate) agent: Name,
    pub(crate) id: InstanceId,
    pub(crate) capacity: u32,
    /// It fetches its work.
    pulls: bool,
    pub(crate) epoch: u32,
    pub(crate) up: bool,
    pub(crate) frozen_until: Ms,
    lease_ms: Option<u64>,
    stall_ms: Option<u64>,
    /// It never takes anything.
    mute: bool,
    pub(crate) jobs: Vec<Job>,
    seen: HashSet<(Key, u32)>,
}

/// A query that an instance works on.
pub(crate) struct Job {
    pub(crate) key: Key,
    attempt: u32,
    asked: u32,
    /// It goes on until it is told to stop.
    endless: bool,
    /// What it asks of others meanwhile.
    pub(crate) errands: Errands,
}

impl World {
    pub(crate) fn plan_instances(&mut self) {
        for agent in self.routes.agents.clone() {
            for _ in 0..1 + self.rng.below(2) {
                let instance = Instance {
                    agent: agent.clone(),
                    id: format!("i{}", self.instances.len()).parse().unwrap(),
                    capacity: 1 + self.rng.below(3) as u32,
                    pulls: self.rng.percent(20),
                    epoch: 0,
                    up: false,
                    frozen_until: 0,
                    lease_ms: [None, Some(1500), Some(3000)][self.rng.below(3)],
                    stall_ms: [None, None, Some(2500)][self.rng.below(3)],
                    mute: self.rng.percent(10),
                    jobs: Vec::new(),
                    seen: HashSet::new(),
                };
                self.instances.push(instance);
                let start = self.rng.between(0, 1500);
                self.agenda.put(start, Event::StartInstance(self.instances.len() - 1));
            }
        }
    }

    /// An instance starts, or starts again as a new one that remembers nothing.
    pub(crate) fn start_instance(&mut self, index: usize) {
        let calm = self.calm;
        let instance = &mut self.instances[index];
        if instance.up || (calm && self.gone.as_ref() == Some(&instance.agent)) {
            return;
        }
        instance.epoch += 1;
        instance.up = true;
        instance.id = format!("i{index}-{}", instance.epoch).parse().unwrap();
        instance.jobs.clear();
        instance.seen.clear();
        let life = Life { index, epoch: instance.epoch };
        self.agenda.put(self.now, Event::Pulse(life));
    }

    pub(crate) fn crash_instance(&mut self, index: usize) {
        let instance = &mut self.instances[index];
        if !instance.up {
            return;
        }
        instance.up = false;
        instance.jobs.clear();
        self.tally.count(Happening::InstanceCrash);
        let back = self.now + self.rng.between(50, 4000);
        self.agenda.put(back, Event::StartInstance(index));
    }

    pub(crate) fn freeze_instance(&mut self, index: usize, pause: Ms) {
        let instance = &mut self.instances[index];
        if instance.frozen_until <= self.now {
            instance.frozen_until = self.now + pause;
            self.tally.count(Happening::InstanceFreeze);
        }
    }

    /// The instance that an event is meant for, if it still lives; while it is frozen, the event waits.
    pub(crate) fn reach_instance(&mut self, life: Life, event: impl FnOnce() -> Event) -> bool {
        let instance = &self.instances[life.index];
        if !instance.up || instance.epoch != life.epoch {
            return false;
        }
        let thaws = instance.frozen_until;
        if thaws > self.now {
            self.agenda.put(thaws, event());
            return false;
        }
        true
    }

    /// What an instance takes now. One that fetches its work takes one more when it asks for some, now and then one
    /// of its choice; in the calm it always asks, for anything.
    fn offer(&mut self, life: Life) -> (u32, Option<QueryId>) {
        let instance = &self.instances[life.index];
        let (capacity, next) = (instance.capacity, u32::try_from(instance.jobs.len()).unwrap() + 1);
        if !instance.pulls {
            return (capacity, None);
        }
        if self.calm {
            return (next.min(capacity), None);
        }
        match self.rng.below(4) {
            0 | 1 => (next.min(capacity), None),
            2 => {
                let keys: Vec<_> = self.truths.keys().map(|key| key.id).collect();
                let only = (!keys.is_empty()).then(|| keys[self.rng.below(keys.len())]);
                (next.min(capacity), only)
            }
            _ => (0, None),
        }
    }

    /// A heartbeat to every coordinator.
    pub(crate) fn pulse(&mut self, life: Life) {
        let offer = self.offer(life);
        let instance = &self.instances[life.index];
        let lease = |job: &Job| Lease { id: job.key.id, requester: job.key.requester.clone(), attempt: job.attempt };
        let beat = Rc::new(Heartbeat {
            agent: instance.agent.clone(),
            owner: "bus".to_owned(),
            session: String::new(),
            instance_id: instance.id.clone(),
            ts: jiff::Timestamp::UNIX_EPOCH,
            interval_s: PULSE as f64 / 1000.0,
            capacity: offer.0,
            pulls: instance.pulls,
            only: offer.1,
            load: u32::try_from(instance.jobs.len()).unwrap_or(u32::MAX),
            leases: instance.jobs.iter().map(lease).collect(),
            version: None,
            digest: None,
            extra: Extra::new(),
        });
        for to in self.coordinator_lives() {
            self.send_core(|| Event::Heard(to, Rc::clone(&beat)));
        }
        self.agenda.put(self.now + PULSE, Event::Pulse(life));
    }

    pub(crate) fn ordered(&mut self, life: Life, order: &Order) {
        match order {
            Order::Work(work) => self.take(life, work),
            Order::Stop(stop) => {
                let stopped = |job: &Job| job.key.id == stop.id && job.key.requester == stop.requester && job.attempt == stop.attempt;
                self.instances[life.index].jobs.retain(|job| !stopped(job));
            }
            Order::Describe => {}
        }
    }

    fn take(&mut self, life: Life, work: &Work) {
        let key = Key { id: work.id, requester: work.requester.clone() };
        let full_means_no = self.rng.percent(50);
        let instance = &mut self.instances[life.index];
        let full = instance.jobs.len() >= instance.capacity as usize;
        if (instance.mute && !self.calm) || (full && full_means_no) || !instance.seen.insert((key.clone(), work.assign.attempt)) {
            return;
        }
        let (agent, id) = (instance.agent.clone(), instance.id.clone());
        let (lease_ms, stall_ms) = (instance.lease_ms, instance.stall_ms);
        let attempt = work.assign.attempt;
        let endless = work.query.timeout_ms.is_some_and(|ms| ms <= 8000) && self.rng.percent(15);
        let errands = self.errands(work);
        self.instances[life.index].jobs.push(Job { key: key.clone(), attempt, asked: 0, endless, errands });
        let accept = Accept { agent: agent.clone(), attempt, instance: id, lease_ms, stall_ms, extra: Extra::new() };
        self.say(Kind::Accept, key.id, agent, To::One(key.requester.clone()), Ok(Message::Accept(accept)));
        self.go_on(life, key, attempt);
    }

    fn go_on(&mut self, life: Life, key: Key, attempt: u32) {
        let pause = if self.calm { self.rng.between(5, 50) } else { self.rng.between(5, 1200) };
        self.agenda.put(self.now + pause, Event::Work(life, key, attempt));
    }

    /// The next thing that an instance does about a query that it has in hand.
    pub(crate) fn work(&mut self, life: Life, key: Key, attempt: u32) {
        let dice = self.rng.below(100);
        let instance = &self.instances[life.index];
        let (agent, id) = (instance.agent.clone(), instance.id.clone());
        let Some(place) = instance.jobs.iter().position(|job| job.key == key && job.attempt == attempt) else { return };
        let to = To::One(key.requester.clone());
        if instance.jobs[place].endless || self.delegates(life, place) {
            return self.go_on(life, key, attempt);
        }
        let instance = &mut self.instances[life.index];
        let job = &mut instance.jobs[place];
        if dice < 30 && !self.calm {
            let (status, instance) = ("working".to_owned(), Some(id));
            // Now and then it goes on without the reply to its last question.
            let defaulted = (dice < 10 && job.asked > 0).then_some(job.asked);
            let progress = Progress { attempt: Some(attempt), instance, defaulted, ..report(agent.clone(), status) };
            self.say(Kind::Progress, key.id, agent, to, Ok(Message::Progress(progress)));
            return self.go_on(life, key, attempt);
        }
        if dice < 45 && !self.calm {
            // Now and then it asks the same again.
            job.asked += u32::from(dice < 42 || job.asked == 0);
            let question = Question {
                agent: agent.clone(),
                attempt,
                instance: id,
                question: job.asked,
                text: "Which?".to_owned(),
                choices: None,
                default: None,
                timeout_ms: None,
                extra: Extra::new(),
            };
            self.say(Kind::Question, key.id, agent, to, Ok(Message::Question(question)));
            return self.go_on(life, key, attempt);
        }
        instance.jobs.remove(place);
        let outcome = match dice % 10 {
            0 => Outcome::Failed,
            1..=3 => Outcome::Retry,
            _ => Outcome::Completed,
        };
        let failure = match dice % 10 {
            1 | 2 => Some(Failure { crash: true, ..Failure::new("killed_by_signal", "Signal 6.") }),
            3 if dice < 70 => Some(Failure::new(Failure::GIVEN_BACK, "It stops.")),
            _ => None,
        };
        let mut answer = requests::answer(agent.clone(), attempt, id, outcome, failure);
        self.bill(&mut answer);
        self.say(Kind::Answer, key.id, agent, to, Ok(answer));
        // Too late.
        if self.family && self.rng.percent(8) {
            self.ask_another(life, &key, &[]);
        }
    }
}

fn report(agent: Name, status: String) -> Progress {
    Progress { agent, status, progress: None, attempt: None, instance: None, defaulted: None, extra: Extra::new() }
}
