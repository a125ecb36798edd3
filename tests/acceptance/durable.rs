//! Watchers that keep their place, and what they see of what has left the ledger meanwhile.

use agentbus::{Bus, Durable, Kind, QueryId, Seen, Start, Watch};
use jiff::Timestamp;
use nats::Archive;
use protocol::Extra;
use serde_json::json;

use crate::bus::{TestBus, name};

/// What has been given out and not confirmed may come again; the place is kept this often at the latest.
const OFTEN: usize = 256;

/// How long the next message may take to come.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

async fn report(worker: &Bus, numbers: std::ops::Range<u32>) -> Vec<QueryId> {
    let mut ids = Vec::new();
    for number in numbers {
        let fields: Extra = [("number".to_owned(), json!(number))].into_iter().collect();
        ids.push(worker.report("working", fields).await.expect("stored"));
    }
    ids
}

fn all() -> Watch {
    Watch { start: Start::First, ..Watch::default() }
}

/// The sequences of the next so many messages, each confirmed.
async fn take(watcher: &mut Durable, count: usize) -> Vec<u64> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let next = tokio::time::timeout(PATIENCE, watcher.next()).await;
        match next.unwrap_or_else(|_| panic!("nothing comes after {seen:?}")).expect("watching") {
            Seen::Entry(entry) => seen.push(entry.seq),
            Seen::Missed { from, to } => panic!("{from} to {to} are missing"),
        }
        watcher.confirm();
    }
    seen
}

/// Moves the records of these ids into the archive, as a coordinator does.
async fn archive(bus: &Bus, ids: &[QueryId]) {
    let archive = Archive::open(bus.connection().clone(), nats::Limits { max_bytes: 256 << 20, replicas: 1 }, std::time::Duration::ZERO);
    let archive = archive.await.expect("an archive");
    for id in ids {
        let pages = bus.connection().pages(*id, 1, u64::MAX).await.expect("what is stored");
        archive.packing(*id).add(pages).await.expect("packed");
        archive.remove_from_ledger(*id, u64::MAX - 1).await.expect("removed");
    }
}

#[tokio::test]
async fn a_watcher_that_is_killed_goes_on_where_it_was() {
    let bus = TestBus::start().await;
    let (worker, client) = (bus.client("worker").await, bus.client("alice").await);
    report(&worker, 0..600).await;
    let night = name("night");
    let mut first = client.watch_durably(&night, all()).await.expect("watching");
    let mut seen = take(&mut first, 400).await;
    // Killed: nothing is closed, and what it confirmed last may not have been kept.
    drop(first);

    let second_run = bus.client("alice").await;
    let mut second = second_run.watch_durably(&night, Watch::default()).await.expect("watching");
    let again = take(&mut second, 200).await;
    let begun = again[0];
    assert!(begun > 400 - OFTEN as u64 && begun <= 401, "it went on at {begun}");
    seen.retain(|seq| *seq < begun);
    seen.extend(&again);
    seen.extend(take(&mut second, 600 - seen.len()).await);
    assert_eq!(seen, (1..=600).collect::<Vec<_>>(), "each once, in order, but for what came again after the kill");

    // Closed well, nothing comes again.
    second.close().await.expect("kept");
    report(&worker, 600..601).await;
    let mut third = second_run.watch_durably(&night, Watch::default()).await.expect("watching");
    assert_eq!(take(&mut third, 1).await, [601]);
}

#[tokio::test]
async fn a_place_is_kept_while_there_is_nothing_to_do() {
    let bus = TestBus::start().await;
    let (worker, client) = (bus.client("worker").await, bus.client("alice").await);
    report(&worker, 0..3).await;
    let mut first = client.watch_durably(&name("night"), all()).await.expect("watching");
    assert_eq!(take(&mut first, 3).await, [1, 2, 3]);
    {
        // It waits for the fourth, and has kept its place before.
        let fourth = first.next();
        tokio::pin!(fourth);
        let places = nats::Places::open(client.connection(), client.name()).await.expect("places");
        let kept = testkit::eventually_async("the place is kept", || async {
            let (place, _) = places.get(&name("night")).await.expect("a place").expect("kept");
            let place: serde_json::Value = serde_json::from_slice(&place).expect("JSON");
            if place["seq"] == 3 { Ok(()) } else { Err(place) }
        });
        tokio::select! {
            () = kept => {}
            seen = &mut fourth => panic!("{seen:?}"),
        }
    }
    drop(first);
    report(&worker, 3..4).await;
    let mut second = client.watch_durably(&name("night"), Watch::default()).await.expect("watching");
    assert_eq!(take(&mut second, 1).await, [4]);
}

