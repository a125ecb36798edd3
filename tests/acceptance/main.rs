//! Acceptance tests: what agentbus promises, against a real nats-server. One test binary, so
//! that it links once.

mod api;
mod archive;
mod attachments;
mod bench;
mod bus;
mod claude;
mod cluster;
mod delegation;
mod delivery;
mod deploy;
mod durable;
mod examples;
mod exec;
mod exec_dialogue;
mod experts;
mod faults;
mod http;
mod inbox;
mod input;
mod keeping;
mod killed;
mod lab;
mod liveness;
mod llm;
mod mcp;
mod permissions;
mod questions;
mod reload;
mod secure;
mod service;
mod shipped;
mod tidy;
mod trouble;
mod up;
mod watching;
