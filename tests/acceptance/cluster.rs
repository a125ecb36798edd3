//! A cluster of three: everything is kept in three copies, and one node may go at any time.

mod election;
mod loss;
mod refused;

use std::time::Duration;

use agentbus::{Agent, Bus, Done, Options, Query, State, Task};
use coordinator::Coordinator;
use nats::{Connection, Error};
use protocol::{Fact, FactKey, FactKind, Kind, Name, QueryId, Verdict};
use serde_json::json;
use testkit::{Cluster, Process, agentbus, eventually, eventually_async};

use crate::bus::name;

/// Copies of everything.
const COPIES: usize = 3;

/// Starts a coordinator with short waits that keeps three copies.
async fn coordinate(urls: &str) -> Result<Coordinator, Error> {
    coordinate_within(urls, 64 << 20).await
}

async fn coordinate_within(urls: &str, bytes: u64) -> Result<Coordinator, Error> {
    let connection = Connection::open(Options::new(urls, Name::coordinator())).await?;
    let mut options = coordinator::Options::default();
    options.limits.max_bytes = bytes;
    options.limits.replicas = COPIES;
    options.policy.accept = jiff::SignedDuration::from_millis(500);
    options.policy.backoff = jiff::SignedDuration::from_millis(50);
    Coordinator::start(connection, options).await
}

async fn client(urls: &str, who: &str) -> Bus {
    Bus::connect(Options::new(urls, name(who))).await.expect("the bus is there")
}

/// Serves an agent that repeats what it is asked, as long as the returned handles live.
async fn echo(urls: &str) -> (Bus, agentbus::Serving) {
    let handler = |task: Task| async move { Ok(Done::new("Echoed.").result(json!(task.text()))) };
    let bus = client(urls, "echo").await;
    let mut serving = bus.serve(Agent::new(name("echo")).capacity(32), handler).await.expect("it serves");
    assert!(serving.known().await, "a coordinator knows of it");
    (bus, serving)
}

fn to_echo(text: &str) -> Query {
    let mut query = Query::new(name("alice"), "request", text);
    query.target = Some(name("echo"));
    query
}

/// Posts a query under an id of its own until its fate is known, as a client does that must not lose it.
async fn post_for_certain(client: &Bus, text: &str) -> QueryId {
    let mut query = to_echo(text);
    let id = QueryId::mint();
    query.id = Some(id);
    eventually_async("a post that is decided", || async {
        match client.post(query.clone()).await {
            Ok(receipt) => Ok(receipt.id),
            Err(error) if error.is_unavailable() || error.code() == "unavailable" => Err(error),
            Err(error) => panic!("{id}: {error}"),
        }
    })
    .await
}

/// Waits until a query has ended, and expects its own answer, and one ending in the record.
async fn expect_one_ending(client: &Bus, id: QueryId, text: &str) {
    let record = eventually_async("the end of a query", || async {
        match client.history(id).await {
            Ok(record) if record.state.is_terminal() => Ok(record),
            Ok(record) => Err(format!("{id}: {} {:?}", record.state, record.waiting_for)),
            Err(error) => Err(format!("{id}: {error}")),
        }
    })
    .await;
    assert_eq!(record.state, State::Completed, "{record:?}");
    assert_eq!(record.answer.and_then(|answer| answer.result), Some(json!(text)));
    let ends = |kind: Kind| matches!(kind, Kind::Answer | Kind::Close);
    let endings = record.messages.iter().filter(|message| ends(message.kind) && message.verdict == Verdict::Counted);
    assert_eq!(endings.count(), 1, "{:?}", record.messages);
}

fn fact() -> Fact {
    Fact {
        key: "team.size".parse::<FactKey>().expect("a key"),
        value: json!(12),
        source: "a list".to_owned(),
        observed_at: jiff::Timestamp::now(),
        observed_by: name("alice"),
        kind: FactKind::Value,
        topics: Vec::new(),
        extra: protocol::Extra::new(),
    }
}

// More threads than one, since it waits for commands while its coordinators run.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_query_goes_its_whole_way_and_everything_outlives_every_node() {
    let mut cluster = Cluster::start().await;
    let urls = cluster.urls();
    let _coordinators = [coordinate(&urls).await.expect("it starts"), coordinate(&urls).await.expect("it starts")];
    let alice = client(&urls, "alice").await;
    let facts = alice.facts().await.expect("the fact store");
    facts.put(&fact()).await.expect("recorded");
    let _agent = echo(&urls).await;
    let ended = alice.ask(to_echo("hello")).await.expect("posted").ended().await.expect("it ends");
    assert_eq!(ended.state, State::Completed);
    let copies = cluster.copies(0).await;
    assert!(copies.len() >= 3 && copies.iter().all(|(_, copies)| *copies == COPIES as u64), "{copies:?}");
    cluster.settled().await;

    // Each of the commands is told all nodes, and one of these is not there.
    cluster.kill(0);
    let folder = tempfile::tempdir().expect("a folder");
    // A new leader of the ledger may have to be elected first.
    let run = |words: &[&str]| {
        eventually("a command that knows of three nodes and meets two", || {
            let output = Process::run(agentbus(folder.path()).args(words).args(["--nats", &urls]));
            if output.code == Some(0) { Ok(output) } else { Err(output) }
        })
    };
    run(&["doctor", "--ready"]);
    let known = run(&["context", "get", "team.size"]);
    assert!(known.stdout.contains("12"), "{known:?}");

    cluster.kill(1);
    cluster.kill(2);
    (0..3).for_each(|node| cluster.restart(node));
    cluster.settled().await;
    expect_one_ending(&alice, ended.id, "hello").await;
    let kept = eventually_async("the facts", || async { facts.all().await }).await;
    assert_eq!(kept.iter().map(|fact| fact.value.clone()).collect::<Vec<_>>(), [json!(12)]);
    let agents = alice.agents().await.expect("the agents");
    assert!(agents.iter().any(|agent| agent.card.agent == name("echo")), "{agents:?}");
    let id = post_for_certain(&alice, "and again").await;
    expect_one_ending(&alice, id, "and again").await;
}

/// How long a caller may be left without an answer that says something.
const TOLD: Duration = Duration::from_secs(16);
