//! Whether everything that messages refer to is kept: each piece of each attachment, and no other bytes in its place.
//!
//! The store is read after the messages, and a piece is stored before the message that names it. What is missing all
//! the same is looked up once more by itself: while everything was read, the bus ran on.

use std::collections::BTreeMap;

use agentbus::{Attachment, Entry, Message, QueryId};
use jiff::{SignedDuration, Timestamp};
use nats::{Archive, Blobs, Connection};
use protocol::Checksum;
use serde_json::Value;

use super::report::{Finding, Report};
use crate::failure::Failure;

/// How long before its message a piece may have been stored.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// A message that refers to a piece: of which query, where in the ledger, and when it was stored.
type Reference = (QueryId, u64, Timestamp);

/// The pieces that messages refer to, each with the first message that does.
#[derive(Debug, Default)]
pub(super) struct Attached {
    wanted: BTreeMap<(QueryId, Checksum), Reference>,
}

impl Attached {
    /// Notes what a message refers to.
    pub(super) fn hear(&mut self, entry: &Entry) {
        let (attachments, at): (&[Attachment], _) = match &entry.body {
            Ok(Message::Query(query)) => (&query.attachments, None),
            Ok(Message::Answer(answer)) => (&answer.attachments, answer.result_at.as_ref()),
            _ => return,
        };
        for attachment in attachments.iter().chain(at) {
            let Some(record) = attachment.record else { continue };
            for piece in &attachment.pieces {
                self.wanted.entry((record, *piece)).or_insert((entry.subject.id(), entry.seq, entry.time));
            }
        }
    }

    /// Reads the store, and reports what is missing or damaged.
    pub(super) async fn judge(mut self, connection: &Connection, now: Timestamp, report: &mut Report) -> Result<(), Failure> {
        let store = Blobs::of(connection.clone());
        let mut damaged = Vec::new();
        store
            .verify(true, |piece| {
                report.pieces += 1;
                self.wanted.remove(&(piece.id, piece.checksum));
                if !piece.is_intact {
                    damaged.push(piece);
                }
            })
            .await?;
        damaged.iter().for_each(|piece| report.add(Finding::damaged(piece)));
        let keep = match connection.stream(&connection.space().blobs()).await? {
            Some(described) => described.config.get("max_age").and_then(Value::as_i64).filter(|age| *age > 0),
            None => None,
        };
        for ((record, piece), (id, seq, time)) in self.wanted {
            let is_expired = keep.is_some_and(|keep| now.duration_since(time) + AHEAD >= SignedDuration::from_nanos(keep));
            if is_expired || store.get(record, &piece).await?.is_some() {
                continue;
            }
            if Archive::of(connection.clone()).read(record).await?.erased().is_none() {
                report.add(Finding::no_piece(id, seq, piece));
            }
        }
        Ok(())
    }
}
