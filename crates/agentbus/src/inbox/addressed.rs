//! What is addressed to an agent: what waits for it, and what it has in hand. Takes nothing.

use jiff::Timestamp;
use protocol::{Name, QueryId, Record, State};

use super::taken::lease_until;
use crate::{Bus, Error};

/// How many of each are shown at most: each is read for its text.
const MOST: usize = 100;

/// How many that wait are looked at, to find those that come first: as many as a coordinator lists.
const LISTED: usize = 1000;

/// The states of a query that somebody has in hand.
const IN_HAND: [State; 4] = [State::Assigned, State::Accepted, State::Working, State::Waiting];

/// What is addressed to an agent.
#[derive(Clone, Debug, Default)]
pub struct Addressed {
    /// Whether the bus knows the agent. Queries to one that it does not know are unroutable.
    pub known: bool,
    /// What waits for it, in the order in which it would be given it; the first 100. Where more than 1000 wait, only the
    /// newest 1000 are looked at, so the next one may not be among them.
    pub waiting: Vec<Record>,
    /// What it has in hand, oldest first, each with when its lease runs out if nothing more is sent (later, where an
    /// instance of it runs); at most 100. Where it has run out, it may still be answered until somebody else is given it.
    pub in_hand: Vec<(Record, Option<Timestamp>)>,
    /// Whether there is more of one of them.
    pub more: bool,
}

impl Bus {
    /// What waits for an agent, and what it has in hand.
    ///
    /// # Errors
    /// As [`Bus::list`].
    pub async fn addressed(&self, agent: &Name) -> Result<Addressed, Error> {
        let mut addressed = Addressed { known: self.card(agent).await?.is_some(), ..Addressed::default() };
        let mut waiting = self.list(Some(State::Posted), Some(agent), LISTED).await?;
        waiting.sort_by_key(|query| (std::cmp::Reverse(query.priority), query.posted_at));
        addressed.more = waiting.len() > MOST;
        for query in waiting.into_iter().take(MOST) {
            addressed.waiting.extend(self.still(query.id).await?.filter(|record| record.state == State::Posted));
        }
        let mut held = Vec::new();
        for state in IN_HAND {
            held.extend(self.list(Some(state), Some(agent), MOST).await?);
        }
        held.sort_by_key(|query| query.posted_at);
        addressed.more |= held.len() > MOST;
        for query in held.into_iter().take(MOST) {
            let Some(mut record) = self.still(query.id).await? else { continue };
            let until = lease_until(&record);
            record.messages.clear();
            addressed.in_hand.push((record, until));
        }
        Ok(addressed)
    }

    /// The record of a query, unless it has left the ledger or has ended meanwhile.
    async fn still(&self, id: QueryId) -> Result<Option<Record>, Error> {
        match self.history(id).await {
            Ok(record) => Ok(Some(record).filter(|record| !record.state.is_terminal())),
            Err(error) if error.code() == "not_found" || error.code() == "erased" => Ok(None),
            Err(error) => Err(error),
        }
    }
}
