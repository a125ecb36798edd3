//! Agents that are there and do not work: their work moves on, and everybody can see why.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use agentbus::{Agent, Done, Query, State, Task};
use protocol::{Heartbeat, InstanceId, Trouble};
use testkit::eventually_async;
use tokio::sync::Semaphore;

use crate::bus::{TestBus, name};

fn to_worker(text: &str) -> Query {
    let mut query = Query::new(name("alice"), "request", text);
    query.target = Some(name("worker"));
    query
}

/// What is wrong with the worker's instances, as `agentbus agents` tells it.
async fn troubles(client: &agentbus::Bus) -> Vec<Option<Trouble>> {
    let agents = client.agents().await.expect("a coordinator");
    let worker = agents.into_iter().find(|presence| presence.card.agent == name("worker")).expect("the worker is known");
    worker.instances.into_iter().map(|instance| instance.trouble).collect()
}

#[tokio::test]
async fn work_without_progress_moves_on_although_heartbeats_come() {
    let bus = TestBus::start().await;
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let handler = move |_: Task| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        async move { if first { std::future::pending().await } else { Ok(Done::new("Done.")) } }
    };
    let agent = Agent::new(name("worker")).stall(Duration::from_millis(700));
    let (_agent, _serving) = bus.serve(agent, handler).await;
    let client = bus.client("alice").await;

    let asking = client.ask(to_worker("hello")).await.expect("posted");
    let ended = asking.ended().await.expect("it ends");
    assert_eq!(ended.state, State::Completed);
    let record = client.status(ended.id).await.expect("on record");
    let given_up = record.attempts[0].failure.as_ref().expect("why the first was given up");
    assert_eq!((given_up.code.as_str(), given_up.crash), ("stalled", false), "{given_up:?}");
}

#[tokio::test]
async fn an_instance_that_accepts_nothing_is_flagged_and_its_work_goes_to_another() {
    let bus = TestBus::start().await;
    let gate = Arc::new(Semaphore::new(0));
    let opened = gate.clone();
    let handler = move |_: Task| {
        let gate = opened.clone();
        async move {
            let _permit = gate.acquire().await;
            Ok(Done::new("Done."))
        }
    };
    let (worker, _serving) = bus.serve(Agent::new(name("worker")), handler).await;
    let client = bus.client("alice").await;
    let first = client.ask(to_worker("first")).await.expect("posted");
    eventually_async("it is busy", || async {
        let record = client.status(first.id()).await.expect("on record");
        if record.state == State::Accepted { Ok(()) } else { Err(record.state) }
    })
    .await;

    // Alive by its heartbeat, with room for much, and nobody listens where it is given work.
    let deaf = InstanceId::mint();
    let beat = Heartbeat {
        agent: name("worker"),
        owner: "bus".to_owned(),
        session: deaf.to_string(),
        instance_id: deaf.clone(),
        ts: jiff::Timestamp::now(),
        interval_s: 100.0,
        capacity: 8,
        pulls: false,
        only: None,
        load: 0,
        leases: Vec::new(),
        version: None,
        digest: None,
        extra: agentbus::protocol::Extra::new(),
    };
    worker.connection().beat(&beat).await.expect("sent");
    let second = client.ask(to_worker("second")).await.expect("posted");
    eventually_async("the deaf one is flagged", || async {
        let seen = troubles(&client).await;
        if seen.contains(&Some(Trouble::Deaf)) && seen.contains(&None) { Ok(()) } else { Err(seen) }
    })
    .await;
    gate.add_permits(10);

    assert_eq!(first.ended().await.expect("it ends").state, State::Completed);
    let ended = second.ended().await.expect("it ends");
    assert_eq!(ended.state, State::Completed);
    let record = client.status(ended.id).await.expect("on record");
    let lost = &record.attempts[0];
    assert_eq!((&lost.instance, lost.failure.as_ref().map(|failure| failure.code.as_str())), (&deaf, Some("not_accepted")));
}

#[tokio::test]
async fn a_query_that_takes_down_what_runs_it_ends_after_three_crashes() {
    let bus = TestBus::start().await;
    let handler = |task: Task| async move {
        assert_ne!(task.text(), "poison", "the handler dies of it");
        Ok(Done::new("Done."))
    };
    let (_agent, _serving) = bus.serve(Agent::new(name("worker")), handler).await;
    let client = bus.client("alice").await;
    let mut poison = to_worker("poison");
    poison.attempts = Some(10);
    let poisoned = client.ask(poison).await.expect("posted").ended().await.expect("it ends");
    assert_eq!(poisoned.state, State::Dead);
    let close = poisoned.close.expect("a close");
    assert_eq!(close.code, "crashed");
    assert_eq!(close.message.matches("handler_panicked").count(), 3, "{}", close.message);
    let well = client.ask(to_worker("hello")).await.expect("posted").ended().await.expect("it ends");
    assert_eq!(well.state, State::Completed, "others are not affected");
}

#[tokio::test]
async fn with_failover_the_next_candidate_takes_over_and_the_record_shows_both() {
    let bus = TestBus::start().await;
    let fail = |_: Task| async move { Err::<Done, _>(agentbus::Fault::retry("no_luck", "it did not work")) };
    let (_a, _first) = bus.serve(Agent::new(name("a-worker")).answers("get_*"), fail).await;
    let work = |_: Task| async move { Ok(Done::new("Done.")) };
    let (_b, _second) = bus.serve(Agent::new(name("b-worker")).answers("get_*"), work).await;
    let client = bus.client("alice").await;
    let mut query = Query::new(name("alice"), "get_it", "hello");
    (query.attempts, query.failover) = (Some(2), Some(true));
    let ended = client.ask(query.clone()).await.expect("posted").ended().await.expect("it ends");
    assert_eq!(ended.state, State::Completed);
    let record = client.status(ended.id).await.expect("on record");
    let agents: Vec<_> = record.attempts.iter().map(|attempt| attempt.agent.as_str()).collect();
    assert_eq!(agents, ["a-worker", "a-worker", "b-worker"]);

    query.failover = None;
    let ended = client.ask(query).await.expect("posted").ended().await.expect("it ends");
    assert_eq!(ended.state, State::Dead, "without it, the attempts are spent");
}
