//! Trouble: what is lost, late or repeated on the way, who crashes or freezes, and when it ends.

use crate::{
    event::{Event, Publish},
    stream::{Draft, Expect, Ms},
    tally::Happening,
    world::World,
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

impl World {
    /// A crash or a freeze of somebody.
    pub(crate) fn strike(&mut self) {
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
                self.freeze_instance(index, pause);
            }
        }
        let next = self.now + self.rng.between(1, 2 * self.faults.strikes);
        self.agenda.put(next, Event::Fault);
    }

    pub(crate) fn change_roster(&mut self) {
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

    pub(crate) fn calm_down(&mut self) {
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
}
