//! The doors of the bus for other protocols. There is one so far: [`mcp`], through which a Claude Code or
//! Codex session asks, watches and answers as one agent of the bus.
//!
//! It owns the translation and nothing else: what a query is and who answers it is said in `agentbus`, and how the
//! bus is found in the program that opens the door. It never writes to standard output by itself, and it never ends because NATS is
//! away: calls say `unavailable` until it is back.
//!
//! Reading order: [`bus`] (what of the bus is offered), then [`mcp`] (the protocol).

pub mod bus;
pub mod mcp;
