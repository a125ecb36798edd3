//! Which requests are in hand, and in whose: each belongs to the session that took it or worked on it last, and is dropped,
//! which gives it back, when that session ends. It knows no bus and no clock.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use agentbus::QueryId;

use crate::mcp::SessionId;

/// For how long a request stays in hand of which nothing is heard, where there is no session that could end.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);

/// What is in hand. `T` is a request.
#[derive(Debug)]
pub(super) struct Hands<T>(Mutex<HashMap<QueryId, Place<T>>>);

#[derive(Debug)]
struct Place<T> {
    what: Arc<T>,
    session: Option<SessionId>,
    /// Whether anybody has worked on it since it was taken: whoever has knows that it is there.
    touched: bool,
    heard: Instant,
}

impl<T> Default for Hands<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Hands<T> {
    /// A session takes it; `None` where calls belong to none.
    pub(super) fn take(&self, id: QueryId, what: T, session: Option<SessionId>, now: Instant) -> Arc<T> {
        let what = Arc::new(what);
        self.lock().insert(id, Place { what: what.clone(), session, touched: false, heard: now });
        what
    }

    /// What a session works on; from now on it is this session's.
    pub(super) fn touch(&self, id: QueryId, session: Option<SessionId>, now: Instant) -> Option<Arc<T>> {
        let mut places = self.lock();
        let place = places.get_mut(&id)?;
        (place.session, place.touched, place.heard) = (session, true, now);
        Some(place.what.clone())
    }

    /// What a session took first of all on which it has not worked: it may never have heard of it.
    pub(super) fn untouched(&self, session: SessionId) -> Option<Arc<T>> {
        let places = self.lock();
        let own = places.values().filter(|place| place.session == Some(session) && !place.touched);
        own.min_by_key(|place| place.heard).map(|place| place.what.clone())
    }

    /// How many there are, without those that are over.
    pub(super) fn count(&self, over: impl Fn(&T) -> bool) -> usize {
        let mut places = self.lock();
        places.retain(|_, place| !over(&place.what));
        places.len()
    }

    /// It is in hand no more.
    pub(super) fn forget(&self, id: QueryId) {
        self.lock().remove(&id);
    }

    /// A session has ended: what it had is in hand no more.
    pub(super) fn left(&self, session: SessionId) {
        self.lock().retain(|_, place| place.session != Some(session));
    }

    /// What belongs to no session and was not heard of for an hour is in hand no more.
    pub(super) fn sweep(&self, now: Instant) {
        self.lock().retain(|_, place| place.session.is_some() || now.saturating_duration_since(place.heard) < FORGOTTEN);
    }

    /// Nothing is in hand.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<QueryId, Place<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn taken(hands: &Hands<&'static str>, what: &'static str, session: Option<SessionId>, now: Instant) -> QueryId {
        let id = QueryId::mint();
        hands.take(id, what, session, now);
        id
    }

    #[test]
    fn a_session_that_ends_gives_back_what_it_had_and_nothing_else() {
        let (hands, now) = (Hands::default(), Instant::now());
        let (one, two) = (SessionId::next(), SessionId::next());
        let ids = [Some(one), Some(two), Some(one), None].map(|session| taken(&hands, "a", session, now));
        // The other session goes on with it.
        hands.touch(ids[2], Some(two), now);
        hands.left(one);
        assert_eq!(ids.map(|id| hands.touch(id, Some(two), now).is_some()), [false, true, true, true]);
        hands.left(two);
        assert_eq!(hands.count(|_| false), 0);
    }

    #[test]
    fn what_was_not_touched_is_found_again_by_the_session_that_took_it() {
        let (hands, now) = (Hands::default(), Instant::now());
        let (one, two) = (SessionId::next(), SessionId::next());
        let second = taken(&hands, "second", Some(one), now + Duration::from_millis(1));
        let first = taken(&hands, "first", Some(one), now);
        let found = || hands.untouched(one).map(|what| *what);
        assert_eq!((found(), found(), hands.untouched(two)), (Some("first"), Some("first"), None));
        hands.touch(first, Some(one), now);
        assert_eq!(found(), Some("second"));
        hands.forget(second);
        assert_eq!(found(), None);
    }

    #[test]
    fn without_a_session_it_is_given_back_after_an_hour_of_silence() {
        let (hands, now) = (Hands::default(), Instant::now());
        let [silent, told, sessions] = [None, None, Some(SessionId::next())].map(|session| taken(&hands, "a", session, now));
        hands.touch(told, None, now + Duration::from_secs(1));
        hands.sweep(now + FORGOTTEN);
        let left = [silent, told, sessions].map(|id| hands.touch(id, None, now).is_some());
        assert_eq!(left, [false, true, true]);
    }

    #[test]
    fn what_is_over_takes_no_room() {
        let (hands, now) = (Hands::default(), Instant::now());
        for what in ["over", "under way"] {
            taken(&hands, what, None, now);
        }
        assert_eq!(hands.count(|what| *what == "over"), 1);
    }
}
