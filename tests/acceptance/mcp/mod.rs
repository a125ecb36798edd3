//! MCP: a session sits at the bus as one agent. It asks, is told what happens, serves, and stays when NATS goes. The clients
//! are the official ones (`clients`) and a plain one of our own (`session`), which can also misbehave.

mod asking;
mod clients;
mod hostile;
mod http;
mod serving;
mod session;

use agentbus::{Agent, Bus, Done, Inquiry, Serving, Task};
use serde_json::json;
use testkit::eventually_async;

use crate::bus::{TestBus, name};

/// A bus with one agent, which does as the first word of a question says: `count N`, `wait`, `confirm`.
pub(crate) struct World {
    pub(crate) bus: TestBus,
    pub(crate) client: Bus,
    _agent: (Bus, Serving),
}

impl World {
    pub(crate) async fn start() -> Self {
        let bus = TestBus::start().await;
        let agent = bus.serve(Agent::new(name("counter")).capacity(8), work).await;
        let client = bus.client("observer").await;
        Self { bus, client, _agent: agent }
    }

    pub(crate) fn url(&self) -> String {
        self.bus.server.url()
    }

    /// Waits until the newest query is in this state; returns its id.
    pub(crate) async fn newest(&self, state: agentbus::State) -> agentbus::QueryId {
        eventually_async("the newest query's state", || async {
            let queries = self.client.list(None, None, 1).await.map_err(|error| error.to_string())?;
            queries.first().filter(|query| query.state == state).map(|query| query.id).ok_or_else(|| format!("{queries:?}"))
        })
        .await
    }
}

async fn work(task: Task) -> Result<Done, agentbus::Fault> {
    let mut words = task.text().split_whitespace();
    match words.next() {
        Some("count") => {
            let most: u64 = words.last().and_then(|n| n.parse().ok()).unwrap_or_default();
            for n in 1..=most {
                task.progress("counting", [("n", n)]).await?;
            }
            Ok(Done::new(format!("Counted to {most}.")).result(json!({ "counted": most })))
        }
        Some("wait") => {
            task.progress("waiting", [("for", "ever")]).await?;
            task.stopped().cancelled().await;
            Err(agentbus::Fault::fail("stopped", "nobody wants it any more"))
        }
        Some("confirm") => {
            let replied = task.question(Inquiry::new("Are you sure?").choices(["yes", "no"])).await?;
            Ok(Done::new("Confirmed.").result(replied.value))
        }
        _ => Err(agentbus::Fault::fail("no_such_word", "say count, wait or confirm")),
    }
}
