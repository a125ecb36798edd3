//! For tests only: real servers, real processes, and waiting for what must come.
//!
//! Nothing here sleeps for a fixed time: [`eventually`] looks again until a thing holds, and
//! fails with its last view when it does not come in time.

mod authority;
mod configured;
mod eventually;
mod operator;
mod process;
mod server;

pub use authority::{Authority, Certified};
pub use configured::ConfiguredServer;
pub use eventually::{eventually, eventually_async};
pub use operator::Operator;
pub use process::{Output, Process, agentbus, kill};
pub use server::NatsServer;
