//! What is over leaves the ledger for the archive, and is the same record there; what is erased is gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use agentbus::{Agent, Bus, Done, Query, State, Task};
use coordinator::Retention;
use jiff::SignedDuration;
use nats::{Archive, Expect};
use protocol::{Kind, Message, QueryId, Record, Subject, To, Verdict, message::Progress};
use serde_json::json;
use testkit::{NatsServer, eventually_async};
use tokio::sync::Semaphore;

use crate::bus::{TestBus, coordinate_with, name, quick};

/// A coordinator that moves what has been over for so long.
async fn coordinate_hot(server: &NatsServer, hot: Duration) -> coordinator::Coordinator {
    let hot = SignedDuration::try_from(hot).expect("a time");
    coordinate_with(&server.url(), coordinator::Options { retention: Retention { hot, ..Retention::default() }, ..quick() }).await
}

async fn start(hot: Duration) -> TestBus {
    let server = NatsServer::start().await;
    let coordinator = coordinate_hot(&server, hot).await;
    TestBus { server, coordinator }
}

/// Another coordinator in the place of the first.
async fn replace(bus: TestBus, hot: Duration) -> TestBus {
    let TestBus { server, coordinator } = bus;
    coordinator.drain().await;
    TestBus { coordinator: coordinate_hot(&server, hot).await, server }
}

const SOON: Duration = Duration::from_millis(400);
const LATER: Duration = Duration::from_secs(3600);

/// Counts how often it runs, and waits where the text says so.
fn worker(runs: Arc<AtomicU32>, gate: Arc<Semaphore>) -> impl agentbus::Handler {
    move |task: Task| {
        let (runs, gate) = (runs.clone(), gate.clone());
        async move {
            let run = runs.fetch_add(1, Ordering::SeqCst);
            task.progress("working", agentbus::protocol::Extra::new()).await?;
            if task.text() == "wait" {
                drop(gate.acquire().await);
            }
            Ok(Done::new("Done.").result(json!({ "text": task.text(), "run": run })))
        }
    }
}

fn open_gate() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(1000))
}

fn to_worker(id: Option<QueryId>, text: &str) -> Query {
    let mut query = Query::new(name("alice"), "request", text);
    query.target = Some(name("worker"));
    query.id = id;
    query
}

/// An id that nobody minted just now.
fn old_id(digit: char) -> QueryId {
    format!("0192f0c1-2d3e-4a4b-8c5d-{}", digit.to_string().repeat(12)).parse().expect("an id")
}

/// Waits until the ledger has nothing more of an id.
async fn moved(bus: &Bus, id: QueryId) {
    eventually_async("it leaves the ledger", || async {
        let left = bus.connection().entries(id, 1).await.expect("the ledger is read");
        if left.is_empty() { Ok(()) } else { Err(left.len()) }
    })
    .await;
}

/// How many messages the archive has of an id.
async fn archived(bus: &Bus, id: QueryId) -> usize {
    Archive::of(bus.connection().clone()).read(id).await.expect("the archive is read").pages().count()
}

/// Stores a query as a client does that knows nothing of ids.
async fn post_blindly(bus: &Bus, id: QueryId, query: Query) {
    let subject = Subject::new(Kind::Query, id, bus.name().clone(), To::One(name("worker"))).expect("a subject");
    let expect = Expect { filter: bus.space().queries(id), last: 0 };
    let stored = bus.connection().append(&subject, &Message::Query(query), Some(&expect)).await.expect("stored");
    assert!(matches!(stored, nats::Stored::At(_)), "the ledger knows nothing of the id");
}

async fn complete(client: &Bus, query: Query) -> Record {
    let ended = client.ask(query).await.expect("posted").ended().await.expect("it ends");
    assert_eq!(ended.state, State::Completed, "{}", ended.notification());
    client.history(ended.id).await.expect("its record")
}

fn verdicts(record: &Record) -> Vec<(Kind, Verdict)> {
    record.messages.iter().map(|message| (message.kind, message.verdict)).collect()
}

