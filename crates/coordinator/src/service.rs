//! The loop: one task owns the desk; everything else sends it events.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ledger::{Action, Appended, Desk, Key, Policy};
use nats::{Api, Archive, Call, Connection, Delivery, Error, Ledger, Step, Subscription};
use protocol::{Heartbeat, InstanceId, Name, QueryId};
use serde_json::json;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::MissedTickBehavior,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    agents::{self, Agents},
    api::{self, Dead, Pieces, Waiters},
    clock::{Clock, Hearing},
    crash,
    effects::Effects,
    event::Event,
    feed::{self, Fed},
    options::Options,
};

/// The longest time between looks at the timers and at who has gone silent.
const TICK: Duration = Duration::from_millis(250);

/// Time between own heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long there may be more to read before the coordinator counts as behind.
const LAG: SignedDuration = SignedDuration::from_secs(1);

/// Time between looks at how full the ledger is.
const LOOK: Duration = Duration::from_secs(2);

/// Events that may wait for the loop.
const WAITING: usize = 4096;

/// A running coordinator. Dropping it stops it.
#[derive(Debug)]
pub struct Coordinator {
    instance: InstanceId,
    stop: CancellationToken,
    service: JoinHandle<()>,
}

impl Coordinator {
    /// Opens the ledger, reads it, takes up what was left open in it, and serves. Returns when the
    /// API can be called.
    ///
    /// # Errors
    /// `ledger_settings`, `storage_full`, `unavailable`.
    pub async fn start(connection: Connection, options: Options) -> Result<Self, Error> {
        let (instance, stop, tasks) = (InstanceId::mint(), CancellationToken::new(), TaskTracker::new());
        let ledger = Ledger::open(connection.clone(), options.limits).await?;
        let keep = Duration::try_from(options.retention.keep).unwrap_or_default();
        Archive::open(connection.clone(), options.limits, keep).await?;
        let agents = Agents::open(&connection).await?;
        let heartbeats = connection.subscribe(connection.space().heartbeats()).await?;
        let feed = feed::start(connection.clone(), &tasks, stop.clone()).await?;
        let (events, inbox) = mpsc::channel(WAITING);
        let (serving, served) = oneshot::channel();
        let pieces = Pieces::open(&connection, ledger.limits(), options.retention, &tasks, stop.clone());
        let effects = Effects::start(connection, events, tasks.clone());
        let policy = Policy { largest: effects.connection.max_body(), ..options.policy };
        // 74 random bits.
        let secret = QueryId::mint().uuid().as_u128();
        let desk = Desk::new(instance.clone(), policy).with_secret(secret).retain(options.retention);
        let clock = Clock::start();
        let hearing = Hearing::new(clock.now());
        let service = Service {
            instance: instance.clone(),
            desk,
            clock,
            hearing,
            agents,
            effects,
            ledger,
            waiters: Waiters::default(),
            dead: Dead::default(),
            pieces,
            caught_up: false,
            behind_since: None,
        };
        let service = tokio::spawn(service.run(feed, heartbeats, inbox, serving, stop.clone(), tasks));
        let coordinator = Self { instance, stop, service };
        // A ledger takes a few seconds to read for each million of messages.
        served.await.map_err(|_| Error::stopped())?;
        Ok(coordinator)
    }

