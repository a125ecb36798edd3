//! What the model says of every query after every prefix of the ledger.

use std::{collections::HashMap, rc::Rc};

use ledger::Key;
use protocol::{Kind, QueryId};

use crate::{
    model::{self, Truth},
    stream::Stored,
};

/// What was true of one query from which sequence on, oldest first.
type History = Vec<(u64, Rc<Truth>)>;

#[derive(Default)]
pub(crate) struct Truths {
    logs: HashMap<QueryId, Vec<Rc<Stored>>>,
    histories: Vec<(Key, History)>,
    open: usize,
}

impl Truths {
    /// A message was stored: works out anew, from the beginning, what is true of its id.
    pub(crate) fn stored(&mut self, stored: &Rc<Stored>) {
        let id = stored.slot.id;
        let log = self.logs.entry(id).or_default();
        log.push(Rc::clone(stored));
        let begins = stored.entry.as_ref().is_some_and(|entry| entry.subject.kind() == Kind::Query);
        if begins && !self.histories.iter().any(|(key, _)| *key == stored.slot) {
            self.histories.push((stored.slot.clone(), Vec::new()));
            self.open += 1;
        }
        let log: Vec<&Stored> = log.iter().map(Rc::as_ref).collect();
        for (key, history) in self.histories.iter_mut().filter(|(key, _)| key.id == id) {
            let Some(truth) = model::truth(&log, key) else { continue };
            let was_open = history.last().is_none_or(|(_, truth)| truth.end.is_none());
            self.open -= usize::from(was_open && truth.end.is_some());
            history.push((stored.seq, Rc::new(truth)));
        }
    }

    /// What was true of a query when the ledger ended at `seq`.
    pub(crate) fn at(&self, key: &Key, seq: u64) -> Option<Rc<Truth>> {
        let (_, history) = self.histories.iter().find(|(known, _)| known == key)?;
        history.iter().rev().find(|(from, _)| *from <= seq).map(|(_, truth)| Rc::clone(truth))
    }

    /// What is true of a query now.
    pub(crate) fn now(&self, key: &Key) -> Option<Rc<Truth>> {
        self.at(key, u64::MAX)
    }

    /// The queries that anybody posted.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.histories.iter().map(|(key, _)| key)
    }

    /// What is stored under an id.
    pub(crate) fn log(&self, id: QueryId) -> &[Rc<Stored>] {
        self.logs.get(&id).map_or(&[], Vec::as_slice)
    }

    /// How many queries have not ended.
    pub(crate) const fn open(&self) -> usize {
        self.open
    }
}
