//! The cards of agents that have announced themselves, so that a bus knows an agent that is
//! away from one that never was.

use protocol::{Card, schema};

use crate::{Connection, Error, Kind, bucket::Bucket, election::elected};

/// The bytes that all cards may take, with their history: 16 MiB.
const MAX_BYTES: i64 = 16 << 20;

/// The store of cards.
#[derive(Clone)]
pub struct Cards(Bucket);

impl std::fmt::Debug for Cards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cards")
    }
}

impl Cards {
    /// Opens the store; makes it if there is none. A cluster that is electing is waited for, 20 s at most.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn open(connection: &Connection) -> Result<Self, Error> {
        let open = || Bucket::open(connection, connection.space().agents(), "cards of agents", MAX_BYTES);
        elected(open).await.map(Self)
    }

    /// Keeps a card.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn put(&self, card: &Card) -> Result<(), Error> {
        let body = serde_json::to_vec(card).map_err(|error| Error::new(Kind::Garbled, error))?;
        self.0.put(&card.agent.token(), body).await.map(drop)
    }

    /// Every card. What cannot be read as one is passed over. On a cluster nobody may lead yet what was made a moment
    /// ago: that is waited for, too.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn all(&self) -> Result<Vec<Card>, Error> {
        Ok(elected(|| self.0.all()).await?.iter().filter_map(|(_, body)| schema::read("card", body).ok()).collect())
    }
}
