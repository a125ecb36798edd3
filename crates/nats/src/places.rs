//! How far each named watcher has come: a bucket with one place for each name of each requester.
//!
//! A place changes under compare-and-set, so that of two watchers with one name the earlier notices the later.

use bytes::Bytes;
use protocol::Name;

use crate::{Connection, Error, bucket::Bucket, election::elected};

/// The bytes that all places may take, with their history: 8 MiB.
const MAX_BYTES: i64 = 8 << 20;

/// What watchers of one requester have kept. Others' places are out of its reach, and may be out of its rights.
#[derive(Clone)]
pub struct Places {
    bucket: Bucket,
    owner: Name,
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places").field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl Places {
    /// Opens the store for a requester; makes it if there is none.
    ///
    /// # Errors
    /// `unavailable`, `storage_full`.
    pub async fn open(connection: &Connection, owner: &Name) -> Result<Self, Error> {
        let bucket = Bucket::open(connection, connection.space().watchers(), "places of watchers", MAX_BYTES).await?;
        Ok(Self { bucket, owner: owner.clone() })
    }

    /// The place of a watcher and its revision, if it has one. Waits while nobody leads yet what was made a moment
    /// ago on a cluster.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn begin(&self, watcher: &Name) -> Result<Option<(Bytes, u64)>, Error> {
        elected(|| self.get(watcher)).await
    }

    /// The place of a watcher and its revision, if it has one.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn get(&self, watcher: &Name) -> Result<Option<(Bytes, u64)>, Error> {
        self.bucket.entry(&self.key(watcher)).await
    }

    /// Sets a place whose revision is this one (0: there is none). Returns the new revision; none if another has
    /// changed it meanwhile.
    ///
    /// # Errors
    /// `unavailable`: nobody knows; `storage_full`.
    pub async fn set(&self, watcher: &Name, place: Vec<u8>, revision: u64) -> Result<Option<u64>, Error> {
        self.bucket.update(&self.key(watcher), place, revision).await
    }

    /// Forgets a watcher; returns whether it had a place.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn forget(&self, watcher: &Name) -> Result<bool, Error> {
        self.bucket.remove(&self.key(watcher)).await
    }

    fn key(&self, watcher: &Name) -> String {
        format!("{}.{}", self.owner.token(), watcher.token())
    }
}
