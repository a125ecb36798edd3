//! Watching: live, or from the past and on without a gap.

use agentbus::{Kind, Start, Watch};
use protocol::Extra;
use serde_json::json;

use crate::bus::TestBus;

fn fields(number: u32) -> Extra {
    let mut fields = Extra::new();
    fields.insert("number".to_owned(), json!(number));
    fields
}

fn number(entry: &agentbus::Entry) -> u64 {
    match &entry.body {
        Ok(agentbus::Message::Progress(progress)) => {
            progress.progress.as_ref().and_then(|fields| fields["number"].as_u64()).expect("a number")
        }
        other => panic!("not a progress report: {other:?}"),
    }
}

#[tokio::test]
async fn a_replay_goes_on_live_without_a_gap() {
    let bus = TestBus::start().await;
    let worker = bus.client("powershell-5.1-expert").await;
    for at in 0..100 {
        worker.report("working", fields(at)).await.expect("stored");
    }
    let client = bus.client("alice").await;
    let watch = Watch { kind: Some(Kind::Progress), agent: Some(worker.name().clone()), start: Start::First, ..Watch::default() };
    let mut watcher = client.watch(watch).await.expect("watching");
    for expected in 0..50 {
        assert_eq!(number(&watcher.next().await), expected);
    }
    for at in 100..200 {
        worker.report("working", fields(at)).await.expect("stored");
    }
    for expected in 50..200 {
        assert_eq!(number(&watcher.next().await), expected);
    }
}

#[tokio::test]
async fn a_live_watch_begins_now_and_survives_the_server() {
    let mut bus = TestBus::start().await;
    let worker = bus.client("worker").await;
    worker.report("working", fields(1)).await.expect("stored");
    let client = bus.client("alice").await;
    let mut watcher = client.watch(Watch { kind: Some(Kind::Progress), ..Watch::default() }).await.expect("watching");

    testkit::kill(bus.server.pid());
    bus.server.restart().await;
    testkit::eventually_async("the worker is back", || async { worker.report("working", fields(2)).await.map(drop) }).await;

    assert_eq!(number(&watcher.next().await), 2, "what was before is not shown, what came after is");
}

#[tokio::test]
async fn a_watch_can_begin_at_a_time_and_at_a_sequence() {
    let bus = TestBus::start().await;
    let client = bus.client("worker").await;
    client.notify("first").await.expect("stored");
    client.notify("second").await.expect("stored");
    let mut all = client.watch(Watch { start: Start::First, ..Watch::default() }).await.expect("watching");
    let (first, second) = (all.next().await, all.next().await);

    let mut by_seq = client.watch(Watch { start: Start::Seq(second.seq), ..Watch::default() }).await.expect("watching");
    assert_eq!(by_seq.next().await, second);
    let mut by_time = client.watch(Watch { start: Start::Time(first.time), ..Watch::default() }).await.expect("watching");
    assert_eq!(by_time.next().await, first);
}

#[tokio::test]
async fn an_answer_waits_in_the_inbox_of_a_requester_that_was_away() {
    let bus = TestBus::start().await;
    let work = |_: agentbus::Task| async move { Ok(agentbus::Done::new("Done.")) };
    let (_worker, _serving) = bus.serve(agentbus::Agent::new("worker".parse().expect("a name")).answers("*"), work).await;
    let away = bus.client("alice").await;
    let posted = away.post(agentbus::Query::new(away.name().clone(), "request", "hello")).await.expect("posted");
    away.close().await;
    let other = bus.client("bob").await;
    other.ask(agentbus::Query::new(other.name().clone(), "request", "hello")).await.expect("posted").ended().await.expect("it ends");

    let back = bus.client("alice").await;
    let watch = Watch { to: Some(back.name().clone()), kind: Some(Kind::Answer), start: Start::First, ..Watch::default() };
    let entry = back.watch(watch).await.expect("watching").next().await;
    assert_eq!((entry.subject.id(), entry.subject.from().as_str()), (posted.id, "worker"));
}
