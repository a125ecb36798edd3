//! Nodes that go while there is work: one of three is no loss, two of three leave one that refuses.

use futures::{StreamExt, stream};

use super::*;

/// Queries that are under way when a node goes.
const QUERIES: usize = 300;

/// Queries posted at the same time.
const AT_ONCE: usize = 16;

/// Posts many queries, does something to the cluster when a third of them is stored, and expects each to end once.
async fn under_load(cluster: &mut Cluster, meanwhile: impl AsyncFnOnce(&mut Cluster, usize)) {
    let urls = cluster.urls();
    let _coordinators = [coordinate(&urls).await.expect("it starts"), coordinate(&urls).await.expect("it starts")];
    let _agent = echo(&urls).await;
    let alice = client(&urls, "alice").await;
    cluster.settled().await;
    let leader = cluster.leader(&alice.space().ledger()).await;
    let stored = std::sync::atomic::AtomicUsize::new(0);
    let posting = stream::iter(0..QUERIES).map(|number| {
        let (alice, stored) = (&alice, &stored);
        async move {
            let text = number.to_string();
            let id = post_for_certain(alice, &text).await;
            stored.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            (id, text)
        }
    });
    let trouble = async {
        let count = || stored.load(std::sync::atomic::Ordering::SeqCst);
        eventually_async("a third of the queries", || async { if count() * 3 >= QUERIES { Ok(()) } else { Err(count()) } }).await;
        assert!(count() < QUERIES, "there is load while the node goes");
        meanwhile(cluster, leader).await;
    };
    let (posted, ()) = tokio::join!(posting.buffer_unordered(AT_ONCE).collect::<Vec<_>>(), trouble);
    assert_eq!(posted.len(), QUERIES);
    for (id, text) in posted {
        expect_one_ending(&alice, id, &text).await;
    }
}

#[tokio::test]
async fn the_ledgers_leader_is_killed_under_load_and_each_query_ends_once() {
    let mut cluster = Cluster::start().await;
    under_load(&mut cluster, async |cluster, leader| cluster.kill(leader)).await;
    let killed = (0..3).find(|node| !cluster.runs(*node)).expect("the one that was killed");
    cluster.restart(killed);
    cluster.settled().await;
}

#[tokio::test]
async fn a_leader_that_is_cut_off_and_comes_back_undoes_nothing() {
    let mut cluster = Cluster::start().await;
    under_load(&mut cluster, async |cluster, leader| {
        cluster.freeze(leader);
        // The others have elected another; then the old one wakes up and believes that it leads.
        let elected = cluster.leader("bus-ledger").await;
        assert_ne!(elected, leader);
        cluster.thaw(leader);
    })
    .await;
    cluster.settled().await;
}

#[tokio::test]
async fn one_node_of_three_refuses_until_another_is_back() {
    let mut cluster = Cluster::start().await;
    let urls = cluster.urls();
    let _coordinator = coordinate(&urls).await.expect("it starts");
    let _agent = echo(&urls).await;
    let alice = client(&urls, "alice").await;
    let before = post_for_certain(&alice, "before").await;
    expect_one_ending(&alice, before, "before").await;
    cluster.settled().await;

    cluster.kill(1);
    cluster.kill(2);
    let mut query = to_echo("meanwhile");
    let id = QueryId::mint();
    query.id = Some(id);
    let begun = std::time::Instant::now();
    let refused = alice.post(query.clone()).await.expect_err("one of three must not accept");
    assert_eq!(refused.code(), "unavailable", "{refused}");
    assert!(begun.elapsed() < TOLD, "{:?}", begun.elapsed());

    cluster.restart(1);
    let receipt = eventually_async("two of three", || alice.post(query.clone())).await;
    assert_eq!(receipt.id, id);
    expect_one_ending(&alice, id, "meanwhile").await;
    cluster.restart(2);
    cluster.settled().await;
}
