//! The fact store: one current fact for each key and observer, with history.

use protocol::{Fact, FactKey, Name, schema};

use crate::{Connection, Error, Kind, bucket::Bucket};

/// The bytes that all facts may take, with their history: 32 MiB.
const MAX_BYTES: i64 = 32 << 20;

/// The fact store of a bus.
#[derive(Clone)]
pub struct Facts(Bucket);

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Facts")
    }
}

impl Facts {
    /// Opens the fact store; makes it if there is none.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn open(connection: &Connection) -> Result<Self, Error> {
        Bucket::open(connection, connection.space().facts(), "facts with provenance", MAX_BYTES).await.map(Self)
    }

    /// Records a fact. It takes the place of the same observer's earlier one.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn put(&self, fact: &Fact) -> Result<(), Error> {
        let body = serde_json::to_vec(fact).map_err(|error| Error::new(Kind::Garbled, error))?;
        self.0.put(&place(&fact.observed_by, &fact.key), body).await.map(drop)
    }

    /// The current fact of one observer for a key. What cannot be read as a fact is passed over.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn get(&self, observer: &Name, key: &FactKey) -> Result<Option<Fact>, Error> {
        let place = place(observer, key);
        Ok(self.0.get(&place).await?.and_then(|body| read(&place, &body)))
    }

    /// Withdraws a fact; returns whether there was one.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn remove(&self, observer: &Name, key: &FactKey) -> Result<bool, Error> {
        self.0.remove(&place(observer, key)).await
    }

    /// Every current fact, by key and then observer. What cannot be read as a fact is passed over.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn all(&self) -> Result<Vec<Fact>, Error> {
        let mut facts: Vec<Fact> = self.0.all().await?.iter().filter_map(|(key, body)| read(key, body)).collect();
        facts.sort_by(|a, b| (&a.key, &a.observed_by).cmp(&(&b.key, &b.observed_by)));
        Ok(facts)
    }
}

/// The observer stands first, so that a permission can bind who may write what.
fn place(observer: &Name, key: &FactKey) -> String {
    format!("{}.{key}", observer.token())
}

fn read(place_of: &str, body: &[u8]) -> Option<Fact> {
    let fact: Fact = schema::read("fact", body).ok()?;
    // A fact that stands elsewhere than its observer may write was not recorded by its observer.
    (place(&fact.observed_by, &fact.key) == place_of).then_some(fact)
}