#[tokio::test]
async fn what_is_over_leaves_the_ledger_and_is_the_same_record() {
    let bus = start(Duration::from_secs(2)).await;
    let runs = Arc::default();
    let (_agent, _serving) = bus.serve(Agent::new(name("worker")), worker(runs, open_gate())).await;
    let client = bus.client("alice").await;
    let before = complete(&client, to_worker(None, "hello")).await;
    let id = before.id;
    let notice = client.notify("All is well.").await.expect("noticed");
    assert!(before.messages.len() >= 5, "{:?}", verdicts(&before));

    moved(&client, id).await;
    moved(&client, notice).await;
    assert_eq!((archived(&client, id).await, archived(&client, notice).await), (before.messages.len(), 1));
    assert_eq!(client.history(id).await.expect("its record"), before, "from the archive it is the same");
    let status = client.status(id).await.expect("its record");
    assert_eq!((status.state, status.messages.len()), (State::Completed, 0));
    eventually_async("the coordinator forgets it", || async {
        let listed = client.list(None, None, 10).await.expect("a list");
        if listed.is_empty() { Ok(()) } else { Err(listed) }
    })
    .await;
    let bus = replace(bus, SOON).await;
    let client = bus.client("alice").await;
    assert_eq!(client.history(id).await.expect("its record"), before, "and so for a coordinator that never read it");
}

#[tokio::test]
async fn what_is_open_stays_where_it_is() {
    let bus = start(SOON).await;
    let gate = Arc::new(Semaphore::new(0));
    let (_agent, _serving) = bus.serve(Agent::new(name("worker")).capacity(4), worker(Arc::default(), gate.clone())).await;
    let client = bus.client("alice").await;
    let open = client.ask(to_worker(None, "wait")).await.expect("posted");
    for _ in 0..5 {
        let id = complete(&client, to_worker(None, "hello")).await.id;
        moved(&client, id).await;
    }
    let record = client.history(open.id()).await.expect("its record");
    assert_eq!((record.state, archived(&client, open.id()).await), (State::Working, 0));
    assert_eq!(client.connection().entries(open.id(), 1).await.expect("read").len(), record.messages.len());
    gate.add_permits(1);
    let id = open.id();
    assert_eq!(open.ended().await.expect("it ends").state, State::Completed);
    moved(&client, id).await;
    assert_eq!(client.status(id).await.expect("its record").state, State::Completed);
}

#[tokio::test]
async fn what_a_crash_left_in_both_is_one_record_and_moves_on() {
    let bus = start(LATER).await;
    let (_agent, _serving) = bus.serve(Agent::new(name("worker")), worker(Arc::default(), open_gate())).await;
    let client = bus.client("alice").await;
    let before = complete(&client, to_worker(None, "hello")).await;
    let archive = Archive::of(client.connection().clone());
    let pages = client.connection().pages(before.id, 1, u64::MAX).await.expect("read");
    // Dead after the first of two packs, and after the second one, each time before anything was removed.
    let (first, rest) = pages.split_at(2);
    for pages in [first, rest] {
        archive.packing(before.id).add(pages.to_vec()).await.expect("packed");
        assert_eq!(client.history(before.id).await.expect("its record"), before);
    }
    let _bus = replace(bus, SOON).await;
    moved(&client, before.id).await;
    assert_eq!(client.history(before.id).await.expect("its record"), before);
    assert_eq!(archived(&client, before.id).await, before.messages.len());
}

#[tokio::test]
async fn two_coordinators_move_each_record_and_forget_it_both() {
    let bus = start(SOON).await;
    let other = coordinate_hot(&bus.server, SOON).await;
    let (_agent, _serving) = bus.serve(Agent::new(name("worker")).capacity(4), worker(Arc::default(), open_gate())).await;
    let client = bus.client("alice").await;
    let mut records = Vec::new();
    for number in 0..20 {
        records.push(complete(&client, to_worker(None, &number.to_string())).await);
    }
    for record in &records {
        moved(&client, record.id).await;
        assert_eq!(archived(&client, record.id).await, record.messages.len());
    }
    // Calls go to one or the other.
    eventually_async("both forget", || async {
        let mut listed = Vec::new();
        for _ in 0..10 {
            listed.extend(client.list(None, None, 100).await.expect("a list"));
        }
        if listed.is_empty() { Ok(()) } else { Err(listed.len()) }
    })
    .await;
    drop(other);
}

