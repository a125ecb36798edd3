//! The lives of coordinators: they start, crash, freeze, and come back as another.

use std::{collections::HashSet, rc::Rc};

use jiff::Timestamp;
use ledger::Desk;
use protocol::{Extra, Heartbeat, InstanceId, Name};

use crate::{
    coordinator::{Coordinator, ROUND},
    event::{Event, Life},
    mutant::Mutant,
    rules::Checked,
    stream::Ms,
    tally::Happening,
    world::World,
};

impl World {
    pub(crate) fn plan_coordinators(&mut self) {
        for index in 0..[1, 1, 2, 3][self.rng.below(4)] {
            let skew = match self.rng.below(10) {
                0 => self.rng.between(-1_200_000, 1_200_000),
                1..4 => self.rng.between(-3000, 3000),
                _ => 0,
            };
            self.coordinators.push(Coordinator::new(skew));
            let start = self.rng.between(0, 1000);
            self.agenda.put(start, Event::StartCoordinator(index));
        }
    }

    pub(crate) fn coordinator_lives(&self) -> Vec<Life> {
        let lives = self.coordinators.iter().enumerate().filter(|(_, coordinator)| coordinator.desk.is_some());
        lives.map(|(index, coordinator)| Life { index, epoch: coordinator.epoch }).collect()
    }

    /// A coordinator starts, and reads the ledger from its beginning.
    pub(crate) fn start_coordinator(&mut self, index: usize) -> Checked {
        let (now, stored, policy) = (self.now, self.stream.len(), self.policy);
        let coordinator = &mut self.coordinators[index];
        if coordinator.desk.is_some() {
            return Ok(());
        }
        let epoch = coordinator.epoch + 1;
        let again = self.mutant == Some(Mutant::SameNameAgain) && epoch > 1;
        let me: InstanceId = if again { coordinator.me.clone() } else { format!("c{index}-{epoch}").parse().unwrap() };
        let handed = if again { std::mem::take(&mut coordinator.handed) } else { HashSet::new() };
        *coordinator = Coordinator { epoch, heard_itself: now, replay_to: stored, handed, ..Coordinator::new(coordinator.skew) };
        coordinator.desk = Some(Desk::new(me.clone(), policy));
        coordinator.beat = Some(Rc::new(Heartbeat {
            agent: Name::coordinator(),
            owner: "bus".to_owned(),
            session: String::new(),
            instance_id: me.clone(),
            ts: Timestamp::UNIX_EPOCH,
            interval_s: ROUND as f64 / 1000.0,
            capacity: 0,
            pulls: false,
            only: None,
            load: 0,
            leases: Vec::new(),
            version: None,
            digest: None,
            extra: Extra::new(),
        }));
        coordinator.me = me;
        let life = Life { index, epoch };
        if again {
            self.with_desk(life, Desk::caught_up)?;
        }
        self.agenda.put(now, Event::Beat(life));
        self.agenda.put(now, Event::Replay(life));
        Ok(())
    }

    pub(crate) fn crash_coordinator(&mut self, index: usize) {
        if self.coordinators[index].desk.take().is_none() {
            return;
        }
        self.doubt = true;
        self.tally.count(Happening::CoordinatorCrash);
        let back = self.now + self.rng.between(20, 3000);
        self.agenda.put(back, Event::StartCoordinator(index));
    }

    pub(crate) fn freeze_coordinator(&mut self, index: usize, pause: Ms) {
        let coordinator = &mut self.coordinators[index];
        // What waits for the end of one freeze must not be overtaken because of another.
        if coordinator.frozen.is_none_or(|(_, until)| until <= self.now) {
            coordinator.frozen = Some((self.now, self.now + pause));
            self.tally.count(Happening::CoordinatorFreeze);
        }
    }
}