#[tokio::test]
async fn of_two_watchers_with_one_name_the_later_goes_on() {
    let bus = TestBus::start().await;
    let (worker, client) = (bus.client("worker").await, bus.client("alice").await);
    report(&worker, 0..2).await;
    let mut first = client.watch_durably(&name("night"), all()).await.expect("watching");
    assert_eq!(take(&mut first, 1).await, [1]);
    let mut second = client.watch_durably(&name("night"), Watch::default()).await.expect("watching");
    assert_eq!(take(&mut second, 2).await, [1, 2], "the first had confirmed, and not kept it yet");
    // Both are given the second message; only one of them may say that it is done.
    let told = async {
        loop {
            first.next().await?;
            first.confirm();
        }
    };
    let ended: agentbus::Error = match told.await {
        Ok(never) => never,
        Err(error) => error,
    };
    assert_eq!(ended.code(), "taken_over");
    // Another requester's watcher of that name is another one.
    let bob = bus.client("bob").await;
    let mut other = bob.watch_durably(&name("night"), all()).await.expect("watching");
    assert_eq!(take(&mut other, 2).await, [1, 2]);
}

#[tokio::test]
async fn what_a_name_watches_is_fixed_until_it_is_forgotten() {
    let bus = TestBus::start().await;
    let (worker, client) = (bus.client("worker").await, bus.client("alice").await);
    report(&worker, 0..2).await;
    let night = name("night");
    client.watch_durably(&night, all()).await.expect("watching").close().await.expect("kept");
    let code = |watch: Watch| async { client.watch_durably(&night, watch).await.expect_err("refused").code().to_owned() };
    assert_eq!(code(Watch { kind: Some(Kind::Progress), ..Watch::default() }).await, "other_filter");
    assert_eq!(code(Watch { start: Start::Time(Timestamp::UNIX_EPOCH), ..Watch::default() }).await, "begun");
    assert!(client.forget_watcher(&night).await.expect("forgotten"));
    assert!(!client.forget_watcher(&night).await.expect("nothing to forget"));

    let progress = Watch { kind: Some(Kind::Progress), start: Start::Seq(2), ..Watch::default() };
    let mut anew = client.watch_durably(&night, progress).await.expect("watching");
    assert_eq!(take(&mut anew, 1).await, [2]);
}

#[tokio::test]
async fn a_requester_that_is_away_misses_no_answer() {
    let bus = TestBus::start().await;
    let (alice, worker) = (bus.client("alice").await, bus.client("worker").await);
    let inbox = || Watch { to: Some(name("alice")), ..Watch::default() };
    alice.watch_durably(&name("inbox"), inbox()).await.expect("watching").close().await.expect("kept");
    alice.close().await;
    report(&worker, 0..3).await;
    // Asked in its name, while it is not there.
    let client = bus.client("alice").await;
    let mut query = agentbus::Query::new(name("alice"), "request", "hello");
    query.target = Some(name("nobody"));
    let ended = client.ask(query).await.expect("posted").ended().await.expect("it ends");
    archive(&client, &[ended.id]).await;
    let mut again = client.watch_durably(&name("inbox"), inbox()).await.expect("watching");
    match again.next().await.expect("watching") {
        Seen::Entry(entry) => assert_eq!((entry.seq, entry.subject.kind()), (ended.seq, Kind::Close)),
        missed => panic!("{missed:?}"),
    }
}

