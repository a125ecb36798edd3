//! What leaves the ledger, and what is asked of the archive before an id is given out a second time.
//!
//! **Never an open record.** An id is moved only when every query that was read under it has ended, and
//! only up to the last sequence that had been read then. Whatever is stored meanwhile stays where it is.
//!
//! Does nothing at all unless the desk was told to ([`Desk::retain`]).

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use protocol::{QueryId, message::Reason};

use super::{
    Action, Desk, Router,
    react::{LOOK_AGAIN, later},
};
use crate::{
    Entry, Fold, Key, Looked, Next, Retention,
    shelf::{Place, Shelf},
};

/// Records on their way to the archive at the same time.
const AT_ONCE: usize = 16;

/// Looks at the archive at the same time.
const LOOKS: usize = 64;

/// An id may claim to be minted later than it was used; more than this is not believed.
const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What a desk knows of the archive.
#[derive(Debug, Default)]
pub(super) struct Filing {
    retention: Option<Retention>,
    shelf: Shelf,
    /// On the way to the archive, up to this sequence.
    moving: HashMap<QueryId, (Place, u64)>,
    looks: HashMap<Key, Look>,
    /// Looks under way, and those that wait for one of them to end.
    looking: usize,
    line: VecDeque<Key>,
    /// Erased here, and when.
    erased: HashMap<QueryId, Timestamp>,
    /// When the last entry was stored.
    latest: Timestamp,
    /// When all had been read, by the server's clock. What was erased before that is not in `erased`.
    began: Option<Timestamp>,
}

/// A look at the archive for one query.
#[derive(Clone, Debug)]
enum Look {
    /// No answer yet.
    Asked,
    /// The archive knows nothing of its id.
    Clear,
    /// It does, and the query is refused.
    Refused(Next),
}

impl Desk {
    /// Has the desk move what is over to the archive, and look there before an id is used again.
    #[must_use]
    pub fn retain(mut self, retention: Retention) -> Self {
        self.filing.retention = Some(retention);
        self
    }

    /// An entry was read: where does its id stand now?
    pub(super) fn file(&mut self, entry: &Entry) {
        if self.filing.retention.is_none() {
            return;
        }
        let id = entry.subject.id();
        self.filing.latest = self.filing.latest.max(entry.time);
        if self.book.is_finished(id) {
            self.filing.shelf.put(id, settled(id, entry.time));
        } else {
            self.filing.shelf.take(id);
        }
    }

    /// Something that is none of the bus stands under an id: it leaves the ledger with whatever else does. It was
    /// stored after the last entry that was read.
    pub(super) fn file_junk(&mut self, id: QueryId) {
        if self.filing.retention.is_some() && self.book.is_finished(id) {
            self.filing.shelf.put(id, settled(id, self.filing.latest));
        }
    }

    /// All has been read.
    pub(super) fn filing_begins(&mut self, now: Timestamp) {
        self.filing.began = Some(self.clock.server(now));
    }

    /// Sends off what is to leave the ledger now.
    pub(super) fn send_off(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let Some(retention) = self.filing.retention else { return };
        let (now, full, upto) = (self.clock.server(now), self.is_full(), self.book.last());
        let (me, peers) = (&self.me, &self.peers);
        while self.filing.moving.len() < AT_ONCE {
            let Some((id, place)) = self.filing.shelf.next(now, &retention, full, |id| peers.owns(me, id)) else { return };
            // What stands in a tree stays until all of it is over: its number counts, and others ask what became of it.
            if !self.book.under(id).all(|fold| self.book.is_tree_over(fold.key())) {
                self.filing.shelf.put(id, later(now, LOOK_AGAIN));
                continue;
            }
            // One that is on its way had a message after that; it goes when the first part has arrived.
            if self.filing.moving.contains_key(&id) {
                self.filing.shelf.put_back(id, place);
                return;
            }
            self.filing.moving.insert(id, (place, upto));
            actions.push(Action::Archive { id, upto });
        }
    }

    /// An id was moved, or could not be. Call it a while after a failure, as the desk tries again at once.
    pub fn archived(&mut self, id: QueryId, moved: bool, now: Timestamp) -> Vec<Action> {
        let Some((place, upto)) = self.filing.moving.remove(&id) else { return Vec::new() };
        if moved {
            self.book.forget(id, upto);
        } else if self.book.is_finished(id) {
            let later = self.filing.shelf.take(id);
            self.filing.shelf.put_back(id, later.unwrap_or(place));
        }
        let mut actions = Vec::new();
        self.send_off(now, &mut actions);
        actions
    }

    /// The record of an id has its tombstone, and is being erased. The id may be fresh, and yet is taken.
    pub fn erased(&mut self, id: QueryId, now: Timestamp) {
        let Some(retention) = self.filing.retention else { return };
        let now = self.clock.server(now);
        self.filing.erased.retain(|_, at| now.duration_since(*at) < retention.fresh());
        self.filing.erased.insert(id, now);
        self.book.forget_ended(id);
        // Whatever is left of it then is erased when it would have been moved.
        if self.book.is_finished(id) {
            self.filing.shelf.put(id, now);
        }
    }

    /// Part of a query was read before somebody else moved the rest away.
    pub(super) fn lost(&mut self, key: &Key) {
        self.forget(key);
        self.heard.remove(key);
        self.lying.remove(key);
        self.gathers.remove(key);
        if let Some((agent, _)) = self.hands.release(key) {
            self.stirred.insert(agent);
        }
        self.book.forget_one(key);
    }

