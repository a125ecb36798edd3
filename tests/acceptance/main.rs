//! Acceptance tests: what agentbus promises, against a real nats-server. One test binary, so
//! that it links once.

mod api;
mod archive;
mod bench;
mod bus;
mod cluster;
mod delegation;
mod delivery;
mod deploy;
mod durable;
mod examples;
mod exec;
mod experts;
mod faults;
mod input;
mod keeping;
mod killed;
mod lab;
mod liveness;
mod permissions;
mod reload;
mod secure;
mod service;
mod shipped;
mod tidy;
mod trouble;
mod up;
mod watching;
