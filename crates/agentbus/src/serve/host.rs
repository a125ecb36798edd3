//! The loop of one instance: orders in, heartbeats out, and what it holds.
//!
//! What does the work stands in [`Worker`]: a handler, or whoever asks for some. Next: `work`, one attempt by a
//! handler; `crate::inbox`, one that was asked for.

use std::{collections::HashMap, mem, sync::Arc, time::Duration};

use jiff::Timestamp;
use nats::{Delivery, Subscription};
use protocol::{Heartbeat, InstanceId, Lease, Order, Work};
use tokio::{
    sync::{oneshot, watch},
    task::{AbortHandle, Id, JoinSet},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use super::{
    Agent, Task,
    worker::{Offer, Worker},
};
use crate::Bus;

/// How long an instance that leaves waits for a coordinator to say that it has heard so.
const NOTICE: Duration = Duration::from_secs(1);

/// How long after that an assignment may still come that was made before.
const LAST_WORK: Duration = Duration::from_millis(250);

pub(super) struct Host {
    bus: Bus,
    agent: Agent,
    instance: InstanceId,
    worker: Worker,
    announce: watch::Sender<bool>,
    introduction: Introduction,
    digest: String,
    held: HashMap<Lease, (CancellationToken, AbortHandle)>,
    working: JoinSet<Lease>,
    leaving: CancellationToken,
}

/// Saying who we are, and waiting until a coordinator has understood: one at a time, so that they are heard in order.
#[derive(Default)]
struct Introduction {
    answer: Option<oneshot::Receiver<bool>>,
    /// There was more to say meanwhile.
    again: bool,
}

impl Host {
    pub(super) fn new(bus: Bus, agent: Agent, instance: InstanceId, worker: Worker, announce: watch::Sender<bool>) -> Self {
        let digest = agent.card.digest();
        Self {
            bus,
            agent,
            instance,
            worker,
            announce,
            introduction: Introduction::default(),
            digest,
            held: HashMap::new(),
            working: JoinSet::new(),
            leaving: CancellationToken::new(),
        }
    }

    /// Serves until it is told to stop, or has drained.
    pub(super) async fn run(mut self, mut orders: Subscription, draining: CancellationToken, stopping: CancellationToken) {
        let mut beats = tokio::time::interval(self.agent.interval());
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let dismissed = CancellationToken::new();
        let mut open = true;
        loop {
            if dismissed.is_cancelled() && self.held.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                () = draining.cancelled(), if open => {
                    open = false;
                    self.take_leave(&dismissed, &stopping);
                }
                () = dismissed.cancelled(), if !dismissed.is_cancelled() => {}
                Some(finished) = self.working.join_next_with_id() => {
                    let before = self.offer();
                    self.finished(finished);
                    self.offer_again(before, !open).await;
                }
                order = orders.next() => match order {
                    Some(order) => {
                        let before = self.offer();
                        self.obey(&order).await;
                        self.offer_again(before, !open).await;
                    }
                    None => break,
                },
                () = self.worker.changed(), if open => self.beat(false).await,
                known = self.introduction.answered() => self.introduced(known, !open).await,
                _ = beats.tick() => self.beat(!open).await,
            }
        }
        self.give_back().await;
        // No further heartbeat will come, so that coordinators need not wait for one.
        self.send(Heartbeat { interval_s: 0.0, ..self.heartbeat(true) }).await;
    }

    async fn obey(&mut self, delivery: &Delivery) {
        match delivery.body::<Order>("order") {
            Some(Order::Work(work)) => self.take(*work),
            Some(Order::Stop(stop)) => {
                let lease = Lease { id: stop.id, requester: stop.requester, attempt: stop.attempt };
                if let Some((stopped, _)) = self.held.get(&lease) {
                    stopped.cancel();
                }
            }
            Some(Order::Describe) => {
                if let Some(reply) = delivery.reply.clone() {
                    let answered = self.bus.connection().answer(reply, &self.agent.card).await;
                    tracing::debug!(agent = %self.agent.card.agent, ?answered, "showed the card");
                }
            }
            None => tracing::warn!(subject = %delivery.subject, "an order that cannot be read"),
        }
    }

    /// Takes an assignment, unless it is not ours, is in hand already, or is one too many: what
    /// is not accepted goes to another instance, or comes again.
    fn take(&mut self, work: Work) {
        let lease = Lease { id: work.id, requester: work.requester.clone(), attempt: work.assign.attempt };
        let ours = work.assign.agent == self.agent.card.agent && work.assign.instance == self.instance;
        if !ours || self.held.contains_key(&lease) {
            return;
        }
        let stopped = CancellationToken::new();
        let (bus, leaving) = (self.bus.clone(), self.leaving.clone());
        let task = Task { bus, work: Arc::new(work), stopped: stopped.clone(), leaving, asked: Arc::default() };
        let Some(attempt) = self.worker.attempt(task, &self.agent, self.held.len()) else { return };
        let name = lease.clone();
        let handle = self.working.spawn(async move {
            attempt.await;
            name
        });
        self.held.insert(lease, (stopped, handle));
    }

    fn finished(&mut self, finished: Result<(Id, Lease), tokio::task::JoinError>) {
        match finished {
            Ok((_, lease)) => {
                self.held.remove(&lease);
            }
            // Cannot happen but by a fault in this crate: a handler's panic is caught within.
            Err(error) => {
                tracing::error!(%error, "an attempt broke off");
                self.held.retain(|_, (_, handle)| handle.id() != error.id());
            }
        }
    }

    async fn beat(&mut self, leaving: bool) {
        let beat = self.heartbeat(leaving);
        if !*self.announce.borrow() && !leaving {
            return self.introduce(beat);
        }
        self.send(beat).await;
    }

    /// What it takes now.
    fn offer(&self) -> Offer {
        self.worker.offer(&self.agent, self.held.len())
    }

    /// Says what it takes now, if that is not what it said before: a coordinator acts on it at once.
    async fn offer_again(&mut self, before: Offer, leaving: bool) {
        if self.offer() != before && !leaving {
            self.beat(false).await;
        }
    }

    fn heartbeat(&self, leaving: bool) -> Heartbeat {
        let Offer { capacity, pulls, only } = if leaving { Offer::default() } else { self.offer() };
        Heartbeat {
            agent: self.agent.card.agent.clone(),
            owner: self.bus.space().to_string(),
            session: self.instance.to_string(),
            instance_id: self.instance.clone(),
            ts: Timestamp::now(),
            interval_s: self.agent.interval().as_secs_f64(),
            capacity,
            pulls,
            only,
            load: u32::try_from(self.held.len()).unwrap_or(u32::MAX),
            leases: self.held.keys().cloned().collect(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            digest: Some(self.digest.clone()),
            extra: protocol::Extra::new(),
        }
    }

    async fn send(&self, beat: Heartbeat) {
        if let Err(error) = self.bus.connection().beat(&beat).await {
            tracing::debug!(%error, "a heartbeat was not sent");
        }
    }

    /// The first heartbeats ask for an answer, to learn that a coordinator knows of us.
    fn introduce(&mut self, beat: Heartbeat) {
        if self.introduction.answer.is_some() {
            self.introduction.again = true;
            return;
        }
        let (bus, limit) = (self.bus.clone(), self.agent.interval().max(Duration::from_secs(1)));
        let (said, answer) = oneshot::channel();
        self.introduction.answer = Some(answer);
        self.bus.inner.tasks.spawn(async move {
            let _ = said.send(answered(&bus, &beat, limit).await);
        });
    }

    /// A coordinator knows of us, or none has answered in time. Whatever there was to say meanwhile is said now.
    async fn introduced(&mut self, known: bool, leaving: bool) {
        if known {
            self.announce.send_replace(true);
        }
        if mem::take(&mut self.introduction.again) && !leaving {
            self.beat(false).await;
        }
    }

    /// Says that it takes no more. What was assigned before a coordinator heard so is on its way, and is still
    /// taken: nobody else would learn of it before the time for accepting it has run out.
    fn take_leave(&self, dismissed: &CancellationToken, stopping: &CancellationToken) {
        let (bus, beat) = (self.bus.clone(), self.heartbeat(true));
        let (dismissed, stopping) = (dismissed.clone(), stopping.clone());
        self.bus.inner.tasks.spawn(async move {
            let leave = async {
                answered(&bus, &beat, NOTICE).await;
                tokio::time::sleep(LAST_WORK).await;
            };
            stopping.run_until_cancelled(leave).await;
            dismissed.cancel();
        });
    }

    /// Stops what is unfinished and gives it back for another try.
    async fn give_back(&mut self) {
        self.leaving.cancel();
        let rest = async { while self.working.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(4), rest).await;
        self.working.abort_all();
        self.held.clear();
    }
}

impl Introduction {
    /// Returns when the one under way was answered, or was not in time; never, if none is.
    async fn answered(&mut self) -> bool {
        let Some(answer) = &mut self.answer else { return std::future::pending().await };
        let known = answer.await.unwrap_or_default();
        self.answer = None;
        known
    }
}

/// Sends a heartbeat, and returns whether a coordinator has answered it in time.
async fn answered(bus: &Bus, beat: &Heartbeat, limit: Duration) -> bool {
    let subject = bus.space().heartbeat(&beat.agent, &beat.instance_id);
    let Ok(payload) = serde_json::to_vec(beat) else { return false };
    bus.connection().request_within(subject, payload, limit).await.is_ok()
}