    /// How many records have ended and still stand in the ledger, as far as they were read.
    #[must_use]
    pub fn finished(&self) -> usize {
        self.filing.shelf.len() + self.filing.moving.len()
    }

    /// Whether the archive may have something under the id of a query that stands in the ledger.
    #[must_use]
    pub fn may_be_archived(&self, fold: &Fold) -> bool {
        self.filing.retention.is_some_and(|retention| !self.is_fresh(fold, &retention))
    }

    /// Whether nobody can have used the id before: it was minted at about the time when it was stored.
    /// Half the time after which a record may leave the ledger is left for clocks that differ.
    fn is_fresh(&self, fold: &Fold, retention: &Retention) -> bool {
        let Some(minted) = fold.key().id.minted_at() else { return false };
        let gap = fold.posted().at.duration_since(minted).abs();
        gap < retention.fresh() / 2
            && self.filing.began.is_some_and(|began| minted > began)
            && !self.filing.erased.contains_key(&fold.key().id)
    }

    /// Whether nothing is done about a query, because it is not known yet, or known all too well, what its
    /// id stood for before.
    pub(super) fn waits_for_archive(&mut self, key: &Key, now: Timestamp, actions: &mut Vec<Action>) -> bool {
        let (Some(retention), Some(fold)) = (self.filing.retention, self.book.get(key)) else { return false };
        if fold.ended().is_some() || !fold.attempts().is_empty() || self.is_fresh(fold, &retention) {
            return false;
        }
        match self.filing.looks.get(key).cloned() {
            Some(Look::Clear) => return false,
            Some(Look::Asked) => {}
            Some(Look::Refused(refusal)) if self.may_act(key, now) => self.finish(key, refusal, actions),
            None if self.may_act(key, now) => {
                self.filing.looks.insert(key.clone(), Look::Asked);
                self.filing.line.push_back(key.clone());
                self.look_on(actions);
            }
            Some(Look::Refused(_)) | None => {}
        }
        true
    }

    /// Asks for whoever is next in line.
    fn look_on(&mut self, actions: &mut Vec<Action>) {
        while self.filing.looking < LOOKS {
            let Some(key) = self.filing.line.pop_front() else { return };
            // Its query may have come to an end meanwhile.
            if matches!(self.filing.looks.get(&key), Some(Look::Asked)) {
                self.filing.looking += 1;
                actions.push(Action::LookUp { key });
            }
        }
    }

    /// The archive was asked about the id of a query. Call it a while after a failure, as the desk asks
    /// again at once.
    pub fn looked_up(&mut self, key: &Key, looked: Looked, now: Timestamp, router: &impl Router) -> Vec<Action> {
        self.filing.looking = self.filing.looking.saturating_sub(1);
        let mut actions = self.found(key, looked, now, router);
        self.look_on(&mut actions);
        actions
    }

    fn found(&mut self, key: &Key, looked: Looked, now: Timestamp, router: &impl Router) -> Vec<Action> {
        self.filing.looks.remove(key);
        let open = |fold: &&Fold| fold.ended().is_none() && fold.attempts().is_empty();
        let Some(fold) = self.book.get(key).filter(open) else { return Vec::new() };
        let look = match looked {
            Looked::Nothing => Look::Clear,
            // It is not guessed.
            Looked::Unknown => {
                self.timers.set(key.clone(), later(self.clock.server(now), LOOK_AGAIN));
                return Vec::new();
            }
            Looked::Ended { requester, content, end } if requester == key.requester && content == fold.posted().content => {
                let at = fold.posted().at;
                self.repeated(key, at);
                return vec![Action::End { requester, end }];
            }
            Looked::Ended { requester, .. } => {
                Look::Refused(refuse("conflict", format!("The id {} belongs to an earlier query of {requester}.", key.id)))
            }
            Looked::Erased(tomb) => {
                let message = format!("The record of the id {} was erased by {} at {}.", key.id, tomb.by, tomb.at);
                Look::Refused(refuse("erased", message))
            }
        };
        self.filing.looks.insert(key.clone(), look);
        self.react_all(vec![key.clone()], now, router)
    }

    /// The same query again, which ended long ago: it has that ending, and is one more message of its record.
    fn repeated(&mut self, key: &Key, at: Timestamp) {
        self.forget(key);
        self.book.forget_one(key);
        if self.book.is_finished(key.id) {
            self.filing.shelf.put(key.id, settled(key.id, at));
        }
    }

    /// Nothing more is to be known about a query.
    pub(super) fn forget_look(&mut self, key: &Key) {
        self.filing.looks.remove(key);
    }
}

/// From when on the age of a record counts whose last message was stored then. An id that claims to be
/// minted later must not be taken for a fresh one when it comes again.
fn settled(id: QueryId, stored: Timestamp) -> Timestamp {
    let minted = id.minted_at().unwrap_or(stored).min(later(stored, LONGEST));
    stored.max(minted)
}

fn refuse(code: &'static str, message: String) -> Next {
    let hint = Some("Post it under an id of its own, or under none.".to_owned());
    Next::Close { reason: Reason::Rejected, code, message, pointer: None, hint }
}

#[cfg(test)]
mod tests;
