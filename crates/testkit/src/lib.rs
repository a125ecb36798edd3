//! For tests only: real servers, real processes, waiting for what must come; and the laboratory, which
//! breaks them and judges what is left.
//!
//! A test waits with [`eventually`], which looks again until a thing holds, and fails with its last view
//! when it does not come in time. The laboratory ([`Lab`], [`faults`], [`checker`]) knows the bus from
//! outside only: processes, plain NATS and JSON. It shares no code with the product but what finds a
//! nats-server.

mod authority;
pub mod checker;
mod cluster;
mod configured;
pub mod deaf;
mod eventually;
pub mod faults;
mod lab;
pub mod load;
pub mod long;
pub mod model;
mod node;
mod operator;
mod part;
pub mod plain;
mod ports;
mod process;
mod proxy;
pub mod random;
mod server;
mod store;
pub mod time;
pub mod work;

pub use authority::{Authority, Certified};
pub use cluster::Cluster;
pub use configured::ConfiguredServer;
pub use eventually::{eventually, eventually_async};
pub use lab::{Lab, Placed, Plan};
pub use node::{Node, Sync};
pub use operator::Operator;
pub use part::Part;
pub use plain::Plain;
pub use process::{Output, Process, agentbus, binary, kill};
pub use proxy::{Flow, Proxy};
pub use server::NatsServer;
pub use store::Store;
