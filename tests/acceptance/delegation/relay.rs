//! Delegation and gathering while coordinators come and go.

use std::sync::Arc;

use agentbus::{Agent, Bus, Done, Gather, Options, Query, Serving, State, Task};
use tempfile::TempDir;
use testkit::{NatsServer, Process, agentbus, eventually, eventually_async};
use tokio::sync::Semaphore;

use super::team::{passes_on_to, says, to};
use crate::bus::name;

/// A server, agents that wait at a gate, a requester; coordinators are processes.
struct Site {
    server: NatsServer,
    folder: TempDir,
}

impl Site {
    async fn new() -> Self {
        Self { server: NatsServer::start().await, folder: tempfile::tempdir().expect("a folder") }
    }

    fn coordinator(&self) -> Process {
        self.coordinator_that_dies_at(None)
    }

    /// One that dies when it first comes to this point.
    fn coordinator_that_dies_at(&self, point: Option<&str>) -> Process {
        let mut command = agentbus(self.folder.path());
        command.args(["serve", "coordinator", "--nats", &self.server.url()]);
        let coordinator = Process::start(command.envs(point.map(|point| ("AGENTBUS_CRASH_POINT", point))));
        let _ = coordinator.says("serves the bus");
        coordinator
    }

    async fn client(&self, who: &str) -> Bus {
        Bus::connect(Options::new(self.server.url(), name(who))).await.expect("the bus is there")
    }
}

async fn serve(host: &Bus, agent: &str, handler: impl agentbus::Handler) -> Serving {
    let mut serving = host.serve(Agent::new(name(agent)).capacity(32), handler).await.expect("it serves");
    assert!(serving.known().await, "a coordinator knows of it");
    serving
}

fn gated(gate: &Arc<Semaphore>) -> impl agentbus::Handler {
    let gate = gate.clone();
    move |task: Task| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.expect("it stays open").forget();
            Ok(Done::new(format!("{} is done", task.agent())))
        }
    }
}

fn gathering() -> Query {
    let gather = Gather { to: Some(["a", "b", "c"].map(name).to_vec()), ..Gather::default() };
    Query { gather: Some(gather), ..Query::new(name("cli"), "review", "Is it safe?") }
}

/// Returns when all parts of a gathered query are in hand.
async fn in_hand(client: &Bus, id: agentbus::QueryId) {
    eventually_async("all parts are in hand", || async {
        let tree = client.tree(id).await.map_err(|error| error.to_string())?;
        let states: Vec<State> = tree.branches.iter().skip(1).map(|branch| branch.query.state).collect();
        if states == [State::Accepted; 3] { Ok(()) } else { Err(format!("{states:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_coordinator_is_killed_in_the_middle_of_a_gather() {
    let site = Site::new().await;
    let first = site.coordinator();
    let (host, client) = (site.client("agent-host").await, site.client("cli").await);
    let gate = Arc::new(Semaphore::new(0));
    let mut serving = Vec::new();
    for agent in ["a", "b", "c"] {
        serving.push(serve(&host, agent, gated(&gate)).await);
    }
    let asking = client.ask(gathering()).await.expect("posted");
    in_hand(&client, asking.id()).await;
    first.signal("KILL");
    drop(first);
    // What is answered while nobody reads is in the ledger.
    gate.add_permits(1);
    let second = site.coordinator();
    let record = client.status(asking.id()).await.expect("on record");
    assert!(!record.state.is_terminal(), "two are still at work: {:?}", record.state);
    gate.add_permits(2);
    let ended = asking.ended().await.expect("it ends");
    let parts = ended.answer.expect("an answer").parts;
    assert_eq!(parts.iter().map(|part| part.state).collect::<Vec<_>>(), [State::Completed; 3], "{parts:?}");
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_coordinator_dies_every_part_is_asked_once_and_the_answer_comes() {
    for point in ["assign.stored", "part.decided", "part.stored:2", "gathered.decided", "gathered.stored"] {
        let site = Site::new().await;
        let mut dying = site.coordinator_that_dies_at(Some(point));
        let (host, client) = (site.client("agent-host").await, site.client("cli").await);
        let mut serving = Vec::new();
        for agent in ["a", "b", "c"] {
            serving.push(serve(&host, agent, says("yes")).await);
        }
        let asking = client.ask(gathering()).await.expect("posted");
        eventually("its death", || dying.ended().ok_or_else(|| dying.stderr()));
        let living = site.coordinator();
        let ended = asking.ended().await.expect("it ends");
        let parts = ended.answer.unwrap_or_else(|| panic!("{point}: {:?}", ended.close)).parts;
        assert_eq!(parts.iter().map(|part| part.state).collect::<Vec<_>>(), [State::Completed; 3], "{point}: {parts:?}");
        assert_eq!(client.list(None, None, 9).await.expect("the queries").len(), 4, "{point}: no part was asked twice");
        drop(living);
    }
}

#[tokio::test]
async fn two_coordinators_ask_every_part_once_and_answer_once() {
    const QUERIES: usize = 20;
    let site = Site::new().await;
    let one = site.coordinator();
    let other = site.coordinator();
    let (host, client) = (site.client("agent-host").await, site.client("cli").await);
    let mut serving = vec![serve(&host, "d", passes_on_to("a")).await];
    for agent in ["a", "b", "c"] {
        serving.push(serve(&host, agent, says("yes")).await);
    }
    let ask = |query: Query| async { client.ask(query).await.expect("posted").ended().await.expect("it ends") };
    let gathered = futures::future::join_all((0..QUERIES).map(|_| ask(gathering())));
    let delegated = futures::future::join_all((0..QUERIES).map(|_| ask(to("d", "hello"))));
    let (gathered, delegated) = futures::join!(gathered, delegated);
    for ended in gathered.into_iter().chain(delegated) {
        assert_eq!(ended.state, State::Completed, "{ended:?}");
        let tree = client.tree(ended.id).await.expect("a tree");
        let states: Vec<_> = tree.branches.iter().map(|branch| branch.query.state).collect();
        assert!(states.iter().all(|state| *state == State::Completed), "{states:?}");
    }
    let listed = client.list(None, None, 1000).await.expect("the queries");
    assert_eq!(listed.len(), QUERIES * 4 + QUERIES * 2, "no part was asked twice");
    drop((one, other));
}
