//! How far each named watcher has come: a bucket with one place for each name of each requester.
//!
//! A place changes under compare-and-set, so that of two watchers with one name the earlier notices the later.

use bytes::Bytes;
use protocol::Name;

use crate::{Connection, Error, bucket::Bucket, election::elected};

/// The bytes that all places may take, with their history: 8 MiB.
const MAX_BYTES: i64 = 8 << 20;

/// A key that no watcher has.
const PROBE: &str = "probe";

/// The store of places.
#[derive(Clone)]
pub struct Places(Bucket);

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Places")
    }
}

impl Places {
    /// Opens the store; makes it if there is none.
    ///
    /// # Errors
    /// `unavailable`, `storage_full`.
    pub async fn open(connection: &Connection) -> Result<Self, Error> {
        let places = Bucket::open(connection, connection.space().watchers(), "agentbus: places of watchers", MAX_BYTES).await.map(Self)?;
        // On a cluster nobody may lead yet what was made a moment ago.
        elected(|| places.0.entry(PROBE)).await?;
        Ok(places)
    }

    /// The place of a watcher and its revision, if it has one.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn get(&self, owner: &Name, watcher: &Name) -> Result<Option<(Bytes, u64)>, Error> {
        self.0.entry(&key(owner, watcher)).await
    }

    /// Sets a place whose revision is this one (0: there is none). Returns the new revision; none if another has
    /// changed it meanwhile.
    ///
    /// # Errors
    /// `unavailable`: nobody knows; `storage_full`.
    pub async fn set(&self, owner: &Name, watcher: &Name, place: Vec<u8>, revision: u64) -> Result<Option<u64>, Error> {
        self.0.update(&key(owner, watcher), place, revision).await
    }

    /// Forgets a watcher; returns whether it had a place.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn forget(&self, owner: &Name, watcher: &Name) -> Result<bool, Error> {
        self.0.remove(&key(owner, watcher)).await
    }
}

fn key(owner: &Name, watcher: &Name) -> String {
    format!("{}.{}", owner.token(), watcher.token())
}
