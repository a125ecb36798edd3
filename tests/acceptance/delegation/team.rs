//! A bus with agents that delegate, served over one connection as `agentbus serve agents` does it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use agentbus::{Agent, Bus, Done, Ended, Fault, Handler, Query, Serving, State, Task};
use serde_json::json;
use testkit::eventually_async;

use crate::bus::{TestBus, name};

/// A bus, a process with agents, and a requester.
pub(super) struct Team {
    pub(super) bus: TestBus,
    pub(super) client: Bus,
    host: Bus,
    serving: Vec<Serving>,
}

impl Team {
    pub(super) async fn new() -> Self {
        let bus = TestBus::start().await;
        let (client, host) = (bus.client("cli").await, bus.client("agent-host").await);
        Self { bus, client, host, serving: Vec::new() }
    }

    /// Adds an instance of an agent, which may be asked by name.
    pub(super) async fn add(&mut self, agent: &str, handler: impl Handler) {
        self.serve(Agent::new(name(agent)).capacity(8), handler).await;
    }

    /// Adds one that is registered for a request type.
    pub(super) async fn add_for(&mut self, agent: &str, request_type: &str, handler: impl Handler) {
        self.serve(Agent::new(name(agent)).capacity(8).answers(request_type), handler).await;
    }

    async fn serve(&mut self, agent: Agent, handler: impl Handler) {
        let mut serving = self.host.serve(agent, handler).await.expect("it serves");
        assert!(serving.known().await, "a coordinator knows of it");
        self.serving.push(serving);
    }

    /// Asks an agent, and waits for the ending.
    pub(super) async fn ask(&self, agent: &str) -> Ended {
        self.run(to(agent, "hello")).await
    }

    pub(super) async fn run(&self, query: Query) -> Ended {
        self.client.ask(query).await.expect("posted").ended().await.expect("it ends")
    }

    /// The states of all queries of the bus, each with the code of its close, in the order in which they were posted.
    pub(super) async fn endings(&self) -> Vec<(State, String)> {
        let mut endings = Vec::new();
        for query in self.client.list(None, None, 1000).await.expect("the queries").iter().rev() {
            let record = self.client.status(query.id).await.expect("on record");
            endings.push((record.state, record.close.map(|close| close.code).unwrap_or_default()));
        }
        endings
    }
}

/// A query to an agent by name. As whom it is asked, a task says for itself.
pub(super) fn to(agent: &str, text: &str) -> Query {
    let mut query = Query::new(name("cli"), "request", text);
    query.target = Some(name(agent));
    query
}

/// Answers at once.
pub(super) fn says(text: &'static str) -> impl Handler {
    move |_: Task| async move { Ok(Done::new(text)) }
}

/// Asks another agent, and answers with its own name and what it was told; if it was refused, with why.
pub(super) fn passes_on_to(next: &'static str) -> impl Handler {
    move |task: Task| async move {
        let ended = task.ask(to(next, "hello")).await?.ended().await?;
        let done = Done::new(format!("{}, {}", task.agent(), ended.notification()));
        let code = ended.close.map(|close| close.code);
        // What was refused further down is passed up.
        let told = ended.answer.and_then(|answer| answer.result);
        Ok(match code.map(|code| json!(code)).or(told) {
            Some(refused) => done.result(refused),
            None => done,
        })
    }
}

/// Handlers that never answer: how many have begun, and how many were let go of.
#[derive(Clone, Default)]
pub(super) struct Sleepers {
    begun: Arc<AtomicUsize>,
    gone: Arc<AtomicUsize>,
}

struct Asleep(Arc<AtomicUsize>);

impl Drop for Asleep {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Sleepers {
    pub(super) fn handler(&self) -> impl Handler {
        let all = self.clone();
        move |_: Task| {
            let sleeper = all.sleeper();
            async move {
                let _asleep = sleeper;
                std::future::pending::<Result<Done, Fault>>().await
            }
        }
    }

    /// Asks another agent first, and never answers either.
    pub(super) fn asking(&self, next: &'static str) -> impl Handler {
        let all = self.clone();
        move |task: Task| {
            let sleeper = all.sleeper();
            async move {
                let _asleep = sleeper;
                task.ask(to(next, "hello")).await?.ended().await?;
                std::future::pending::<Result<Done, Fault>>().await
            }
        }
    }

    fn sleeper(&self) -> Asleep {
        self.begun.fetch_add(1, Ordering::SeqCst);
        Asleep(self.gone.clone())
    }

    /// Returns when so many have begun.
    pub(super) async fn begun(&self, wanted: usize) {
        until(&self.begun, wanted, "handlers that work").await;
    }

    /// Returns when so many have been let go of.
    pub(super) async fn gone(&self, wanted: usize) {
        until(&self.gone, wanted, "handlers that stopped").await;
    }
}

async fn until(count: &AtomicUsize, wanted: usize, what: &str) {
    eventually_async(what, || async {
        let is = count.load(Ordering::SeqCst);
        if is == wanted { Ok(()) } else { Err(is) }
    })
    .await;
}