#[tokio::test]
async fn an_id_that_is_used_again_after_archiving_is_the_same_query() {
    let mut bus = start(SOON).await;
    let runs: Arc<AtomicU32> = Arc::default();
    let (_agent, _serving) = bus.serve(Agent::new(name("worker")), worker(runs.clone(), open_gate())).await;
    let client = bus.client("alice").await;
    let id = old_id('1');
    let before = complete(&client, to_worker(Some(id), "hello")).await;
    moved(&client, id).await;

    let again = client.ask(to_worker(Some(id), "hello")).await.expect("posted");
    assert!(again.receipt().repeated);
    assert_eq!(again.ended().await.expect("it ends").answer, before.answer);

    // A client that does not ask first, and a coordinator that knows nothing but the archive.
    for _ in 0..2 {
        bus = replace(bus, SOON).await;
        let _agent = client.agents().await.expect("a coordinator is there");
        let mut ends = client.connection().subscribe(client.space().ends(client.name())).await.expect("subscribed");
        post_blindly(&client, id, to_worker(Some(id), "hello")).await;
        let end: protocol::End = ends.next().await.expect("an end").body("end").expect("an end");
        assert_eq!((end.id, Some(end.seq), end.state), (id, before.end_seq, State::Completed), "the end that it had");
        moved(&client, id).await;
    }
    let after = client.history(id).await.expect("its record");
    assert_eq!((&after.answer, after.end_seq), (&before.answer, before.end_seq));
    let (old, new) = after.messages.split_at(before.messages.len());
    assert_eq!(old, before.messages);
    assert!(new.iter().all(|message| message.verdict == Verdict::Duplicate) && new.len() == 2, "{:?}", verdicts(&after));
    assert_eq!(runs.load(Ordering::SeqCst), 1, "it was done once");
}

