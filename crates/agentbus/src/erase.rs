//! Erasing: one record out of ledger and archive, for good.

use std::time::Duration;

use jiff::Timestamp;
use protocol::{Name, QueryId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Bus, Error};

/// How long it may take: the server overwrites message by message.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was erased. A tombstone with the same content is left: the id is not given out again while that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// The record's id.
    pub id: QueryId,
    /// When it was erased.
    pub erased_at: Timestamp,
    /// Who wanted it.
    pub by: Name,
    /// How many messages were removed.
    pub messages: usize,
    /// The sequences that they had in the ledger, as ranges with both ends.
    pub sequences: Vec<(u64, u64)>,
}

impl Bus {
    /// Erases the record of a query of this name that has ended, or of a report or notice that it sent. Erasing it again removes
    /// what a crash may have left.
    ///
    /// # Errors
    /// `not_found`, `not_yours`, `open`, `erased` (by somebody else), `no_coordinator`, `unavailable`.
    pub async fn erase(&self, id: QueryId) -> Result<Erased, Error> {
        self.call_within("erase", &json!({ "id": id }), PATIENCE).await
    }
}
