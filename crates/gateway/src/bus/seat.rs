//! One agent's seat at the bus: every session that is opened through this door sits there, under one name. It bounds how
//! much is asked of it at once, and says when it is to be left. What a tool does is in `tools/`.

use std::sync::Arc;

use agentbus::{Agent, Bus, Name, Problem, protocol::Extra};
use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    desk::Desk,
    link::{Find, Link},
    resources, tools,
};
use crate::mcp::{About, Caller, Contents, Output, Resource, Server, SessionId, Template, Tool};

/// Calls that may be under way at once. Most of them wait, and waiting costs little.
const CALLS: usize = 64;

/// What a model should know before it calls a tool.
const INSTRUCTIONS: &str = "agentbus connects agents: ask one with `ask` (it finds the one best placed to answer, or name it with `to`), and read \
    where each fact in the answer comes from. What is listed as unknown is not known to anybody: do not fill it in. If `ask` returns \
    a question, answer it with `reply` and go on with `wait_for_answer`. To serve as an agent, call `wait_for_request`, do what it asks, \
    finish with `answer_request`, and call `wait_for_request` again. When a call says `unavailable`, the bus is away for now: call again later.";

/// As whom a session sits there.
#[derive(Clone, Debug)]
pub struct Station {
    /// The agent's name: it asks and answers under it.
    pub name: Name,
    /// What it is for; others see it once it serves.
    pub description: String,
    /// The request types that it answers; `*` stands for any run of characters.
    pub answers: Vec<String>,
}

impl Station {
    /// As whom it serves: the agent as the bus knows it, with what is said here beside.
    pub(super) async fn agent(&self, bus: &Bus) -> Result<Agent, Problem> {
        let mut agent = bus.mailbox(self.name.clone()).await.map_err(|error| error.problem())?;
        if !self.description.is_empty() {
            agent.card.description.clone_from(&self.description);
        }
        let more = self.answers.iter().filter(|answers| !agent.card.answers.contains(answers)).cloned().collect::<Vec<_>>();
        agent.card.answers.extend(more);
        Ok(agent)
    }
}

/// One agent's seat at the bus.
#[derive(Debug)]
pub struct Seat {
    pub(super) station: Station,
    link: Link,
    desk: Desk,
    calls: Semaphore,
    leaving: CancellationToken,
}

impl Seat {
    /// A seat at the bus that is found so. Connects when something is asked. When `leaving` fires, calls that wait for
    /// something return what they have; what they asked for goes on.
    #[must_use]
    pub fn new(station: Station, find: Find, leaving: CancellationToken) -> Arc<Self> {
        Arc::new(Self { station, link: Link::new(find), desk: Desk::default(), calls: Semaphore::new(CALLS), leaving })
    }

    /// The bus, connected at this moment.
    pub(super) async fn bus(&self) -> Result<Bus, Problem> {
        self.link.bus().await
    }

    /// What it serves with.
    pub(super) const fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Fires when nothing is to be waited for any more.
    pub(super) const fn leaving(&self) -> &CancellationToken {
        &self.leaving
    }

    /// Gives back what is in hand and closes the connection. Waits a few seconds at most.
    pub async fn leave(&self) {
        self.leaving.cancel();
        self.desk.close().await;
        self.link.close().await;
    }
}

impl Server for Seat {
    fn about(&self) -> About {
        About {
            name: "agentbus".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instructions: format!("{INSTRUCTIONS} You are {} on the bus.", self.station.name),
            ..About::default()
        }
    }

    fn tools(&self) -> Vec<Tool> {
        tools::all()
    }

    fn call<'a>(&'a self, tool: &'a str, arguments: Extra, caller: &'a Caller) -> BoxFuture<'a, Option<Output>> {
        Box::pin(async move {
            let Ok(_permit) = self.calls.try_acquire() else {
                return Some(Output::problem(&too_many()));
            };
            let output = tools::call(self, tool, arguments, caller).await?;
            Some(output.unwrap_or_else(|problem| Output::problem(&problem)))
        })
    }

    fn left(&self, session: SessionId) {
        self.desk.left(session);
    }

    fn resources(&self) -> Vec<Resource> {
        resources::fixed()
    }

    fn templates(&self) -> Vec<Template> {
        resources::templates()
    }

    fn read<'a>(&'a self, uri: &'a str) -> BoxFuture<'a, Result<Option<Contents>, Problem>> {
        Box::pin(resources::read(self, uri))
    }
}

fn too_many() -> Problem {
    Problem::new("too_many_calls", format!("{CALLS} calls are under way, as many as there may be"))
        .hint("Wait for one of them to end, or cancel one.")
}
