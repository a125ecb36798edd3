//! A key-value bucket: made when first used, read whole.

use async_nats::jetstream::{
    consumer::{DeliverPolicy, push},
    context::{CreateStreamError, CreateStreamErrorKind},
    kv::{Config, Store},
};
use bytes::Bytes;
use futures::StreamExt;

use crate::{
    Connection, Error, Kind, append,
    connect::ANSWER,
    ledger::{self, no_room},
};

/// How many earlier values a bucket keeps for each key.
const HISTORY: i64 = 16;

#[derive(Clone)]
pub(crate) struct Bucket {
    store: Store,
    client: async_nats::Client,
}

impl Bucket {
    /// Opens a bucket; makes it, for at most `max_bytes` and with as many copies as the ledger has, if there is none.
    pub(crate) async fn open(connection: &Connection, name: String, what: &str, max_bytes: i64) -> Result<Self, Error> {
        let client = connection.client.clone();
        if let Ok(store) = connection.js.get_key_value(&name).await {
            return Ok(Self { store, client });
        }
        let num_replicas = match ledger::info(connection).await {
            Ok(info) => info.config.num_replicas,
            Err(error) if error.kind() == Kind::NoLedger => 1,
            Err(error) => return Err(error),
        };
        let description = format!("agentbus: {what}");
        let config = Config { bucket: name, description, history: HISTORY, max_bytes, num_replicas, ..Default::default() };
        let made = connection.js.create_key_value(config).await;
        let store = made.map_err(|error| {
            let full = source::<CreateStreamError>(&error).and_then(|error| match error.kind() {
                CreateStreamErrorKind::JetStream(cause) => no_room(what, max_bytes, &cause),
                _ => None,
            });
            full.unwrap_or_else(|| Error::new(Kind::Unavailable, error))
        })?;
        Ok(Self { store, client })
    }

    pub(crate) async fn put(&self, key: &str, value: Vec<u8>) -> Result<u64, Error> {
        use async_nats::jetstream::kv::PutErrorKind as Put;
        self.store.put(key, value.into()).await.map_err(|error| match error.kind() {
            Put::InvalidKey => Error::new(Kind::Usage, error),
            _ if is_full(&error) => Error::new(Kind::StorageFull, error),
            _ => Error::new(Kind::Unavailable, error),
        })
    }

    /// The current value of a key, if there is one.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.store.get(key).await.map_err(|error| Error::new(Kind::Unavailable, error))
    }

    /// The current value of a key with its revision, if there is one.
    pub(crate) async fn entry(&self, key: &str) -> Result<Option<(Bytes, u64)>, Error> {
        let entry = self.store.entry(key).await.map_err(|error| Error::new(Kind::Unavailable, error))?;
        let entry = entry.filter(|entry| entry.operation == async_nats::jetstream::kv::Operation::Put);
        Ok(entry.map(|entry| (entry.value, entry.revision)))
    }

    /// Puts a value if the key's revision still is this one (0: it has none). Returns the new one; none if it is another.
    pub(crate) async fn update(&self, key: &str, value: Vec<u8>, revision: u64) -> Result<Option<u64>, Error> {
        use async_nats::jetstream::kv::{CreateErrorKind as Create, UpdateErrorKind as Update};
        let failed = |error: &(dyn std::error::Error + 'static)| {
            let kind = if is_full(error) { Kind::StorageFull } else { Kind::Unavailable };
            Error::new(kind, error)
        };
        if revision == 0 {
            return match self.store.create(key, value.into()).await {
                Ok(revision) => Ok(Some(revision)),
                Err(error) if error.kind() == Create::AlreadyExists => Ok(None),
                Err(error) => Err(failed(&error)),
            };
        }
        match self.store.update(key, value.into(), revision).await {
            Ok(revision) => Ok(Some(revision)),
            Err(error) if error.kind() == Update::WrongLastRevision => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Removes a key; returns whether it was there.
    pub(crate) async fn remove(&self, key: &str) -> Result<bool, Error> {
        let there = self.get(key).await?.is_some();
        if there {
            self.store.delete(key).await.map_err(|error| Error::new(Kind::Unavailable, error))?;
        }
        Ok(there)
    }

    /// The current value of every key.
    pub(crate) async fn all(&self) -> Result<Vec<(String, Bytes)>, Error> {
        let unavailable = |error: &dyn std::fmt::Display| Error::new(Kind::Unavailable, error);
        let config = push::OrderedConfig {
            name: Some(format!("all-{}", uuid::Uuid::now_v7().simple())),
            deliver_subject: self.client.new_inbox(),
            deliver_policy: DeliverPolicy::LastPerSubject,
            filter_subject: format!("{}>", self.store.prefix),
            ..Default::default()
        };
        let reading = async {
            let consumer = self.store.stream.create_consumer(config).await.map_err(|error| unavailable(&error))?;
            let (name, mut pending) = (consumer.cached_info().name.clone(), consumer.cached_info().num_pending);
            let mut messages = consumer.messages().await.map_err(|error| unavailable(&error))?;
            let mut all = Vec::new();
            while pending > 0 {
                let message =
                    messages.next().await.ok_or_else(|| unavailable(&"the connection is closed"))?.map_err(|error| unavailable(&error))?;
                pending = message.info().map_err(|error| unavailable(&error))?.pending;
                let key = message.subject.strip_prefix(self.store.prefix.as_str()).unwrap_or_default();
                if message.headers.as_ref().is_none_or(|headers| headers.get("KV-Operation").is_none()) {
                    all.push((key.to_owned(), message.payload.clone()));
                }
            }
            // Left alone it would lie on the server for a while, and a busy bus would have hundreds of them.
            let _ = self.store.stream.delete_consumer(&name).await;
            Ok(all)
        };
        tokio::time::timeout(ANSWER, reading).await.map_err(|_| unavailable(&"no answer within 5 s"))?
    }
}

/// Whether a store takes nothing more: an error somewhere below says so.
fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    source::<async_nats::jetstream::Error>(error).is_some_and(|error| append::FULL.contains(&error.error_code()))
}

/// The first error of a kind in a chain of causes.
fn source<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    let mut chain = std::iter::successors(Some(error), |error| error.source());
    chain.find_map(|error| error.downcast_ref())
}
