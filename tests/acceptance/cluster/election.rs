//! The start of a coordinator: it waits for a cluster that is electing, and for nothing that will not come.

use testkit::NatsServer;

use super::*;

#[tokio::test]
async fn a_coordinator_that_starts_with_the_cluster_waits_for_its_election() {
    let cluster = Cluster::start_unsettled().await;
    let urls = cluster.urls();
    let connection = eventually_async("a node that listens", || Connection::open(Options::new(urls.as_str(), name("alice")))).await;
    let early = connection.survey().await;
    assert!(early.is_err(), "nobody leads yet, or this proves nothing: {early:?}");
    let coordinator = coordinate(&urls).await.expect("it waits");
    coordinator.drain().await;
}

#[tokio::test]
async fn copies_that_cannot_be_kept_are_refused_at_once() {
    let server = NatsServer::start().await;
    let begun = std::time::Instant::now();
    let refused = coordinate(&server.url()).await.expect_err("one server keeps one copy");
    assert_eq!(refused.kind(), nats::Kind::LedgerSettings, "{refused}");
    let _one = crate::bus::coordinate(&server.url()).await;
    let refused = coordinate(&server.url()).await.expect_err("the ledger that is there has one copy");
    assert_eq!(refused.kind(), nats::Kind::LedgerSettings, "{refused}");
    assert!(refused.to_string().contains("num_replicas is 1, not 3"), "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(10), "nothing was waited for: {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_cluster_without_room_says_so_and_is_not_waited_for() {
    let cluster = Cluster::start().await;
    let begun = std::time::Instant::now();
    let refused = coordinate_within(&cluster.urls(), 1 << 50).await.expect_err("no disk is so large");
    assert_eq!(refused.kind(), nats::Kind::StorageFull, "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