#[tokio::test]
async fn what_was_archived_meanwhile_is_shown_in_its_place() {
    let bus = TestBus::start().await;
    let (worker, client) = (bus.client("worker").await, bus.client("alice").await);
    let ids = report(&worker, 0..20).await;
    worker.notify("A notice in between.").await.expect("stored");
    let mut by_kind = client.watch_durably(&name("kinds"), Watch { kind: Some(Kind::Progress), ..all() }).await.expect("watching");
    let mut night = client.watch_durably(&name("night"), all()).await.expect("watching");
    assert_eq!(take(&mut night, 5).await, [1, 2, 3, 4, 5]);
    assert_eq!(take(&mut by_kind, 2).await, [1, 2]);
    night.close().await.expect("kept");
    by_kind.close().await.expect("kept");
    // Everything up to the notice but a few, in another order than it came, and some before the places.
    let moved: Vec<_> = ids.iter().rev().enumerate().filter(|(at, _)| at % 4 != 1).map(|(_, id)| *id).collect();
    archive(&client, &moved).await;
    assert!(client.connection().pages(moved[0], 1, u64::MAX).await.expect("read").is_empty(), "the test moves something");

    let mut night = client.watch_durably(&name("night"), Watch::default()).await.expect("watching");
    assert_eq!(take(&mut night, 16).await, (6..=21).collect::<Vec<_>>());
    let mut by_kind =
        client.watch_durably(&name("kinds"), Watch { kind: Some(Kind::Progress), ..Watch::default() }).await.expect("watching");
    assert_eq!(take(&mut by_kind, 18).await, (3..=20).collect::<Vec<_>>());

    // What is archived while it watches and lags is shown, too; and a replay from the past is whole.
    let more = report(&worker, 20..30).await;
    archive(&client, &more).await;
    report(&worker, 30..31).await;
    assert_eq!(take(&mut night, 11).await, (22..=32).collect::<Vec<_>>());
    let mut past = client.watch(all()).await.expect("watching");
    for expected in 1..=32 {
        assert_eq!(past.next().await.seq, expected);
    }
}

#[tokio::test]
async fn what_only_the_archive_holds_is_shown_though_the_ledger_has_nothing_more() {
    let bus = TestBus::start().await;
    let (worker, client) = (bus.client("worker").await, bus.client("alice").await);
    let ids = report(&worker, 0..6).await;
    let mut night = client.watch_durably(&name("night"), all()).await.expect("watching");
    assert_eq!(take(&mut night, 2).await, [1, 2]);
    night.close().await.expect("kept");
    archive(&client, &ids).await;
    let mut night = client.watch_durably(&name("night"), Watch::default()).await.expect("watching");
    assert_eq!(take(&mut night, 4).await, [3, 4, 5, 6]);
}

#[tokio::test]
async fn more_than_fits_into_memory_is_read_from_the_archive_in_parts() {
    let bus = TestBus::start().await;
    let (worker, client) = (bus.client("worker").await, bus.client("alice").await);
    let mut ids = Vec::new();
    for _ in 0..80 {
        ids.push(worker.notify("x".repeat(450_000)).await.expect("stored"));
    }
    ids.reverse();
    archive(&client, &ids).await;
    let mut night = client.watch_durably(&name("night"), all()).await.expect("watching");
    assert_eq!(take(&mut night, 80).await, (1..=80).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_nowhere_is_told_as_missed() {
    let bus = TestBus::start().await;
    let (worker, client) = (bus.client("worker").await, bus.client("alice").await);
    let ids = report(&worker, 0..8).await;
    let mut night = client.watch_durably(&name("night"), all()).await.expect("watching");
    assert_eq!(take(&mut night, 2).await, [1, 2]);
    night.close().await.expect("kept");
    archive(&client, &ids[3..4]).await;
    let gone = Archive::of(client.connection().clone());
    for id in &ids[4..7] {
        gone.remove_from_ledger(*id, u64::MAX - 1).await.expect("removed");
    }
    let mut night = client.watch_durably(&name("night"), Watch::default()).await.expect("watching");
    assert_eq!(take(&mut night, 2).await, [3, 4]);
    assert_eq!(night.next().await.expect("watching"), Seen::Missed { from: 5, to: 7 });
    night.confirm();
    assert_eq!(take(&mut night, 1).await, [8]);
}
