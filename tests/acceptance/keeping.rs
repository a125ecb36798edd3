//! On a cluster of three: a watcher keeps its place, and everything is copied and checked, while a node is lost.

use agentbus::{Bus, Options, Seen, Start, Watch};
use coordinator::Coordinator;
use nats::Connection;
use protocol::Name;
use testkit::{Cluster, NatsServer, Process, agentbus};

use crate::bus::name;

async fn notify(bus: &Bus, texts: std::ops::Range<u32>) {
    for text in texts {
        // What nobody knows the fate of may be stored twice: that is two notices.
        testkit::eventually_async("a notice is stored", || async { bus.notify(text.to_string()).await }).await;
    }
}

#[tokio::test]
async fn a_node_is_lost_while_all_of_it_is_watched_and_copied() {
    let mut cluster = Cluster::start().await;
    let urls = cluster.urls();
    let connection = Connection::open(Options::new(&urls, Name::coordinator())).await.expect("the cluster is there");
    let mut options = coordinator::Options::default();
    (options.limits.max_bytes, options.limits.replicas) = (64 << 20, 3);
    let _coordinator = Coordinator::start(connection, options).await.expect("it starts");
    let client = Bus::connect(Options::new(&urls, name("worker"))).await.expect("the bus is there");
    let night = name("night");
    let mut watcher = client.watch_durably(&night, Watch { start: Start::First, ..Watch::default() }).await.expect("watching");
    notify(&client, 0..50).await;
    let mut seen = Vec::new();
    let mut take = async |watcher: &mut agentbus::Durable, upto: u64| {
        while seen.last().is_none_or(|last| *last < upto) {
            match watcher.next().await.expect("watching") {
                Seen::Entry(entry) => seen.push(entry.seq),
                missed => panic!("{missed:?}"),
            }
            watcher.confirm();
        }
    };
    take(&mut watcher, 30).await;
    cluster.kill(cluster.leader("bus-ledger").await);
    notify(&client, 50..100).await;
    let last = testkit::eventually_async("the ledger's end", || client.connection().last_sequence()).await;
    take(&mut watcher, last).await;
    let is_kept = testkit::eventually_async("the place is kept", || async {
        let place = kept(&client).await?;
        if place["seq"] == last { Ok(()) } else { Err(place.to_string()) }
    });
    tokio::select! {
        () = is_kept => {}
        seen = watcher.next() => panic!("{seen:?}"),
    }
    drop(watcher);
    assert_eq!(seen, (1..=last).collect::<Vec<_>>(), "each once, in order");

    // A command gives up after five seconds, and an election may take longer. That there are no attachments, the leader
    // of the whole says.
    cluster.led().await;
    for stream in ["bus-ledger", "bus-archive", "KV_bus-agents", "KV_bus-watchers"] {
        cluster.leader(stream).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let run = |words: &[&str]| {
        let output = Process::run(agentbus(folder.path()).args(words));
        assert_eq!(output.code, Some(0), "{words:?}: {output:?}");
        output.stdout
    };
    assert!(run(&["verify", "--nats", &urls]).contains("clean"));
    let _ = run(&["backup", "copy", "--nats", &urls]);
    let single = NatsServer::start().await;
    let _ = run(&["restore", "copy", "--nats", &single.url(), "--replicas", "1"]);
    assert!(run(&["verify", "--nats", &single.url()]).contains("clean"));
    // The watcher's place came with it.
    let restored = Bus::connect(Options::new(single.url(), name("worker"))).await.expect("the bus is there");
    restored.notify("Afterwards.").await.expect("stored");
    let mut watcher = restored.watch_durably(&night, Watch::default()).await.expect("watching");
    match watcher.next().await.expect("watching") {
        Seen::Entry(entry) => assert_eq!(entry.seq, last + 1),
        missed => panic!("{missed:?}"),
    }
}

/// The place of the watcher, as it is kept.
async fn kept(client: &Bus) -> Result<serde_json::Value, String> {
    let places = nats::Places::open(client.connection(), client.name()).await.map_err(|error| error.to_string())?;
    let place = places.get(&name("night")).await.map_err(|error| error.to_string())?;
    let (place, _) = place.ok_or("no place is kept")?;
    serde_json::from_slice(&place).map_err(|error| error.to_string())
}
