//! The API: what can be asked of a coordinator with a plain request.
//!
//! Queries that come this way take the same road as all others: they are appended to the ledger
//! as they came, in the caller's name, and judged there.

mod cancel;
mod dead;
mod erase;
mod pieces;
mod post;
mod read;
mod tree;
mod waiters;

use nats::Call;
use protocol::Problem;
use serde::Serialize;

pub(crate) use dead::Dead;
pub(crate) use pieces::Pieces;
pub(crate) use post::{Repeat, repeated};
pub(crate) use waiters::{Waiters, dismiss, ended, waits};

use crate::service::Service;

/// The endpoints, each under `agentbus.{endpoint}.{caller}`.
pub(crate) const ENDPOINTS: &[&str] =
    &["ask", "post", "status", "list", "cancel", "route", "agents", "dead", "erase", "tree", "attach", "fetch"];

/// Answers one call, or starts what will answer it.
pub(crate) fn answer(service: &mut Service, call: Call) {
    let caller = match call.caller() {
        Ok(caller) => caller,
        Err(problem) => return reply::<()>(service, call, Err(problem)),
    };
    match call.endpoint {
        "ask" => post::post(service, call, caller, post::Then::AwaitEnd),
        "post" => post::post(service, call, caller, post::Then::Return),
        "status" => read::status(service, call, &caller),
        "tree" => tree::tree(service, call, &caller),
        "dead" => dead::dead(service, call),
        "cancel" => cancel::cancel(service, call, caller),
        "erase" => erase::erase(service, call, caller),
        "attach" => pieces::attach(service, call),
        "fetch" => pieces::fetch(service, call),
        "list" => {
            let listed = read::list(service, call.payload());
            reply(service, call, listed);
        }
        "route" => {
            let routed = read::route(service, &caller, call.payload());
            reply(service, call, routed);
        }
        _ => {
            let present = read::agents(service, call.payload());
            reply(service, call, present);
        }
    }
}

/// Answers a call without holding the loop up.
fn reply<T: Serialize + Send + Sync + 'static>(service: &Service, call: Call, answer: Result<T, Problem>) {
    service.effects.tasks.spawn(async move {
        call.answer(answer.as_ref()).await;
    });
}
