//! Who calls a tool: how it is told what happens meanwhile, and whether it still wants to know. It never decides what a
//! call that was given up means for the bus.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use agentbus::{Problem, protocol::Extra};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// How long a client may take to take a notification. One that reads nothing for so long is told no more.
const TELLING: Duration = Duration::from_secs(30);

/// How long a client may take to answer a request of the server: somebody may have to be asked.
const ANSWERING: Duration = Duration::from_secs(300);

/// The client's side of one call.
pub trait Client: Send + Sync {
    /// Sends a notification. Returns when it is written, so that what is sent one after the other arrives so.
    fn notify(&self, method: &'static str, params: Value) -> BoxFuture<'_, ()>;

    /// Asks the client for something.
    fn request(&self, method: &'static str, params: Value) -> BoxFuture<'_, Result<Value, Problem>>;
}

/// Which session of a client it is: each has one of its own, as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(u64);

impl SessionId {
    /// Another one.
    #[must_use]
    pub fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// Who calls a tool.
pub struct Caller {
    client: Box<dyn Client>,
    /// The session of the call; none where each call stands for itself.
    session: Option<SessionId>,
    /// What the client's progress notifications are to name; none if it wants none.
    token: Option<Value>,
    given_up: CancellationToken,
    steps: AtomicU64,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller").field("token", &self.token).finish_non_exhaustive()
    }
}

impl Caller {
    /// A caller. `session`: the one that calls, if calls belong to any; `token`: what its progress notifications name, if it
    /// wants any; `given_up` fires when it wants no answer.
    #[must_use]
    pub fn new(client: Box<dyn Client>, session: Option<SessionId>, token: Option<Value>, given_up: CancellationToken) -> Self {
        Self { client, session, token, given_up, steps: AtomicU64::new(0) }
    }

    /// The session of the call. None where each call stands for itself, as over HTTP in the revision 2026-07-28.
    #[must_use]
    pub const fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// Fires when the caller wants no answer any more.
    #[must_use]
    pub const fn given_up(&self) -> &CancellationToken {
        &self.given_up
    }

    /// Tells of one step more, if the caller wants to know. Returns when it is written.
    pub async fn progress(&self, message: &str) {
        let Some(token) = &self.token else { return };
        let step = self.steps.fetch_add(1, Ordering::Relaxed) + 1;
        self.notify("notifications/progress", json!({ "progressToken": token, "progress": step, "message": message })).await;
    }

    /// Tells how much of how much is done.
    pub async fn progress_of(&self, done: u64, total: u64, message: &str) {
        let Some(token) = &self.token else { return };
        let params = json!({ "progressToken": token, "progress": done, "total": total, "message": message });
        self.notify("notifications/progress", params).await;
    }

    /// Tells what is done, for the client's log. Only where [`super::About::logging`] says so.
    pub async fn log(&self, level: &str, data: Value) {
        self.notify("notifications/message", json!({ "level": level, "data": data })).await;
    }

    /// Asks the client for something, as for input of its user.
    ///
    /// # Errors
    /// `client` with what the client says, `unavailable` if it says nothing for 5 minutes.
    pub async fn request(&self, method: &'static str, params: Value) -> Result<Extra, Problem> {
        let silent = |_| Problem::new("unavailable", format!("the client has not answered {method}"));
        let answer = tokio::time::timeout(ANSWERING, self.client.request(method, params)).await.map_err(silent)??;
        match answer {
            Value::Object(answer) => Ok(answer),
            other => Err(Problem::new("client", format!("the client's answer is no object: {other}"))),
        }
    }

    async fn notify(&self, method: &'static str, params: Value) {
        if tokio::time::timeout(TELLING, self.client.notify(method, params)).await.is_err() {
            tracing::warn!(method, "the client takes no notification");
        }
    }
}
