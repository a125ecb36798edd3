//! Trouble in mid-flight: parts die and come back, and nothing acknowledged is lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use agentbus::{Agent, Done, Query, State, Task};
use serde_json::json;
use testkit::{eventually_async, kill};
use tokio::sync::Semaphore;

use crate::bus::{TestBus, coordinate, name};

fn to(agent: &str, text: &str) -> Query {
    let mut query = Query::new(name("alice"), "request", text);
    query.target = Some(name(agent));
    query
}

/// A handler that works only while the gate lets it.
fn gated(gate: Arc<Semaphore>, runs: Arc<AtomicU32>) -> impl agentbus::Handler {
    move |task: Task| {
        let (gate, runs) = (gate.clone(), runs.clone());
        async move {
            runs.fetch_add(1, Ordering::SeqCst);
            let _permit = gate.acquire().await;
            Ok(Done::new("Done.").result(json!(task.text())))
        }
    }
}

#[tokio::test]
async fn a_query_posted_while_no_coordinator_runs_is_answered_by_the_next_one() {
    let bus = TestBus::start().await;
    let client = bus.client("alice").await;
    let (server, coordinator) = (bus.server, bus.coordinator);
    coordinator.drain().await;

    let asking = client.ask(to("worker", "hello")).await.expect("the ledger takes it");
    let bus = TestBus { coordinator: coordinate(&server.url()).await, server };
    // An agent that nobody has ever seen is unroutable, so this one is known before the query is read.
    let (_agent, _serving) = bus.serve(Agent::new(name("other")), gated(Arc::new(Semaphore::new(9)), Arc::default())).await;

    let ended = asking.ended().await.expect("it ends");
    assert_eq!(ended.state, State::Unroutable, "{}", ended.notification());
}

#[tokio::test]
async fn a_coordinator_that_is_replaced_in_mid_flight_loses_nothing() {
    let bus = TestBus::start().await;
    let (gate, runs) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
    let agent = Agent::new(name("worker")).capacity(4);
    let (_agent, _serving) = bus.serve(agent, gated(gate.clone(), runs.clone())).await;
    let client = bus.client("alice").await;
    let mut asked = Vec::new();
    for number in 0..12 {
        asked.push(client.ask(to("worker", &number.to_string())).await.expect("posted"));
    }
    eventually_async("four in hand", || async { if runs.load(Ordering::SeqCst) == 4 { Ok(()) } else { Err(runs.load(Ordering::SeqCst)) } })
        .await;

    let TestBus { server, coordinator } = bus;
    coordinator.drain().await;
    let _coordinator = coordinate(&server.url()).await;
    gate.add_permits(100);

    for asking in asked {
        assert_eq!(asking.ended().await.expect("it ends").state, State::Completed);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 12, "work in hand was not given out twice");
}

#[tokio::test]
async fn a_server_that_is_killed_and_restarted_loses_nothing() {
    let mut bus = TestBus::start().await;
    let (gate, runs) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
    let (_agent, _serving) = bus.serve(Agent::new(name("worker")).capacity(8), gated(gate.clone(), runs.clone())).await;
    let client = bus.client("alice").await;
    let mut asked = Vec::new();
    for number in 0..8 {
        asked.push(client.ask(to("worker", &number.to_string())).await.expect("posted"));
    }
    eventually_async("all in hand", || async { if runs.load(Ordering::SeqCst) == 8 { Ok(()) } else { Err(runs.load(Ordering::SeqCst)) } })
        .await;

    kill(bus.server.pid());
    bus.server.restart().await;
    gate.add_permits(100);

    for asking in asked {
        let id = asking.id();
        assert_eq!(asking.ended().await.expect("it ends").state, State::Completed);
        assert_eq!(client.status(id).await.expect("on record").state, State::Completed);
    }
}

#[tokio::test]
async fn work_of_an_instance_that_vanishes_goes_to_another() {
    let bus = TestBus::start().await;
    let (stuck, runs) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
    let lease = Duration::from_secs(1);
    let (first, serving) = bus.serve(Agent::new(name("worker")).lease(lease), gated(stuck, runs.clone())).await;
    let client = bus.client("alice").await;
    let asking = client.ask(to("worker", "hello")).await.expect("posted");
    eventually_async("in hand", || async { if runs.load(Ordering::SeqCst) == 1 { Ok(()) } else { Err(()) } }).await;

    // As if its machine were gone: no heartbeat, no answer, no good-bye.
    first.connection().close().await;
    drop(serving);
    let (_second, _serving) = bus.serve(Agent::new(name("worker")).lease(lease), gated(Arc::new(Semaphore::new(9)), runs.clone())).await;

    let ended = asking.ended().await.expect("it ends");
    assert_eq!(ended.state, State::Completed);
    let record = client.history(ended.id).await.expect("on record");
    assert_eq!(record.attempts.len(), 2, "{:?}", record.attempts);
    assert_eq!(ended.answer.expect("an answer").attempt, 2);
}

#[tokio::test]
async fn two_coordinators_share_the_work_and_each_query_is_done_once() {
    let bus = TestBus::start().await;
    let _second = coordinate(&bus.server.url()).await;
    let (gate, runs) = (Arc::new(Semaphore::new(1000)), Arc::new(AtomicU32::new(0)));
    let (_agent, _serving) = bus.serve(Agent::new(name("worker")).capacity(16), gated(gate, runs.clone())).await;
    let client = bus.client("alice").await;

    let mut asked = Vec::new();
    for number in 0..50 {
        asked.push(client.ask(to("worker", &number.to_string())).await.expect("posted"));
    }
    for asking in asked {
        assert_eq!(asking.ended().await.expect("it ends").state, State::Completed);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 50);
}

