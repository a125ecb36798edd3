//! The folds of a whole ledger, or of one id of it.

use std::collections::HashMap;

use protocol::{Kind, Message, QueryId, Verdict};

use crate::{Entry, Fold, Key, tree::Trees};

/// The folds of every query that has been read, in one place.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// In the order in which they were stored: the first owns the id. Nearly always there is one.
    folds: HashMap<QueryId, Vec<Fold>>,
    /// Who asked on whose behalf.
    pub(crate) trees: Trees,
    last: u64,
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The query that it belongs to; `None` for a record of one message.
    pub key: Option<Key>,
    /// What the fold made of it.
    pub verdict: Verdict,
}

impl Book {
    /// Applies the next entry in ledger order. An entry that was applied before changes nothing.
    pub fn apply(&mut self, entry: &Entry) -> Applied {
        let key = entry.key();
        if entry.seq <= self.last {
            return Applied { key, verdict: Verdict::Duplicate };
        }
        self.last = entry.seq;
        let verdict = match &key {
            Some(key) => self.judge(key, entry),
            None if entry.body.is_ok() => Verdict::Counted,
            None => Verdict::Invalid,
        };
        self.note_guard(entry);
        Applied { key, verdict }
    }

    fn judge(&mut self, key: &Key, entry: &Entry) -> Verdict {
        if let Some(fold) = self.get_mut(key) {
            let verdict = fold.apply(entry);
            if let (Ok(Message::Answer(answer)), Verdict::Counted) = (&entry.body, verdict) {
                self.spend(key, answer);
            }
            return verdict;
        }
        if entry.subject.kind() != Kind::Query {
            return Verdict::Orphan;
        }
        if let Ok(Message::Query(query)) = &entry.body {
            self.grow(key, query);
        }
        let folds = self.folds.entry(key.id).or_insert_with(|| Vec::with_capacity(1));
        let conflict = !folds.is_empty();
        folds.push(Fold::begin(key.clone(), entry, conflict));
        match (&entry.body, conflict) {
            (Err(_), _) => Verdict::Invalid,
            (Ok(_), true) => Verdict::Conflict,
            (Ok(_), false) => Verdict::Counted,
        }
    }

    /// The guard filter selects by id and writer, so that a message of one record (an agent's
    /// progress for somebody else under the same id) can stand under the guard of another.
    fn note_guard(&mut self, entry: &Entry) {
        let key = Key { id: entry.subject.id(), requester: entry.subject.from().clone() };
        if let Some(fold) = self.get_mut(&key) {
            fold.guarded(entry.seq);
        }
    }

    /// Notes a stored message that is no entry, as its subject is none of the bus. The server
    /// counts it under the guard of a query all the same.
    pub fn passed_over(&mut self, key: &Key, seq: u64) {
        self.last = self.last.max(seq);
        if let Some(fold) = self.get_mut(key) {
            fold.guarded(seq);
        }
    }

    fn get_mut(&mut self, key: &Key) -> Option<&mut Fold> {
        self.folds.get_mut(&key.id)?.iter_mut().find(|fold| fold.key().requester == key.requester)
    }

    /// The fold of one query.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Fold> {
        self.folds.get(&key.id)?.iter().find(|fold| fold.key().requester == key.requester)
    }

    /// The query that owns an id: the first that was stored under it.
    #[must_use]
    pub fn owner(&self, id: QueryId) -> Option<&Fold> {
        self.folds.get(&id)?.first()
    }

    /// The query under an id as `asker` may mean it: its own, or else the owner's.
    #[must_use]
    pub fn find(&self, id: QueryId, asker: &protocol::Name) -> Option<&Fold> {
        let folds = self.folds.get(&id)?;
        folds.iter().find(|fold| fold.key().requester == *asker).or(folds.first())
    }

    /// Every query that was stored under an id, in that order.
    pub(crate) fn under(&self, id: QueryId) -> impl Iterator<Item = &Fold> {
        self.folds.get(&id).into_iter().flatten()
    }

    /// Whether nothing is open under an id: every query that was stored under it has ended, if there is one.
    #[must_use]
    pub fn is_finished(&self, id: QueryId) -> bool {
        self.folds.get(&id).is_none_or(|folds| folds.iter().all(|fold| fold.ended().is_some()))
    }

    /// Forgets the queries that were stored under an id up to this sequence: they have left the ledger.
    pub(crate) fn forget(&mut self, id: QueryId, upto: u64) {
        self.forget_where(id, |fold| fold.posted().seq <= upto);
    }

    /// Forgets one query.
    pub(crate) fn forget_one(&mut self, key: &Key) {
        self.forget_where(key.id, |fold| fold.key() == key);
    }

    /// Forgets the queries under an id that have ended.
    pub(crate) fn forget_ended(&mut self, id: QueryId) {
        self.forget_where(id, |fold| fold.ended().is_some());
    }

    fn forget_where(&mut self, id: QueryId, gone: impl Fn(&Fold) -> bool) {
        let Some(folds) = self.folds.get_mut(&id) else { return };
        folds.retain(|fold| {
            let stays = !gone(fold);
            if !stays {
                self.trees.forget(fold.key());
            }
            stays
        });
        if folds.is_empty() {
            self.folds.remove(&id);
        }
    }

    /// Every query, in no order.
    pub fn folds(&self) -> impl Iterator<Item = &Fold> {
        self.folds.values().flatten()
    }

    /// The last sequence that was applied.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }
}

#[cfg(test)]
mod tests;
