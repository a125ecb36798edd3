//! The cards of agents that have announced themselves, so that a bus knows an agent that is
//! away from one that never was.

use protocol::{Card, schema};
use sha2::{Digest, Sha256};

use crate::{Connection, Error, Kind, bucket::Bucket};

/// The store of cards.
#[derive(Clone)]
pub struct Cards(Bucket);

impl std::fmt::Debug for Cards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cards")
    }
}

impl Cards {
    /// Opens the store; makes it if there is none.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn open(connection: &Connection) -> Result<Self, Error> {
        Bucket::open(connection, connection.space().agents(), "agentbus: cards of agents").await.map(Self)
    }

    /// Keeps a card.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn put(&self, card: &Card) -> Result<(), Error> {
        let body = serde_json::to_vec(card).map_err(|error| Error::new(Kind::Garbled, error))?;
        self.0.put(&card.agent.token(), body).await.map(drop)
    }

    /// Every card. What cannot be read as one is passed over.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn all(&self) -> Result<Vec<Card>, Error> {
        Ok(self.0.all().await?.iter().filter_map(|(_, body)| schema::read("card", body).ok()).collect())
    }
}

/// The digest of a card, which heartbeats name: SHA-256 in hexadecimal.
#[must_use]
pub fn digest(card: &Card) -> String {
    use std::fmt::Write;
    let body = serde_json::to_vec(card).unwrap_or_default();
    Sha256::digest(&body).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