    /// The coordinator's instance id.
    #[must_use]
    pub const fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// Stops taking calls, lets what is under way finish (5 s at most), and stops.
    pub async fn drain(mut self) {
        self.stop.cancel();
        let _ = tokio::time::timeout(Duration::from_secs(6), &mut self.service).await;
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The state of the loop.
pub(crate) struct Service {
    pub(crate) instance: InstanceId,
    pub(crate) desk: Desk,
    clock: Clock,
    hearing: Hearing,
    pub(crate) agents: Agents,
    pub(crate) effects: Effects,
    ledger: Ledger,
    pub(crate) waiters: Waiters,
    pub(crate) dead: Dead,
    pub(crate) pieces: Pieces,
    /// Whether the ledger has been read to its end once: only then does the desk act.
    caught_up: bool,
    /// Since when there has been more to read.
    behind_since: Option<Timestamp>,
}

impl Service {
    async fn run(
        mut self,
        mut feed: mpsc::Receiver<Fed>,
        mut heartbeats: Subscription,
        mut events: mpsc::Receiver<Event>,
        serving: oneshot::Sender<()>,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) {
        let mut ticks = interval(TICK);
        let mut beats = interval(HEARTBEAT);
        let mut looks = interval(LOOK);
        let (mut api, mut serving) = (None, Some(serving));
        loop {
            // Not before the ledger has been read: what is not read yet would be called unknown.
            if self.caught_up && api.is_none() {
                api = self.serve().await;
                if api.is_some() {
                    let _ = serving.take().map(|serving| serving.send(()));
                }
            }
            let due = self.desk.next_due().map(|at| self.clock.instant(at).into());
            tokio::select! {
                () = stop.cancelled() => break,
                fed = feed.recv() => match fed {
                    Some(fed) => self.fed(fed),
                    None => break,
                },
                Some(event) = events.recv() => self.event(event),
                beat = heartbeats.next() => match beat {
                    Some(beat) => self.heard(&beat),
                    None => break,
                },
                call = next_call(&mut api) => match call {
                    Some(call) => api::answer(&mut self, call),
                    None => break,
                },
                _ = ticks.tick() => self.tick(),
                () = until(due) => self.tick(),
                _ = beats.tick() => self.beat(),
                _ = looks.tick() => self.look(),
            }
        }
        api::dismiss(&mut self);
        if let Some(api) = api {
            api.stop().await;
        }
        let connection = self.effects.connection.clone();
        // Whoever waits to send something sees that nobody listens, and what is sent comes to its end.
        drop((feed, events, self));
        tasks.close();
        let _ = tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await;
        // What was said last leaves before the connection may close.
        let _ = connection.sentinel().await;
    }

    /// Starts to answer the API.
    async fn serve(&self) -> Option<Api> {
        let started = Api::start(&self.effects.connection, env!("CARGO_PKG_VERSION"), api::ENDPOINTS).await;
        started.inspect_err(|error| tracing::warn!(%error, "the API cannot be served yet")).ok()
    }

    /// The coordinator's own time; the desk knows how it stands to the server's.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn fed(&mut self, Fed { steps, caught_up }: Fed) {
        let now = self.now();
        for step in steps {
            self.dead.unreadable(&step, self.effects.connection.space());
            match step {
                Step::Entry(entry) => {
                    crash::point("entry.read");
                    let actions = self.desk.read(&entry, now, &self.agents);
                    self.perform(actions);
                }
                Step::PassedOver { key: Some(key), seq, .. } => self.desk.passed_over(&key, seq),
                Step::PassedOver { .. } | Step::Nothing => {}
            }
        }
        if caught_up && !self.caught_up {
            tracing::info!(last = self.desk.book().last(), "the ledger is read; coordinating");
            let actions = self.desk.caught_up(now, &self.agents);
            self.perform(actions);
        }
        // Falling behind later on stops the clocks of lease and acceptance, nothing else.
        self.caught_up |= caught_up;
        self.behind_since = if caught_up { None } else { self.behind_since.or(Some(now)) };
    }

    /// Whether the ledger has been read to its end, a second ago at the latest.
    fn is_current(&self, now: Timestamp) -> bool {
        let behind = self.behind_since.is_some_and(|since| now.duration_since(since) > LAG);
        self.caught_up && !behind
    }

    fn event(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::Appended(key, outcome) => {
                let actions = self.desk.appended(&key, outcome, now, &self.agents);
                self.perform(actions);
                if outcome == Appended::Gone {
                    // It has ended, and was read only in part. Whoever waits for it gets it from the archive.
                    api::ended(self, &key);
                }
            }
            Event::Archived(id, moved) => {
                let actions = self.desk.archived(id, moved, now);
                self.perform(actions);
            }
            Event::LookedUp(key, looked) => {
                let actions = self.desk.looked_up(&key, *looked, now, &self.agents);
                self.perform(actions);
            }
            Event::Erased(id) => self.desk.erased(id, now),
            Event::Full(full) => self.full(full),
            Event::Waits(key, seq, call) => api::waits(self, key, seq, *call),
            Event::Repeats(repeat) => api::repeated(self, *repeat),
            Event::Shown(shown) => {
                if self.agents.shown(&shown) {
                    let actions = self.desk.roster_changed(now, &self.agents);
                    self.perform(actions);
                }
                if shown.card.is_some() {
                    self.welcome(shown.reply);
                }
            }
        }
    }

