//! What a seat serves with: its inbox at the bus, and the requests that it has taken and not yet answered. Both are given
//! back when the seat is left. It decides nothing about the answers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use agentbus::{Bus, Held, Inbox, Problem, QueryId};

use super::seat::Station;

/// Requests that may be in hand at once.
const IN_HAND: usize = 16;

/// How long a coordinator may take to learn of the inbox before it is waited at all the same.
const KNOWN: Duration = Duration::from_secs(2);

/// The serving half of a seat.
#[derive(Debug, Default)]
pub(super) struct Desk {
    inbox: tokio::sync::Mutex<Option<(Bus, Arc<Inbox>)>>,
    held: Mutex<HashMap<QueryId, Arc<Held>>>,
}

impl Desk {
    /// The inbox, opened if it is not. One at a bus that has moved meanwhile is opened anew there.
    pub(super) async fn inbox(&self, station: &Station, bus: &Bus) -> Result<Arc<Inbox>, Problem> {
        let mut place = self.inbox.lock().await;
        if let Some((_, inbox)) = place.as_ref().filter(|(at, _)| at.connection().is_connected()) {
            return Ok(inbox.clone());
        }
        let agent = station.agent(bus).await?;
        let mut inbox = bus.inbox(agent).await.map_err(|error| error.problem())?;
        // A coordinator that does not know it yet would hand nothing over; it learns of it while it is waited.
        let _ = tokio::time::timeout(KNOWN, inbox.known()).await;
        let inbox = Arc::new(inbox);
        *place = Some((bus.clone(), inbox.clone()));
        Ok(inbox)
    }

    /// Fails if there is no room for another request.
    pub(super) fn room(&self) -> Result<(), Problem> {
        let mut held = self.lock();
        held.retain(|_, held| !held.stopped().is_cancelled());
        if held.len() < IN_HAND {
            return Ok(());
        }
        let problem = Problem::new("too_many_in_hand", format!("there are {IN_HAND} requests in hand, as many as there may be"));
        Err(problem.hint("Answer or release one of them first."))
    }

    /// Takes a request in hand.
    pub(super) fn hold(&self, held: Held) -> Arc<Held> {
        let held = Arc::new(held);
        self.lock().insert(held.id(), held.clone());
        held
    }

    /// A request in hand.
    pub(super) fn find(&self, id: QueryId) -> Result<Arc<Held>, Problem> {
        let problem = || Problem::new("not_in_hand", format!("the query {id} is not in hand: it was answered, given back or taken away"));
        let hint = "Its status says what became of it. Take the next one with wait_for_request.";
        self.lock().get(&id).cloned().ok_or_else(|| problem().hint(hint))
    }

    /// It is in hand no more.
    pub(super) fn forget(&self, id: QueryId) {
        self.lock().remove(&id);
    }

    /// Gives back all that is in hand.
    pub(super) async fn close(&self) {
        self.lock().clear();
        let inbox = self.inbox.lock().await.take();
        if let Some(inbox) = inbox.and_then(|(_, inbox)| Arc::into_inner(inbox)) {
            inbox.close().await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<QueryId, Arc<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
