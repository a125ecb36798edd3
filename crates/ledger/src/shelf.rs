//! Records that have ended and still stand in the ledger, in the order in which they leave it.
//!
//! Owns only the order and the times. That nothing open is ever put here is the desk's business
//! ([`crate::Desk`], desk/archive.rs).

use std::collections::{BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use protocol::QueryId;

/// When records that have ended leave the ledger for the archive, and the archive for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// A record stays in the ledger for so long after it has ended. Default 24 h.
    pub hot: SignedDuration,
    /// Of more ended records than this, the oldest leave sooner. Default 200,000.
    pub most: usize,
    /// The archive keeps a record for so long. Default 30 days.
    pub keep: SignedDuration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { hot: SignedDuration::from_hours(24), most: 200_000, keep: SignedDuration::from_hours(30 * 24) }
    }
}

impl Retention {
    /// No record leaves sooner than this after it has ended: so of an id that was minted just now, it is
    /// known without a look that the archive has nothing.
    #[must_use]
    pub fn fresh(&self) -> SignedDuration {
        self.hot.min(SignedDuration::from_mins(5))
    }

    /// For how long a record is left to the coordinator that it belongs to.
    fn patience(&self) -> SignedDuration {
        self.fresh().min(SignedDuration::from_secs(30))
    }
}

/// The records that have ended, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    order: BTreeSet<(Timestamp, QueryId)>,
    /// Records of other coordinators, and when to look whether they have moved them.
    others: BTreeSet<(Timestamp, QueryId)>,
    places: HashMap<QueryId, Place>,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// When it ended, or was last heard of after that.
    pub(crate) at: Timestamp,
    /// When to look, if it is another coordinator's.
    pub(crate) other: Option<Timestamp>,
}

impl Shelf {
    /// A record has ended, or a message came after it had: that was stored at `at`.
    pub(crate) fn put(&mut self, id: QueryId, at: Timestamp) {
        self.take(id);
        self.put_back(id, Place { at, other: None });
    }

    /// Puts back what [`Shelf::take`] or [`Shelf::next`] gave out.
    pub(crate) fn put_back(&mut self, id: QueryId, place: Place) {
        match place.other {
            Some(when) => self.others.insert((when, id)),
            None => self.order.insert((place.at, id)),
        };
        self.places.insert(id, place);
    }

    /// Takes a record off.
    pub(crate) fn take(&mut self, id: QueryId) -> Option<Place> {
        let place = self.places.remove(&id)?;
        match place.other {
            Some(when) => self.others.remove(&(when, id)),
            None => self.order.remove(&(place.at, id)),
        };
        Some(place)
    }

    /// Takes off the record that is to leave next, if one is to leave now. `full`: the ledger is.
    pub(crate) fn next(
        &mut self,
        now: Timestamp,
        retention: &Retention,
        full: bool,
        is_mine: impl Fn(QueryId) -> bool,
    ) -> Option<(QueryId, Place)> {
        if let Some((_, id)) = self.others.first().copied().filter(|(when, _)| *when <= now) {
            return Some((id, self.take(id)?));
        }
        loop {
            let (at, id) = self.order.first().copied()?;
            let crowded = full || self.order.len() > retention.most;
            let due = if crowded { retention.fresh() } else { retention.hot };
            if now.duration_since(at) < due {
                return None;
            }
            let place = self.take(id)?;
            if is_mine(id) {
                return Some((id, place));
            }
            let when = now.checked_add(retention.patience()).unwrap_or(Timestamp::MAX);
            self.put_back(id, Place { other: Some(when), ..place });
        }
    }

    /// How many records have ended and not moved.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{at, key};

    const HOUR: i64 = 3600;

    fn retention(most: usize) -> Retention {
        Retention { most, ..Retention::default() }
    }

    fn ids(shelf: &mut Shelf, now: i64, most: usize, full: bool) -> Vec<QueryId> {
        std::iter::from_fn(|| shelf.next(at(now), &retention(most), full, |_| true)).map(|(id, _)| id).collect()
    }

    fn three() -> (Shelf, [QueryId; 3]) {
        let (mut shelf, ids) = (Shelf::default(), [key(0).id, key(1).id, key(2).id]);
        for (n, id) in ids.into_iter().enumerate().rev() {
            shelf.put(id, at(n as i64 * HOUR));
        }
        (shelf, ids)
    }

    #[test]
    fn what_has_been_over_for_long_enough_leaves_oldest_first() {
        let (mut shelf, [a, b, c]) = three();
        assert_eq!(ids(&mut shelf, 24 * HOUR - 1, 9, false), []);
        assert_eq!(ids(&mut shelf, 25 * HOUR, 9, false), [a, b]);
        assert_eq!(ids(&mut shelf, 26 * HOUR, 9, false), [c]);
        assert_eq!(shelf.len(), 0);
    }

    #[test]
    fn of_too_many_the_oldest_leave_sooner_but_never_at_once() {
        let (mut shelf, [a, b, c]) = three();
        assert_eq!(ids(&mut shelf, 3 * HOUR, 2, false), [a]);
        assert_eq!(ids(&mut shelf, 2 * HOUR + 299, 0, false), [b], "the last one ended less than five minutes ago");
        assert_eq!(ids(&mut shelf, 2 * HOUR + 299, 9, true), []);
        assert_eq!(ids(&mut shelf, 2 * HOUR + 300, 9, true), [c], "nor does a full ledger wait longer");
    }

    #[test]
    fn what_is_another_coordinators_is_left_to_it_for_a_while() {
        let (mut shelf, [a, b, c]) = three();
        assert_eq!(shelf.next(at(24 * HOUR), &retention(9), false, |_| false).map(|(id, _)| id), None);
        assert_eq!(shelf.next(at(24 * HOUR + 29), &retention(9), false, |_| false).map(|(id, _)| id), None);
        assert_eq!(shelf.next(at(24 * HOUR + 30), &retention(9), false, |_| false).map(|(id, _)| id), Some(a));
        assert_eq!(ids(&mut shelf, 30 * HOUR, 9, false), [b, c]);
    }

    #[test]
    fn what_comes_late_begins_the_time_anew() {
        let (mut shelf, [a, b, c]) = three();
        shelf.put(a, at(9 * HOUR));
        assert_eq!(ids(&mut shelf, 32 * HOUR, 9, false), [b, c]);
        assert_eq!(ids(&mut shelf, 33 * HOUR, 9, false), [a]);
    }
}