#[tokio::test]
async fn another_query_under_an_archived_id_is_a_conflict() {
    let bus = start(SOON).await;
    let runs: Arc<AtomicU32> = Arc::default();
    let (_agent, _serving) = bus.serve(Agent::new(name("worker")), worker(runs.clone(), open_gate())).await;
    let (client, bob) = (bus.client("alice").await, bus.client("bob").await);
    let id = old_id('2');
    let before = complete(&client, to_worker(Some(id), "hello")).await;
    moved(&client, id).await;
    let refused = client.ask(to_worker(Some(id), "something else")).await.expect_err("the id is taken");
    assert_eq!(refused.code(), "conflict");

    post_blindly(&client, id, to_worker(Some(id), "something else")).await;
    moved(&client, id).await;
    let after = client.history(id).await.expect("its record");
    assert_eq!((&after.answer, after.state), (&before.answer, State::Completed));
    let new = verdicts(&after).split_off(before.messages.len());
    assert_eq!(new, [(Kind::Query, Verdict::Conflict), (Kind::Close, Verdict::Late)]);

    let mut his = to_worker(Some(id), "hello");
    his.requesting_agent = name("bob");
    post_blindly(&bob, id, his).await;
    moved(&client, id).await;
    let record = bob.history(id).await.expect("his record");
    assert_eq!((record.state, record.requester.as_str()), (State::Rejected, "bob"));
    assert_eq!(record.close.expect("a close").code, "conflict");
    assert_eq!(client.history(id).await.expect("her record"), after);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_comes_after_a_record_has_left_belongs_to_it() {
    let bus = start(SOON).await;
    let (worker_bus, _serving) = bus.serve(Agent::new(name("worker")), worker(Arc::default(), open_gate())).await;
    let client = bus.client("alice").await;
    let before = complete(&client, to_worker(None, "hello")).await;
    moved(&client, before.id).await;
    let attempt = before.attempts.first().expect("an attempt");
    let late = Progress {
        agent: name("worker"),
        status: "still at it".to_owned(),
        progress: None,
        attempt: Some(attempt.attempt),
        instance: Some(attempt.instance.clone()),
        defaulted: None,
        extra: protocol::Extra::new(),
    };
    let subject = Subject::new(Kind::Progress, before.id, name("worker"), To::One(name("alice"))).expect("a subject");
    worker_bus.connection().append(&subject, &Message::Progress(late), None).await.expect("stored");
    let with = client.history(before.id).await.expect("its record");
    assert_eq!((with.state, verdicts(&with).pop()), (State::Completed, Some((Kind::Progress, Verdict::Late))), "while it is in both");
    moved(&client, before.id).await;
    assert_eq!(client.history(before.id).await.expect("its record"), with);
}

#[tokio::test]
async fn what_is_erased_is_gone_for_good() {
    let mut bus = start(LATER).await;
    let runs: Arc<AtomicU32> = Arc::default();
    let gate = Arc::new(Semaphore::new(0));
    let (_agent, _serving) = bus.serve(Agent::new(name("worker")).capacity(4), worker(runs.clone(), gate.clone())).await;
    let (client, bob) = (bus.client("alice").await, bus.client("bob").await);
    let (hot, cold) = (complete(&client, to_worker(None, "secret")).await, complete(&client, to_worker(None, "secret")).await);
    let open = client.ask(to_worker(None, "wait")).await.expect("posted");
    let archive = Archive::of(client.connection().clone());
    let pages = client.connection().pages(cold.id, 1, u64::MAX).await.expect("read");
    archive.packing(cold.id).add(pages.clone()).await.expect("packed");
    archive.remove_from_ledger(cold.id, pages.last().expect("pages").seq).await.expect("removed");

    assert_eq!(client.erase(open.id()).await.expect_err("it is open").code(), "open");
    assert_eq!(bob.erase(hot.id).await.expect_err("not his").code(), "not_yours");
    assert_eq!(bob.erase(cold.id).await.expect_err("not his").code(), "not_yours");
    assert_eq!(client.erase(QueryId::mint()).await.expect_err("nothing").code(), "not_found");
    for record in [&hot, &cold] {
        let removed = client.erase(record.id).await.expect("her own");
        assert_eq!(removed["messages"], json!(record.messages.len()), "{removed:#}");
        assert!(archive.whole(record.id, 1).await.expect("read").is_empty());
        for who in [&client, &bob] {
            let told = who.history(record.id).await.expect_err("it is gone");
            assert_eq!(told.code(), "erased");
            assert!(told.to_string().contains("alice"), "{told}");
        }
        assert!(client.erase(record.id).await.is_ok(), "once more does no harm");
    }
    assert_eq!(client.list(Some(State::Completed), None, 9).await.expect("a list"), []);

    // The id is not given out again: not by the coordinator that erased it, nor by one that knows nothing of it.
    for round in 0..2 {
        assert_eq!(client.post(to_worker(Some(hot.id), "secret")).await.expect_err("erased").code(), "erased");
        let id = [hot.id, cold.id][round];
        let mut ends = client.connection().subscribe(client.space().ends(client.name())).await.expect("subscribed");
        let posted = Query { id: None, ..to_worker(None, "secret") };
        post_blindly(&client, id, posted).await;
        let end: protocol::End = ends.next().await.expect("an end").body("end").expect("an end");
        assert_eq!((end.id, end.state), (id, State::Rejected));
        let closes = client.connection().entries(id, 1).await.expect("read");
        let codes: Vec<_> =
            closes.iter().filter_map(|entry| if let Ok(Message::Close(close)) = &entry.body { Some(&close.code) } else { None }).collect();
        assert_eq!(codes, ["erased"]);
        bus = replace(bus, SOON).await;
    }
    // What came after it is not kept either, now that it is over.
    moved(&client, hot.id).await;
    let left = archive.read(hot.id).await.expect("read");
    assert!(left.is_empty() && left.erased().is_some());
    assert_eq!(runs.load(Ordering::SeqCst), 3, "hot, cold and open");
    gate.add_permits(1);
    assert_eq!(open.ended().await.expect("it ends").state, State::Completed);
}
