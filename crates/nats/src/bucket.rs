//! A key-value bucket: made when first used, read whole.

use async_nats::jetstream::kv::{Config, Operation, Store};
use bytes::Bytes;
use futures::StreamExt;

use crate::{Connection, Error, Kind, connect::ANSWER};

/// How many earlier values a bucket keeps for each key.
const HISTORY: i64 = 16;

/// The bytes that a bucket may take: 256 MiB.
const MAX_BYTES: i64 = 256 << 20;

#[derive(Clone)]
pub(crate) struct Bucket(Store);

impl Bucket {
    pub(crate) async fn open(connection: &Connection, name: String, description: &str) -> Result<Self, Error> {
        if let Ok(store) = connection.js.get_key_value(&name).await {
            return Ok(Self(store));
        }
        let config =
            Config { bucket: name, description: description.to_owned(), history: HISTORY, max_bytes: MAX_BYTES, ..Default::default() };
        let made = connection.js.create_key_value(config).await;
        made.map(Self).map_err(|error| Error::new(Kind::Unavailable, error))
    }

    pub(crate) async fn put(&self, key: &str, value: Vec<u8>) -> Result<u64, Error> {
        use async_nats::jetstream::kv::PutErrorKind as Put;
        self.0.put(key, value.into()).await.map_err(|error| match error.kind() {
            Put::InvalidKey => Error::new(Kind::Usage, error),
            _ => Error::new(Kind::Unavailable, error),
        })
    }

    /// Removes a key; returns whether it was there.
    pub(crate) async fn remove(&self, key: &str) -> Result<bool, Error> {
        let there = self.0.get(key).await.map_err(|error| Error::new(Kind::Unavailable, error))?.is_some();
        if there {
            self.0.delete(key).await.map_err(|error| Error::new(Kind::Unavailable, error))?;
        }
        Ok(there)
    }

    /// The current value of every key.
    pub(crate) async fn all(&self) -> Result<Vec<(String, Bytes)>, Error> {
        let unavailable = |error: &dyn std::fmt::Display| Error::new(Kind::Unavailable, error);
        let reading = async {
            // Asked anew each time: the store's own status is the one from when it was opened.
            let info = self.0.stream.get_info().await.map_err(|error| unavailable(&error))?;
            let mut all = Vec::new();
            // A watch of an empty bucket says nothing, not even that it is empty.
            if info.state.messages == 0 {
                return Ok(all);
            }
            let mut watch = self.0.watch_with_history(">").await.map_err(|error| unavailable(&error))?;
            while let Some(entry) = watch.next().await {
                let entry = entry.map_err(|error| unavailable(&error))?;
                if entry.operation == Operation::Put {
                    all.push((entry.key, entry.value));
                }
                if entry.delta == 0 {
                    break;
                }
            }
            Ok(all)
        };
        tokio::time::timeout(ANSWER, reading).await.map_err(|_| unavailable(&"no answer within 5 s"))?
    }
}
