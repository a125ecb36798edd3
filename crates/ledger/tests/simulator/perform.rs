//! What a coordinator's actions meet: appends that are late, refused or never heard of again,
//! and core messages that get lost.

use std::rc::Rc;

use ledger::{Action, Appended, Key};
use protocol::{InstanceId, Message, Order, Subject};

use crate::{
    event::{Event, Life, Publish},
    mutant::{self, Mutant},
    rules::{self, Checked},
    stream::{Draft, Expect},
    tally::Happening,
    world::World,
};

impl World {
    pub(crate) fn perform(&mut self, life: Life, action: Action) -> Checked {
        let Some(action) = mutant::action(self, life, action)? else { return Ok(()) };
        match action {
            Action::Append { key, subject, message, expect } => {
                rules::append(self, life.index, &key, &message)?;
                self.append(life, key, subject, *message, expect);
            }
            Action::Hand { instance, order, .. } => {
                rules::hand(self, life.index, &instance, &order)?;
                self.tally.count(if matches!(order, Order::Work(_)) { Happening::Handed } else { Happening::Stops });
                self.hand(&instance, order);
            }
            Action::End { requester, end } => {
                rules::end(self, life.index, &requester, &end)?;
                self.tally.count(Happening::Ends);
            }
            Action::Archive { .. } | Action::LookUp { .. } => panic!("no desk here was told of an archive: {action:?}"),
        }
        Ok(())
    }

    fn append(&mut self, life: Life, key: Key, subject: Subject, message: Message, last: Option<u64>) {
        let read = self.coordinators[life.index].read as u64;
        self.coordinators[life.index].busy.insert(key.clone(), i64::MAX);
        self.coordinators[life.index].underway.insert(key.clone());
        let expect = last.map(|last| Expect::Guard(Key { id: subject.id(), requester: subject.from().clone() }, last));
        let mut publish = Publish {
            draft: Draft::new(subject, Ok(message)),
            expect,
            by: Some((life, key.clone(), read)),
            refused: self.rng.per_mille(self.faults.refused),
            unacknowledged: false,
        };
        let vanished = self.rng.per_mille(self.faults.vanished);
        if vanished || self.rng.per_mille(self.faults.unacknowledged) {
            self.doubt = true;
            self.tally.count(if vanished { Happening::AppendLost } else { Happening::AckLost });
            let gives_up = self.now + self.rng.between(200, 3000);
            self.agenda.put(gives_up, Event::Acked(life, key, Appended::Unknown));
            publish.unacknowledged = true;
        }
        if !vanished {
            self.set_afloat(publish);
        }
    }

    pub(crate) fn hand(&mut self, instance: &InstanceId, order: Order) {
        if self.mutant == Some(Mutant::StopsForgotten) && matches!(order, Order::Stop(_)) {
            return;
        }
        let Some(index) = self.instances.iter().position(|known| known.id == *instance) else { return };
        let life = Life { index, epoch: self.instances[index].epoch };
        let order = Rc::new(order);
        self.send_core(|| Event::Order(life, Rc::clone(&order)));
    }
}
