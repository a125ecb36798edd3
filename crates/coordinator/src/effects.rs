//! Carrying out what the desk wants, and telling it what became of it.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use ledger::{Action, Appended, Key};
use nats::{Connection, Expect, Kind, Stored};
use protocol::{Kind as Wire, Message, Subject};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::{archivist, crash, event::Event};

/// The pause after an append that failed for another reason than a refusal.
const PAUSE: Duration = Duration::from_secs(1);

/// Core messages that may wait to be sent. More are dropped, and the fold notices: work is handed
/// over again, and whoever misses an end asks for it.
const OUTBOX: usize = 4096;

/// Carries out actions. None of them holds the loop up.
#[derive(Clone, Debug)]
pub(crate) struct Effects {
    pub(crate) connection: Connection,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) tasks: TaskTracker,
    outbox: mpsc::Sender<Action>,
    /// Whether the archive took nothing more the last time.
    archive_is_full: Arc<AtomicBool>,
}

impl Effects {
    /// Ready to carry actions out in `tasks`.
    pub(crate) fn start(connection: Connection, events: mpsc::Sender<Event>, tasks: TaskTracker) -> Self {
        let (outbox, waiting) = mpsc::channel(OUTBOX);
        tasks.spawn(send(connection.clone(), waiting));
        Self { connection, events, tasks, outbox, archive_is_full: Arc::default() }
    }

    pub(crate) fn perform(&self, action: Action) {
        let this = self.clone();
        match action {
            Action::Append { key, subject, message, expect } => drop(self.tasks.spawn(async move {
                let outcome = this.append(&key, &subject, &message, expect).await;
                let _ = this.events.send(Event::Appended(key, outcome)).await;
            })),
            Action::Archive { id, upto } => drop(self.tasks.spawn(async move {
                let moved = archivist::archive(&this.connection, id, upto, &this.archive_is_full).await;
                let _ = this.events.send(Event::Archived(id, moved)).await;
            })),
            Action::LookUp { key } => drop(self.tasks.spawn(async move {
                let looked = archivist::look_up(&this.connection, &key).await;
                let _ = this.events.send(Event::LookedUp(key, Box::new(looked))).await;
            })),
            Action::Hand { .. } | Action::End { .. } => {
                if self.outbox.try_send(action).is_err() {
                    tracing::warn!("too many messages wait to be sent; one is dropped");
                }
            }
        }
    }

    async fn append(&self, key: &Key, subject: &Subject, message: &Message, last: Option<u64>) -> Appended {
        let [decided, stored] = crash_points(subject.kind());
        crash::point(decided);
        let appended = self.append_once(key, subject, message, last).await;
        crash::point(stored);
        appended
    }

    async fn append_once(&self, key: &Key, subject: &Subject, message: &Message, last: Option<u64>) -> Appended {
        let filter = || self.connection.space().guard(key.id, &key.requester);
        let expect = last.filter(|_| !crash::without("compare-and-set")).map(|last| Expect { filter: filter(), last });
        match self.connection.append(subject, message, expect.as_ref()).await {
            Ok(Stored::At(seq)) => Appended::Stored(seq),
            Ok(Stored::Refused) => self.refused(expect.as_ref()).await,
            Err(error) => {
                if error.kind() == Kind::StorageFull {
                    tracing::error!(%error, "the ledger takes nothing more");
                } else {
                    tracing::warn!(id = %key.id, kind = %subject.kind(), %error, "an append has an unknown fate");
                }
                tokio::time::sleep(PAUSE).await;
                Appended::Unknown
            }
        }
    }

    /// Somebody was first; or what was expected has left the ledger, as when this coordinator read a record's
    /// beginning before another one moved it.
    async fn refused(&self, expect: Option<&Expect>) -> Appended {
        let Some(expect) = expect.filter(|expect| expect.last > 0) else { return Appended::Refused };
        match self.connection.is_removed(&expect.filter, expect.last).await {
            Ok(true) => Appended::Gone,
            Ok(false) | Err(_) => Appended::Refused,
        }
    }
}

/// The places before and after an append of this kind.
const fn crash_points(kind: Wire) -> [&'static str; 2] {
    match kind {
        Wire::Assign => ["assign.decided", "assign.stored"],
        Wire::Query => ["part.decided", "part.stored"],
        Wire::Answer => ["gathered.decided", "gathered.stored"],
        _ => ["close.decided", "close.stored"],
    }
}

/// Sends core messages, one after the other.
async fn send(connection: Connection, mut waiting: mpsc::Receiver<Action>) {
    while let Some(action) = waiting.recv().await {
        let is_end = matches!(action, Action::End { .. });
        crash::point(if is_end { "end.signalling" } else { "work.handing" });
        let sent = match &action {
            Action::Hand { agent, instance, order } => connection.hand(agent, instance, order).await,
            Action::End { requester, end } => connection.end(requester, end).await,
            Action::Append { .. } | Action::Archive { .. } | Action::LookUp { .. } => continue,
        };
        if let Err(error) = sent {
            tracing::warn!(%error, "a message was not sent");
        }
        crash::point(if is_end { "end.signalled" } else { "work.handed" });
    }
}
