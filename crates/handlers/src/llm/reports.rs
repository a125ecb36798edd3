//! The answer as it grows, reported in pieces: not too often, not too large, and without what nobody may see.

use std::time::{Duration, Instant};

use agentbus::{Task, protocol::Extra};
use serde_json::Value;

use crate::web::Secrets;

/// The least time between two reports of an answer that grows.
const PAUSE: Duration = Duration::from_millis(250);

/// The largest piece of a report, in characters.
const PIECE: usize = 16 << 10;

/// How much of all turns is reported word for word, in characters; from there on, only how much there is.
const SHOWN: usize = 256 << 10;

/// The longest status, in characters.
const STATUS: usize = 200;

/// Reports on one attempt.
#[derive(Debug)]
pub(super) struct Reports<'a> {
    task: &'a Task,
    secrets: &'a Secrets,
    growing: String,
    shown: usize,
    total: usize,
    last: Instant,
}

impl<'a> Reports<'a> {
    pub(super) fn new(task: &'a Task, secrets: &'a Secrets) -> Self {
        Self { task, secrets, growing: String::new(), shown: 0, total: 0, last: Instant::now() }
    }

    /// The answer grows.
    pub(super) fn grow(&mut self, text: &str) {
        self.total += text.chars().count();
        self.growing.push_str(text);
    }

    /// Reports what has grown, if it is time.
    pub(super) async fn due(&mut self) {
        if self.last.elapsed() >= PAUSE {
            self.turn_over().await;
        }
    }

    /// Reports what is left of a turn. What may begin a secret waits for the next one.
    pub(super) async fn turn_over(&mut self) {
        let settled = self.secrets.settled(&mut self.growing);
        self.report(settled).await;
    }

    /// Reports what is left of the last turn.
    pub(super) async fn end(&mut self) {
        if !self.growing.is_empty() {
            let rest = self.secrets.hide(&std::mem::take(&mut self.growing));
            self.report(rest).await;
        }
    }

    async fn report(&mut self, text: String) {
        if text.is_empty() {
            return;
        }
        self.last = Instant::now();
        let room = SHOWN.saturating_sub(self.shown).min(PIECE);
        let piece: String = text.chars().take(room).collect();
        self.shown += piece.chars().count();
        let cut = piece.len() < text.len();
        let mut fields = Extra::new();
        if !piece.is_empty() {
            fields.insert("_text".to_owned(), piece.into());
        }
        if cut {
            fields.insert("_characters".to_owned(), self.total.into());
        }
        say(self.task, "answering", fields).await;
    }
}

/// Reports something. What cannot be stored just now is not worth the work itself.
pub(super) async fn say(task: &Task, status: &str, fields: Extra) {
    let status: String = status.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(STATUS).collect();
    let fields: Vec<(String, Value)> = fields.into_iter().collect();
    if let Err(error) = task.progress(status, fields).await {
        tracing::warn!(agent = %task.agent(), id = %task.id(), %error, "a progress report is not stored");
    }
}
