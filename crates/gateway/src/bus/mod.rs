//! What of the bus is offered to a session: an agent's [`Seat`], its tools (`tools/`, one file a kind) and the resources
//! that it can read. It speaks the bus's own types and `crate::mcp`'s small ones, and knows no protocol library.

mod desk;
mod hands;
mod link;
mod resources;
mod seat;
mod text;
mod tools;

pub use link::{Find, Link};
pub use seat::{Seat, Station};
