//! A watcher that keeps its place: stopped at any moment, it goes on where it was, and misses nothing.
//!
//! The place is kept on the server, under the name of whoever watches and a name of the watcher. It moves when what was
//! given out has been dealt with, and not before: so a message may be given out twice, and none is left out.
//! It is a place in the ledger and no consumer of the server's, because those forget what was taken from the
//! ledger in the meantime, and give out of order what they give a second time.

use std::time::Duration;

use jiff::Timestamp;
use nats::{Places, Replay, Seen, Start};
use protocol::{InstanceId, Kind, Name, Problem, QueryId};
use serde::{Deserialize, Serialize};

use crate::{Bus, Error, Watch};

/// What has been dealt with is kept after so many messages at the latest, and whenever nothing is left to do.
const OFTEN: usize = 256;

/// The time after which a place is tried again that could not be kept.
const AGAIN: Duration = Duration::from_secs(1);

/// How often a place is set that another seems to have changed.
const TRIES: usize = 5;

/// A place as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    /// The last sequence that has been dealt with; 0 for none.
    seq: u64,
    /// When that was stored; without a sequence, where to begin.
    time: Option<Timestamp>,
    /// What is watched.
    filter: Filter,
    /// The watcher that runs, or ran last.
    holder: InstanceId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Filter {
    kind: Option<Kind>,
    agent: Option<Name>,
    query: Option<QueryId>,
    #[serde(default)]
    to: Option<Name>,
}

impl Filter {
    fn of(watch: &Watch) -> Self {
        Self { kind: watch.kind, agent: watch.agent.clone(), query: watch.query, to: watch.to.clone() }
    }

    /// What is watched, in words.
    fn told(&self) -> String {
        let parts = [
            self.kind.map(|kind| format!("the kind {kind}")),
            self.agent.as_ref().map(|agent| format!("the agent {agent}")),
            self.query.map(|id| format!("the query {id}")),
            self.to.as_ref().map(|to| format!("the inbox of {to}")),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        if parts.is_empty() { "everything".to_owned() } else { parts.join(", ") }
    }
}

/// A watch under way that keeps its place.
#[derive(Debug)]
pub struct Durable {
    replay: Replay,
    watch: Watch,
    keeper: Keeper,
    /// What was given out last.
    given: Option<(u64, Option<Timestamp>)>,
    /// How much has been dealt with and not been kept.
    unkept: usize,
}

/// Where a place is kept, and what stands there.
#[derive(Debug)]
struct Keeper {
    places: Places,
    name: Name,
    place: Place,
    revision: u64,
}

impl Bus {
    /// Begins to watch, or goes on where the watcher of this name was. `watch.start` says where a new one begins.
    /// If it still runs elsewhere, that one ends, with `taken_over`.
    ///
    /// # Errors
    /// `other_filter` where the watcher watches something else; `begun` where it has a place and
    /// `watch.start` names another; `no_ledger`, `unavailable`, `storage_full`.
    pub async fn watch_durably(&self, name: &Name, watch: Watch) -> Result<Durable, Error> {
        let places = Places::open(self.connection(), self.name()).await?;
        let mut keeper = Keeper::open(self, places, name, &watch).await?;
        keeper.take().await?;
        let Place { seq, time, .. } = keeper.place;
        let start = match (seq, time) {
            (0, Some(time)) => Start::Time(time),
            (seq, _) => Start::Seq(seq + 1),
        };
        let replay = Replay::open(self.connection().clone(), start, time, watch.filters(self)).await?;
        Ok(Durable { replay, watch, keeper, given: None, unkept: 0 })
    }

    /// Forgets the watcher of this name and its place; returns whether there was one.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn forget_watcher(&self, name: &Name) -> Result<bool, Error> {
        Ok(Places::open(self.connection(), self.name()).await?.forget(name).await?)
    }
}

impl Durable {
    /// The next message, or which sequences there are none of any more. Waits until there is something. Safe to cancel.
    ///
    /// # Errors
    /// `taken_over` when another watcher of this name has begun.
    pub async fn next(&mut self) -> Result<Seen, Error> {
        loop {
            if self.unkept >= OFTEN || (self.unkept > 0 && !self.replay.is_ready()) {
                self.keep().await?;
            }
            // What could not be kept is tried again while it waits.
            let seen = match self.unkept {
                0 => self.replay.next().await,
                _ => match tokio::time::timeout(AGAIN, self.replay.next()).await {
                    Ok(seen) => seen,
                    Err(_) => continue,
                },
            };
            if self.watch.takes(&seen) {
                self.given = Some(match &seen {
                    Seen::Entry(entry) => (entry.seq, Some(entry.time)),
                    Seen::Missed { to, .. } => (*to, None),
                });
                return Ok(seen);
            }
        }
    }

    /// What was given out so far has been dealt with. It is kept a moment later: whenever nothing is left to do, and
    /// after 256 messages at the latest.
    pub fn confirm(&mut self) {
        let Some((seq, time)) = self.given.take() else { return };
        self.keeper.place.seq = seq;
        self.keeper.place.time = time.or(self.keeper.place.time);
        self.unkept += 1;
    }