#[tokio::test]
async fn a_cancelled_query_ends_once_and_its_handler_is_stopped() {
    let bus = TestBus::start().await;
    let (gate, runs) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
    let (_agent, mut serving) = bus.serve(Agent::new(name("worker")), gated(gate.clone(), runs.clone())).await;
    let client = bus.client("alice").await;
    let running = client.ask(to("worker", "running")).await.expect("posted");
    eventually_async("in hand", || async { if runs.load(Ordering::SeqCst) == 1 { Ok(()) } else { Err(()) } }).await;
    let waiting = client.ask(to("worker", "waiting")).await.expect("posted");

    client.cancel(waiting.id(), None).await.expect("its own query");
    assert_eq!(waiting.ended().await.expect("it ends").state, State::Cancelled);
    let id = running.id();
    client.cancel(id, Some("changed my mind")).await.expect("its own query");
    assert_eq!(running.ended().await.expect("it ends").state, State::Cancelled);

    // The hand is free again only because the handler was stopped: the gate is still shut.
    let next = client.ask(to("worker", "next")).await.expect("posted");
    eventually_async("the next in hand", || async {
        if runs.load(Ordering::SeqCst) == 2 { Ok(()) } else { Err(runs.load(Ordering::SeqCst)) }
    })
    .await;
    gate.add_permits(10);
    assert_eq!(next.ended().await.expect("it ends").state, State::Completed);
    let refused = client.cancel(id, None).await.expect_err("it has ended");
    assert_eq!(refused.code(), "ended");
    let stranger = bus.client("mallory").await;
    assert_eq!(stranger.cancel(id, None).await.expect_err("not hers").code(), "not_yours");
    assert!(serving.known().await);
}

#[tokio::test]
async fn work_that_an_instance_leaves_behind_is_given_back_at_once() {
    let bus = TestBus::start().await;
    let (stuck, runs) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
    let (_first, serving) = bus.serve(Agent::new(name("worker")), gated(stuck, runs.clone())).await;
    let client = bus.client("alice").await;
    let asking = client.ask(Query { attempts: Some(1), ..to("worker", "hello") }).await.expect("posted");
    eventually_async("in hand", || async { if runs.load(Ordering::SeqCst) == 1 { Ok(()) } else { Err(()) } }).await;
    let (_second, _serving) = bus.serve(Agent::new(name("worker")), gated(Arc::new(Semaphore::new(9)), runs.clone())).await;

    let began = std::time::Instant::now();
    serving.drain(Duration::from_millis(50)).await;
    let ended = asking.ended().await.expect("it ends");
    assert_eq!(ended.state, State::Completed);
    assert!(began.elapsed() < Duration::from_secs(10), "the lease of 15 s did not have to run out: {:?}", began.elapsed());
    let record = client.status(ended.id).await.expect("on record");
    let told = record.attempts[0].failure.as_ref().expect("a reason");
    assert_eq!(told.code, "instance_stopped");
}

#[tokio::test]
async fn a_call_that_waits_is_told_when_the_coordinator_stops() {
    let bus = TestBus::start().await;
    let (gate, runs) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
    let (_agent, _serving) = bus.serve(Agent::new(name("worker")).answers("*"), gated(gate, runs.clone())).await;
    let client = bus.client("alice").await;
    let body = json!({"requesting_agent": "alice", "request_type": "request", "payload": {"query": "hello"}}).to_string();
    let subject = client.space().api("ask", "alice");
    let waiting = client.connection().request_within(subject, body.into_bytes(), Duration::from_secs(20));
    let stopping = async {
        eventually_async("in hand", || async { if runs.load(Ordering::SeqCst) == 1 { Ok(()) } else { Err(()) } }).await;
        bus.coordinator.drain().await;
    };
    let (told, ()) = tokio::join!(waiting, stopping);
    let told: serde_json::Value = serde_json::from_slice(&told.expect("an answer").payload).expect("JSON");
    assert_eq!(told["error"]["code"], "unavailable", "{told:#}");
}

/// Ends what the server does for those who read the ledger, as the loss of a cluster's node does; they are not told.
async fn stop_feeding(client: &agentbus::Bus) {
    let ask = async |subject: String| {
        let answer = client.connection().request_within(subject, Vec::new(), Duration::from_secs(5)).await.expect("an answer");
        serde_json::from_slice::<serde_json::Value>(&answer.payload).expect("JSON")
    };
    let consumers = ask("$JS.API.CONSUMER.NAMES.bus-ledger".to_owned()).await;
    let names = consumers["consumers"].as_array().expect("consumers");
    assert!(!names.is_empty(), "somebody reads the ledger");
    for consumer in names.iter().filter_map(serde_json::Value::as_str) {
        let deleted = ask(format!("$JS.API.CONSUMER.DELETE.bus-ledger.{consumer}")).await;
        assert_eq!(deleted["success"], true, "{deleted}");
    }
}

#[tokio::test]
async fn a_coordinator_that_is_sent_nothing_any_more_notices_when_there_is_something_to_read() {
    let bus = TestBus::start().await;
    let (_agent, _serving) = bus.serve(Agent::new(name("echo")), |_: Task| async { Ok(Done::new("Done.")) }).await;
    let client = bus.client("alice").await;
    stop_feeding(&client).await;
    let asked = async { client.ask(to("echo", "Is anybody reading?")).await.expect("posted").ended().await.expect("it ends") };
    // The client library would notice after 10 s.
    let ended = tokio::time::timeout(Duration::from_secs(8), asked).await.expect("it is read sooner than the library notices");
    assert_eq!(ended.state, State::Completed);
}
