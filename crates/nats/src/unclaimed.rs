//! Pieces of attachments that no record has claimed: of an upload that broke off, or whose query was never posted.
//!
//! Without this they would fill the store until they are past their time, and nobody could free them, since there is no
//! record to erase. A piece is stored a day at most before the message that names it; twice that is waited for, so that
//! such a message has been in the ledger for a day by then. It is the server's clock that counts, which stored them. Whatever
//! is put again meanwhile stays: it has a later sequence. Must never drop a piece of an id of which ledger or archive hold
//! a message, or may hold one.

use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use protocol::QueryId;

use crate::{Archive, Blobs, Error, Piece, blobs::SLACK};

/// Looks for unclaimed pieces, and drops them. It remembers which ids have a record, and asks for each but once.
#[derive(Debug)]
pub struct Unclaimed {
    blobs: Blobs,
    claimed: HashSet<QueryId>,
}

impl Unclaimed {
    /// Of this store.
    #[must_use]
    pub fn new(blobs: Blobs) -> Self {
        Self { blobs, claimed: HashSet::new() }
    }

    /// Drops the pieces under every id that has no record and got its last piece two days ago or earlier. Returns how many
    /// ids that were. `at`: another time than the server's.
    ///
    /// # Errors
    /// `unavailable`, `no_ledger`: some may be left; it may be done again.
    pub async fn sweep(&mut self, at: Option<Timestamp>) -> Result<usize, Error> {
        let now = match at {
            Some(at) => at,
            None => self.blobs.connection().server_time().await?,
        };
        let mut newest = BTreeMap::new();
        self.blobs.verify(false, |piece| note(&mut newest, &piece)).await?;
        self.claimed.retain(|id| newest.contains_key(id));
        let mut dropped = 0;
        for (id, (seq, time)) in newest {
            if !is_old(time, now) || self.is_claimed(id).await? {
                continue;
            }
            self.blobs.erase_upto(id, seq).await?;
            tracing::info!(%id, "attachments were stored, and no query came for them; they are dropped");
            dropped += 1;
        }
        Ok(dropped)
    }

    async fn is_claimed(&mut self, id: QueryId) -> Result<bool, Error> {
        if self.claimed.contains(&id) {
            return Ok(true);
        }
        let connection = self.blobs.connection();
        // The ledger first: what moves meanwhile is then in the archive.
        let is_known = !connection.is_removed(&connection.space().record(id), u64::MAX).await?
            || !Archive::of(connection.clone()).read(id).await?.is_empty();
        if is_known {
            self.claimed.insert(id);
        }
        Ok(is_known)
    }
}

fn note(newest: &mut BTreeMap<QueryId, (u64, Timestamp)>, piece: &Piece) {
    newest.entry(piece.id).and_modify(|last| *last = (*last).max((piece.seq, piece.time))).or_insert((piece.seq, piece.time));
}

fn is_old(time: Timestamp, now: Timestamp) -> bool {
    now.duration_since(time) >= SignedDuration::try_from(SLACK * 2).unwrap_or(SignedDuration::MAX)
}
