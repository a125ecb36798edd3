//! The SDK of agentbus: post context queries, follow them to their ending, and serve as an agent.
//!
//! ```
//! use agentbus::{Agent, Bus, Done, Options, Query, State, Task};
//! use serde_json::json;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), agentbus::Error> {
//! # let server = testkit::NatsServer::start().await;
//! # let url = server.url();
//! # let connection = nats::Connection::open(Options::new(&url, protocol::Name::coordinator())).await?;
//! # let _coordinator = coordinator::Coordinator::start(connection, coordinator::Options::default()).await?;
//! // An agent: it answers every request type that begins with `count_`.
//! let bus = Bus::connect(Options::new(&url, "counter".parse()?)).await?;
//! let agent = Agent::new("counter".parse()?).answers("count_*");
//! let mut serving = bus
//!     .serve(agent, |task: Task| async move {
//!         let words = task.text().split_whitespace().count();
//!         Ok(Done::new(format!("Counted {words} words.")).result(json!({ "words": words })))
//!     })
//!     .await?;
//! serving.known().await;
//!
//! // A requester.
//! let bus = Bus::connect(Options::new(&url, "alice".parse()?)).await?;
//! let ended = bus.ask(Query::new(bus.name().clone(), "count_words", "one two three")).await?.ended().await?;
//! assert_eq!(ended.state, State::Completed);
//! assert_eq!(ended.notification(), "Counted 3 words.");
//! # Ok(())
//! # }
//! ```
//!
//! What it promises: [`Bus::post`] returns when the ledger has the query; [`Asking::ended`]
//! returns when the ledger has the ending. What it calls final is never taken back.

mod ask;
mod attach;
mod bus;
mod dead;
mod delegate;
mod durable;
mod error;
mod inbox;
mod mailroom;
mod parts;
mod post;
mod reply;
mod serve;
mod watch;

pub use ask::{Asking, Ended, Event};
pub use attach::{AttachmentError, LARGEST};
pub use bus::Bus;
pub use durable::Durable;
pub use error::Error;
pub use inbox::{Addressed, Held, Inbox, Taken};
pub use post::Receipt;
pub use serve::{Agent, Done, Fault, Handler, Inquiry, Replied, Serving, Task};
pub use watch::{Watch, Watcher};

pub use ledger::Entry;
pub use nats::{Facts, Options, Seen, Start};
pub use protocol::{
    self, Card, Decision, Fact, FactKey, FactKind, Kind, Message, Name, Presence, Problem, QueryId, Record, Space, State, Summary, Tree,
    message::{Answer, Attachment, Budget, Close, Gather, Priority, Progress, Query, Until},
};
