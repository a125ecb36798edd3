//! What the model says of every query after every prefix of the ledger.

use std::{collections::HashMap, rc::Rc};

use ledger::Key;
use protocol::{Kind, Message, QueryId, Verdict, message::Query};

use crate::{
    kin::Kin,
    model::{self, Truth},
    stream::Stored,
};

/// What was true of one query from which sequence on, oldest first.
type History = Vec<(u64, Rc<Truth>)>;

#[derive(Default)]
pub(crate) struct Truths {
    logs: HashMap<QueryId, Vec<Rc<Stored>>>,
    histories: Vec<(Key, History)>,
    /// How the queries stand to each other that name a parent.
    kin: Vec<(Key, Kin)>,
    open: usize,
}

impl Truths {
    /// A message was stored: works out anew, from the beginning, what is true of its id.
    pub(crate) fn stored(&mut self, stored: &Rc<Stored>) {
        let id = stored.slot.id;
        self.logs.entry(id).or_default().push(Rc::clone(stored));
        let begins = stored.entry.as_ref().is_some_and(|entry| entry.subject.kind() == Kind::Query);
        if begins && !self.histories.iter().any(|(key, _)| *key == stored.slot) {
            let kin = stored.entry.as_ref().and_then(|entry| Kin::of(self, entry));
            self.kin.extend(kin.map(|kin| (stored.slot.clone(), kin)));
            self.histories.push((stored.slot.clone(), Vec::new()));
            self.open += 1;
        }
        let log: Vec<&Stored> = self.logs.get(&id).into_iter().flatten().map(Rc::as_ref).collect();
        for (key, history) in self.histories.iter_mut().filter(|(key, _)| key.id == id) {
            let Some(truth) = model::truth(&log, key) else { continue };
            let was_open = history.last().is_none_or(|(_, truth)| truth.end.is_none());
            self.open -= usize::from(was_open && truth.end.is_some());
            history.push((stored.seq, Rc::new(truth)));
        }
    }

    /// What was true of a query from when on.
    pub(crate) fn history(&self, key: &Key) -> &[(u64, Rc<Truth>)] {
        self.histories.iter().find(|(known, _)| known == key).map_or(&[], |(_, history)| history)
    }

    /// What was true of a query when the ledger ended at `seq`.
    pub(crate) fn at(&self, key: &Key, seq: u64) -> Option<Rc<Truth>> {
        self.history(key).iter().rev().find(|(from, _)| *from <= seq).map(|(_, truth)| Rc::clone(truth))
    }

    /// What is true of a query now.
    pub(crate) fn now(&self, key: &Key) -> Option<Rc<Truth>> {
        self.at(key, u64::MAX)
    }

    /// The queries that anybody posted.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.histories.iter().map(|(key, _)| key)
    }

    /// The messages of a query that count, up to a sequence.
    pub(crate) fn counted(&self, key: &Key, upto: u64) -> impl Iterator<Item = &Message> {
        let counted: Vec<u64> = self.at(key, upto).map_or_else(Vec::new, |truth| {
            truth.verdicts.iter().filter(|(_, verdict)| *verdict == Verdict::Counted).map(|(seq, _)| *seq).collect()
        });
        let entries = self.log(key.id).iter().filter(move |stored| counted.contains(&stored.seq));
        entries.filter_map(|stored| stored.entry.as_ref()?.body.as_ref().ok())
    }

    /// The query as it was first stored; None in its second place for one that is no query.
    pub(crate) fn query(&self, key: &Key) -> Option<(&Stored, Option<&Query>)> {
        let is_query = |stored: &&Rc<Stored>| stored.entry.as_ref().is_some_and(|entry| entry.subject.kind() == Kind::Query);
        let stored = self.log(key.id).iter().find(|stored| stored.slot == *key && is_query(stored))?;
        match &stored.entry.as_ref()?.body {
            Ok(Message::Query(query)) => Some((stored, Some(query))),
            _ => Some((stored, None)),
        }
    }

    /// How a query stands to the others, if it names a parent.
    pub(crate) fn kin(&self, key: &Key) -> Option<&Kin> {
        self.kin.iter().find(|(known, _)| known == key).map(|(_, kin)| kin)
    }

    /// Every query that names a parent, in the order in which they were stored.
    pub(crate) fn kins(&self) -> impl Iterator<Item = (&Key, &Kin)> {
        self.kin.iter().map(|(key, kin)| (key, kin))
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