    /// Looks how full the ledger is, and opens or closes its reserve.
    fn look(&self) {
        let (ledger, effects, was_full) = (self.ledger.clone(), self.effects.clone(), self.desk.is_full());
        self.effects.tasks.spawn(async move {
            match ledger.tend().await {
                Ok(full) if full != was_full => {
                    let _ = effects.events.send(Event::Full(full)).await;
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "how full the ledger is cannot be learnt now"),
            }
        });
    }

    fn full(&mut self, full: bool) {
        if full {
            tracing::error!("the ledger is full: new queries are refused, and what is open ends from the reserve");
        } else {
            tracing::warn!("the ledger has room again");
        }
        self.desk.full(full);
    }

    fn heard(&mut self, delivery: &Delivery) {
        let Some(beat) = delivery.body::<Heartbeat>("heartbeat") else {
            return tracing::debug!(subject = %delivery.subject, "a heartbeat that cannot be read");
        };
        // Who may send on a subject is a matter of permissions; what a body says of itself is not.
        if delivery.subject != self.effects.connection.space().heartbeat(&beat.agent, &beat.instance_id) {
            return tracing::warn!(subject = %delivery.subject, agent = %beat.agent, "a heartbeat in another's name");
        }
        if beat.agent.is_coordinator() && beat.instance_id == self.instance {
            self.hearing.heard_self(self.clock.now());
        }
        let actions = self.desk.heartbeat(&beat, self.now(), &self.agents);
        self.perform(actions);
        if beat.agent.is_coordinator() {
            return;
        }
        if self.agents.knows(&beat, delivery.reply.is_some()) {
            self.welcome(delivery.reply.clone());
        } else if beat.digest.is_some() && self.agents.ask(&beat.instance_id) {
            let (effects, cards, reply) = (self.effects.clone(), self.agents.cards(), delivery.reply.clone());
            self.effects.tasks.spawn(async move {
                let shown = agents::describe(effects.connection.clone(), cards, beat, reply).await;
                let _ = effects.events.send(Event::Shown(Box::new(shown))).await;
            });
        }
    }

    /// Tells an instance that wants to know it that it is known.
    fn welcome(&self, reply: Option<String>) {
        let Some(reply) = reply else { return };
        let (connection, instance) = (self.effects.connection.clone(), self.instance.clone());
        self.effects.tasks.spawn(async move {
            let _ = connection.answer(reply, &json!({ "coordinator": instance })).await;
        });
    }

    fn tick(&mut self) {
        let now = self.now();
        let heard = self.hearing.look(now, self.is_current(now));
        let since = if crash::without("pause") { Some(Timestamp::UNIX_EPOCH) } else { heard };
        self.desk.listening(since);
        let actions = self.desk.tick(now, &self.agents);
        self.perform(actions);
    }

    fn beat(&self) {
        let beat = Heartbeat {
            agent: Name::coordinator(),
            owner: self.effects.connection.space().to_string(),
            session: self.instance.to_string(),
            instance_id: self.instance.clone(),
            ts: Timestamp::now(),
            interval_s: HEARTBEAT.as_secs_f64(),
            capacity: 0,
            pulls: false,
            only: None,
            load: 0,
            leases: Vec::new(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            digest: None,
            extra: protocol::Extra::new(),
        };
        let connection = self.effects.connection.clone();
        self.effects.tasks.spawn(async move {
            let _ = connection.beat(&beat).await;
        });
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            let ended = match &action {
                Action::End { requester, end } => Some(Key { id: end.id, requester: requester.clone() }),
                _ => None,
            };
            self.effects.perform(action);
            if let Some(key) = ended {
                self.desk.book().get(&key).into_iter().for_each(|fold| self.dead.ended(fold));
                api::ended(self, &key);
            }
        }
    }
}

/// The next call; waits for ever while the API is not served.
async fn next_call(api: &mut Option<Api>) -> Option<Call> {
    match api {
        Some(api) => api.next().await,
        None => std::future::pending().await,
    }
}

/// Returns at that moment; never, if there is none.
async fn until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn interval(period: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
