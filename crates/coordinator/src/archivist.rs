//! Moving what is over from the ledger to the archive, and asking the archive about an id.
//!
//! Owns one order: every message is written there and acknowledged, and only then removed here, up to the last
//! one that was written. So a crash at any point leaves it in one of the two, or in both, which is as good.
//! Which ids, and when, the desk decides; it never names one under which anything is open.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use ledger::{Key, Looked, Tombstone, ranges};
use nats::{Archive, Connection, Error, Kind, Packed};
use protocol::QueryId;

use crate::crash;

/// The pause after a failure, before the desk is told and tries again.
const PAUSE: Duration = Duration::from_secs(1);

/// Moves what stands under an id up to a sequence. Returns whether the ledger holds nothing more of it. That the archive
/// `is_full` is said once, and not of each record.
pub(crate) async fn archive(connection: &Connection, id: QueryId, upto: u64, is_full: &AtomicBool) -> bool {
    let shelved = shelve(connection, id, upto).await;
    let full = shelved.as_ref().is_err_and(|error| error.kind() == Kind::StorageFull);
    let was_full = is_full.swap(full, Relaxed);
    match shelved {
        Ok(()) => return true,
        Err(error) if full && !was_full => {
            tracing::error!(%error, "the archive takes nothing more: records stay in the ledger, which fills");
        }
        Err(error) if full => tracing::debug!(%id, %error, "the archive still takes nothing"),
        Err(error) => tracing::warn!(%id, %error, "a record was not moved to the archive; trying again"),
    }
    tokio::time::sleep(PAUSE).await;
    false
}

async fn shelve(connection: &Connection, id: QueryId, upto: u64) -> Result<(), Error> {
    let archive = Archive::of(connection.clone());
    let mut packing = archive.packing(id);
    let (mut next, mut last) = (Some(1), None);
    crash::point("archive.packed");
    while let Some(from) = next {
        let (pages, then) = connection.some_pages(id, from, upto).await?;
        next = then;
        last = pages.last().map(|page| page.seq).or(last);
        let seqs: Vec<u64> = pages.iter().map(|page| page.seq).collect();
        if let Packed::Erased(tombstone) = packing.add(pages).await? {
            let tombstone = Tombstone { sequences: ranges(seqs.iter().copied()), ..tombstone };
            archive.bury(id, tombstone).await?;
            archive.erase(id, &seqs).await?;
            // Nothing of it is left here but what comes after these.
            last = None;
        }
    }
    crash::point("archive.written");
    // Nothing is there where another coordinator has moved it.
    if let Some(last) = last {
        archive.remove_from_ledger(id, last).await?;
    }
    crash::point("archive.purged");
    Ok(())
}

/// What the archive knows of a query's id.
pub(crate) async fn look_up(connection: &Connection, key: &Key) -> Looked {
    match Archive::of(connection.clone()).look(key.id).await {
        Ok(looked) => looked,
        Err(error) => {
            tracing::warn!(id = %key.id, %error, "the archive cannot be asked whether an id was used before; the query waits");
            tokio::time::sleep(PAUSE).await;
            Looked::Unknown
        }
    }
}
