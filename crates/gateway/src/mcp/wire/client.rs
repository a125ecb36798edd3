//! What a server sends to the client of a call: notifications, one after the other, and requests.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use agentbus::Problem;
use futures::future::BoxFuture;
use rmcp::{RoleServer, model as theirs};
use serde_json::{Value, json};

use super::LEVELS;
use crate::mcp::Client;

/// The client of a call.
pub(super) struct Peer {
    peer: rmcp::Peer<RoleServer>,
    level: Arc<AtomicU8>,
}

impl Peer {
    pub(super) const fn new(peer: rmcp::Peer<RoleServer>, level: Arc<AtomicU8>) -> Self {
        Self { peer, level }
    }

    /// Whether it wants to hear of this; all but the log it does.
    fn wants(&self, params: &Value) -> bool {
        let Some(level) = params.get("level").and_then(Value::as_str) else { return true };
        let place = LEVELS.iter().position(|known| *known == level).unwrap_or_default();
        place >= usize::from(self.level.load(Ordering::Relaxed))
    }
}

impl Client for Peer {
    fn notify(&self, method: &'static str, params: Value) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if !self.wants(&params) {
                return;
            }
            let notification: theirs::ServerNotification = match serde_json::from_value(json!({ "method": method, "params": params })) {
                Ok(notification) => notification,
                Err(error) => return tracing::warn!(method, %error, "a notification cannot be written"),
            };
            if let Err(error) = self.peer.send_notification(notification).await {
                tracing::debug!(method, %error, "the client is gone");
            }
        })
    }

    fn request(&self, method: &'static str, params: Value) -> BoxFuture<'_, Result<Value, Problem>> {
        Box::pin(async move {
            let garbled = |error: serde_json::Error| Problem::new("client", format!("{method}: {error}"));
            let request: theirs::ServerRequest = serde_json::from_value(json!({ "method": method, "params": params })).map_err(garbled)?;
            let answer = self.peer.send_request(request).await;
            let answer = answer.map_err(|error| Problem::new("client", format!("{method}: {error}")))?;
            serde_json::to_value(answer).map_err(garbled)
        })
    }
}
