//! What a seat serves with: its inbox at the bus, and the requests that it has taken and not yet answered. A request is given
//! back when the session ends that has it (`hands`), all when the seat is left. It decides nothing about the answers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use agentbus::{Bus, Held, Inbox, Problem, QueryId};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{hands::Hands, seat::Station};
use crate::mcp::SessionId;

/// Requests that may be in hand at once.
const IN_HAND: usize = 16;

/// How long a coordinator may take to learn of the inbox before it is waited at all the same.
const KNOWN: Duration = Duration::from_secs(2);

/// How often it is looked for requests of which nothing is heard any more.
const LOOK: Duration = Duration::from_secs(60);

/// The serving half of a seat.
#[derive(Debug, Default)]
pub(super) struct Desk {
    inbox: tokio::sync::Mutex<Option<(Bus, Arc<Inbox>)>>,
    held: Arc<Hands<Held>>,
    sweeping: TaskTracker,
    closing: CancellationToken,
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
        // What was taken where the bus was before has gone with it.
        self.held.clear();
        if self.sweeping.is_empty() {
            self.sweeping.spawn(self.closing.clone().run_until_cancelled_owned(sweep(self.held.clone())));
        }
        Ok(inbox)
    }

    /// Fails if there is no room for another request.
    pub(super) fn room(&self) -> Result<(), Problem> {
        if self.held.count(over) < IN_HAND {
            return Ok(());
        }
        let problem = Problem::new("too_many_in_hand", format!("there are {IN_HAND} requests in hand, as many as there may be"));
        Err(problem.hint("Answer or release one of them first."))
    }

    /// A session takes a request in hand.
    pub(super) fn hold(&self, held: Held, session: Option<SessionId>) -> Arc<Held> {
        self.held.take(held.id(), held, session, Instant::now())
    }

    /// What a session took, and may never have heard of: its call may have been given up as the request was on its way.
    pub(super) fn unheard(&self, session: Option<SessionId>) -> Option<Arc<Held>> {
        self.held.count(over);
        self.held.untouched(session?)
    }

    /// A request in hand, on which a session works.
    pub(super) fn find(&self, id: QueryId, session: Option<SessionId>) -> Result<Arc<Held>, Problem> {
        let problem = || Problem::new("not_in_hand", format!("the query {id} is not in hand: it was answered, given back or taken away"));
        let hint = "Its status says what became of it. Take the next one with wait_for_request.";
        self.held.touch(id, session, Instant::now()).ok_or_else(|| problem().hint(hint))
    }

    /// It is in hand no more.
    pub(super) fn forget(&self, id: QueryId) {
        self.held.forget(id);
    }

    /// Gives back what a session has in hand.
    pub(super) fn left(&self, session: SessionId) {
        self.held.left(session);
    }

    /// Gives back all that is in hand.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        self.sweeping.close();
        self.sweeping.wait().await;
        self.held.clear();
        let inbox = self.inbox.lock().await.take();
        if let Some(inbox) = inbox.and_then(|(_, inbox)| Arc::into_inner(inbox)) {
            inbox.close().await;
        }
    }
}

fn over(held: &Held) -> bool {
    held.stopped().is_cancelled()
}

/// Gives back, again and again, what nobody works on any more.
async fn sweep(held: Arc<Hands<Held>>) {
    loop {
        tokio::time::sleep(LOOK).await;
        held.sweep(Instant::now());
    }
}
