//! For tests only: real servers, real processes, and waiting for what must come.
//!
//! Nothing here sleeps for a fixed time: [`eventually`] looks again until a thing holds, and
//! fails with its last view when it does not come in time.

mod eventually;
mod process;
mod server;

pub use eventually::{eventually, eventually_async};
pub use process::{Output, Process, agentbus, kill};
pub use server::NatsServer;
