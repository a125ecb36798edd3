//! Speaking HTTP to somebody else: the client, what is made of a bad status, and keys that nobody may see.
//!
//! Knows no handler. Never follows a redirect: a key or a query must not travel to where nobody sent it. Never logs a header or a
//! body. Reading order: this file, `body` (what comes back), `secrets` and `spelled` (keys, and how they are kept out of what is said), `trouble` (errors → faults).

mod body;
mod secrets;
mod spelled;
mod trouble;

use std::time::Duration;

use agentbus::{Fault, Task};
use reqwest::{Client, redirect::Policy};

use crate::{exec::until, trust::is_loopback};

pub(crate) use body::Body;
pub(crate) use secrets::Secrets;
pub(crate) use trouble::{Retry, Side, Trouble, unreachable};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// How long somebody may be silent where `stall` says nothing.
pub(crate) const SILENCE: Duration = Duration::from_secs(60);

/// How long an attempt is held back at most because the other side says when to come again. The bus's own pause comes on top.
const LONGEST_HOLD: Duration = Duration::from_secs(30);

/// A client for this address.
///
/// It speaks HTTP/1.1, takes nothing compressed (what looks small must be small), and goes around a proxy to reach this machine.
pub(crate) fn client(url: &str) -> Result<Client, Fault> {
    // The provider of the whole program; whoever was first has set the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .user_agent(concat!("agentbus/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .redirect(Policy::none())
        .http1_only()
        .no_gzip();
    let builder = if is_loopback(url) { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| Fault::fail("no_http_client", format!("no HTTP client can be made: {}", trouble::because(&error))))
}

/// The failure of an attempt, when its time has come: where the other side says when to come again, not before.
pub(crate) async fn hold_back(task: &Task, retry: &Retry) {
    if let Some(after) = retry.after {
        tokio::time::sleep(after.min(LONGEST_HOLD).min(until(task.assignment().deadline))).await;
    }
}
