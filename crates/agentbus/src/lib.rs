//! The SDK of agentbus: post context queries, follow them to their ending, and serve as an agent.
//!
//! ```no_run
//! use agentbus::{Bus, Options, Query};
//!
//! # async fn example() -> Result<(), agentbus::Error> {
//! let bus = Bus::connect(Options::new("nats://127.0.0.1:4222", "mlops-engineer".parse()?)).await?;
//! let query = Query::new(bus.name().clone(), "get_mlops_context", "MLOps context needed: team size, ML workloads.");
//! let ended = bus.ask(query).await?.ended().await?;
//! println!("{}: {}", ended.state, ended.notification());
//! # Ok(())
//! # }
//! ```
//!
//! What it promises: [`Bus::post`] returns when the ledger has the query; [`Asking::ended`]
//! returns when the ledger has the ending. What it calls final is never taken back.

mod ask;
mod bus;
mod error;
mod mailroom;
mod post;
mod serve;
mod watch;

pub use ask::{Asking, Ended, Event};
pub use bus::Bus;
pub use error::Error;
pub use post::Receipt;
pub use serve::{Agent, Done, Fault, Handler, Serving, Task};
pub use watch::{Watch, Watcher};

pub use ledger::Entry;
pub use nats::{Facts, Options, Start};
pub use protocol::{
    self, Card, Decision, Fact, FactKey, FactKind, Kind, Message, Name, Presence, Problem, QueryId, Record, Space, State, Summary,
    message::{Answer, Close, Priority, Progress, Query},
};
