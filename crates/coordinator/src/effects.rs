//! Carrying out what the desk wants, and telling it what became of it.

use std::time::Duration;

use ledger::{Action, Appended, Key};
use nats::{Connection, Expect, Kind, Stored};
use protocol::{Message, Subject};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::event::Event;

/// The pause after an append that failed for another reason than a refusal.
const PAUSE: Duration = Duration::from_secs(1);

/// Carries out actions. None of them holds the loop up.
#[derive(Clone, Debug)]
pub(crate) struct Effects {
    pub(crate) connection: Connection,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) tasks: TaskTracker,
}

impl Effects {
    pub(crate) fn perform(&self, action: Action) {
        let this = self.clone();
        self.tasks.spawn(async move {
            match action {
                Action::Append { key, subject, message, expect } => {
                    let outcome = this.append(&key, &subject, &message, expect).await;
                    let _ = this.events.send(Event::Appended(key, outcome)).await;
                }
                Action::Hand { agent, instance, order } => {
                    if let Err(error) = this.connection.hand(&agent, &instance, &order).await {
                        tracing::warn!(%agent, %instance, %error, "an order was not sent");
                    }
                }
                Action::End { requester, end } => {
                    if let Err(error) = this.connection.end(&requester, &end).await {
                        tracing::warn!(id = %end.id, %error, "an end was not signalled");
                    }
                    let _ = this.events.send(Event::Ended(Key { id: end.id, requester })).await;
                }
            }
        });
    }

    async fn append(&self, key: &Key, subject: &Subject, message: &Message, last: u64) -> Appended {
        let expect = Expect { filter: self.connection.space().guard(key.id, &key.requester), last };
        match self.connection.append(subject, message, Some(&expect)).await {
            Ok(Stored::At(seq)) => Appended::Stored(seq),
            Ok(Stored::Refused) => Appended::Refused,
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
}
