//! Acceptance tests: what agentbus promises, against a real nats-server. One test binary, so
//! that it links once.

mod api;
mod bus;
mod delivery;
mod faults;
mod input;
mod tidy;
mod trouble;
mod up;
mod watching;
