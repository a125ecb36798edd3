//! Temporary: the MCP tests alone.
#![allow(dead_code)]
#[path = "../acceptance/bus.rs"]
mod bus;
#[path = "../acceptance/mcp/mod.rs"]
mod mcp;