    /// Ends the watch; what has been dealt with is kept.
    ///
    /// # Errors
    /// `unavailable` and `taken_over`: some of it may be given out again.
    pub async fn close(mut self) -> Result<(), Error> {
        if self.unkept > 0 { self.keeper.keep().await } else { Ok(()) }
    }

    /// How many sequences of the ledger are still to come. Of a watch that is narrowed, that is the most it can be.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn behind(&self) -> Result<u64, Error> {
        Ok(self.replay.behind().await?)
    }

    /// Whether everything that was stored when the last message came has been shown.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.replay.is_caught_up()
    }

    async fn keep(&mut self) -> Result<(), Error> {
        match self.keeper.keep().await {
            Err(error) if error.is_unavailable() => {
                tracing::debug!(%error, "the watcher's place cannot be kept now");
                Ok(())
            }
            kept => {
                self.unkept = 0;
                kept
            }
        }
    }
}

impl Keeper {
    /// The place of this name, or a new one.
    async fn open(bus: &Bus, places: Places, name: &Name, watch: &Watch) -> Result<Self, Error> {
        let holder = InstanceId::mint();
        let filter = Filter::of(watch);
        let (place, revision) = match places.begin(name).await? {
            Some((kept, revision)) => (gone_on(name, &kept, &filter, watch.start)?, revision),
            None => (begun(bus, watch.start, filter, &holder).await?, 0),
        };
        Ok(Self { places, name: name.clone(), place: Place { holder, ..place }, revision })
    }

    /// Makes the place this watcher's own: from now on, another one that has the name cannot move it.
    async fn take(&mut self) -> Result<(), Error> {
        for _ in 0..TRIES {
            if self.set().await? {
                return Ok(());
            }
            // What was read may have been a copy that lags, or another watcher is moving on at this moment.
            let Some((place, revision)) = self.read().await? else {
                self.revision = 0;
                continue;
            };
            self.revision = revision;
            (self.place.seq, self.place.time) = (place.seq, place.time);
        }
        Err(self.taken_over())
    }

    async fn keep(&mut self) -> Result<(), Error> {
        for _ in 0..TRIES {
            if self.set().await? {
                return Ok(());
            }
            match self.read().await? {
                // Set by this watcher, and the acknowledgement did not come.
                Some((place, revision)) if place.holder == self.place.holder => self.revision = revision,
                _ => return Err(self.taken_over()),
            }
        }
        Err(self.taken_over())
    }

    async fn set(&mut self) -> Result<bool, Error> {
        let place = serde_json::to_vec(&self.place).unwrap_or_default();
        let set = self.places.set(&self.name, place, self.revision).await?;
        self.revision = set.unwrap_or(self.revision);
        Ok(set.is_some())
    }

    async fn read(&self) -> Result<Option<(Place, u64)>, Error> {
        let Some((kept, revision)) = self.places.get(&self.name).await? else { return Ok(None) };
        Ok(Some((parse(&self.name, &kept)?, revision)))
    }

    fn taken_over(&self) -> Error {
        let problem = Problem::new("taken_over", format!("another watcher goes by the name {}, and has begun after this one", self.name));
        problem.hint("Give each watcher a name of its own: --durable NAME").into()
    }
}

/// The place of a watcher that was there before.
fn gone_on(name: &Name, kept: &[u8], filter: &Filter, start: Start) -> Result<Place, Error> {
    let place = parse(name, kept)?;
    if place.filter != *filter {
        let (is, wanted) = (place.filter.told(), filter.told());
        let problem = Problem::new("other_filter", format!("the watcher {name} watches {is}, and not {wanted}"));
        return Err(problem.hint(format!("Use another name, or begin anew: agentbus watch --forget {name}")).into());
    }
    if start != Start::Now {
        let problem = Problem::new("begun", format!("the watcher {name} has its place already: after sequence {}", place.seq));
        return Err(problem.hint(format!("Leave the beginning out, or begin anew: agentbus watch --forget {name}")).into());
    }
    Ok(place)
}

fn parse(name: &Name, kept: &[u8]) -> Result<Place, Error> {
    serde_json::from_slice(kept).map_err(|error| {
        let problem = Problem::new("garbled", format!("the place of the watcher {name} cannot be read: {error}"));
        problem.hint(format!("Begin anew: agentbus watch --forget {name}")).into()
    })
}

/// The place of a new watcher.
async fn begun(bus: &Bus, start: Start, filter: Filter, holder: &InstanceId) -> Result<Place, Error> {
    let (seq, time) = match start {
        Start::First => (0, None),
        Start::Seq(seq) => (seq.saturating_sub(1), None),
        Start::Time(time) => (0, Some(time)),
        Start::Now => (bus.connection().last_sequence().await?, None),
    };
    Ok(Place { seq, time, filter, holder: holder.clone() })
}
