//! Acceptance tests: what agentbus promises, against a real nats-server.

mod bus;
mod delivery;
