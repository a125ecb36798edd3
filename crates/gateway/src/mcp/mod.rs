//! The Model Context Protocol in small types of our own: what a server offers ([`Server`]), who calls ([`Caller`]),
//! and the two ways of serving it ([`stdio`], [`http`]).
//!
//! Only `wire/` knows the library that speaks the protocol. Nothing here knows the bus: that is in [`crate::bus`].

mod caller;
mod gate;
pub mod http;
mod serve;
mod server;
#[cfg(test)]
mod tests;
mod wire;

pub use caller::{Caller, Client, SessionId};
pub use serve::stdio;
pub use server::{About, Argument, Content, Contents, Output, Prompt, Resource, Said, Server, Template, Tool};
