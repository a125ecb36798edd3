//! What a server says of itself and of a bus's ledger, for whoever looks for a fault.
//!
//! Only reads, and writes nothing anywhere. It reports facts; what is good or bad about them is the
//! caller's business, but for the ledger's settings, which [`crate::Ledger`] judges by the same rule.

use std::time::Duration;

use async_nats::jetstream::{ErrorCode, response::Response, stream::Info};
use jiff::{SignedDuration, Timestamp};
use protocol::Heartbeat;
use serde_json::Value;

use crate::{
    Connection, Error, Kind, Limits,
    ledger::{ALLOWED, config, faults},
};

/// The ledger as its server describes it.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The stream's name.
    pub stream: String,
    /// Every setting that breaks a promise, in words. Empty where all is well.
    pub wrong: Vec<String>,
    /// Messages that are stored.
    pub messages: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// Bytes that the ledger may take, its reserve included; 0 where it has no limit.
    pub allowed: u64,
    /// Whether the reserve is open: the rest is used up.
    pub reserve_open: bool,
    /// Copies that the stream is to have.
    pub replicas: usize,
    /// Copies that are not up to date, by their server's name.
    pub behind: Vec<String>,
    /// How far this machine's clock is ahead of the server's, to about half a round trip. Negative:
    /// it is behind. None where the server does not say the time.
    pub ahead: Option<SignedDuration>,
    /// How long the server took to answer.
    pub took: Duration,
}

/// The time that an answer says. The client library leaves it out of what it reads.
fn said(answer: &Value) -> Option<Timestamp> {
    answer.get("ts")?.as_str()?.parse().ok()
}

impl Connection {
    /// Describes the ledger; none if there is none.
    ///
    /// # Errors
    /// `unavailable`, also where these credentials may not ask; `garbled`.
    pub async fn survey(&self) -> Result<Option<Survey>, Error> {
        let (asked, begun) = (Timestamp::now(), std::time::Instant::now());
        let answer = self.described().await?;
        let took = begun.elapsed();
        let said = said(&answer);
        let info = match serde_json::from_value(answer).map_err(|error| Error::new(Kind::Garbled, error))? {
            Response::Ok::<Info>(info) => info,
            Response::Err { error } if error.error_code() == ErrorCode::STREAM_NOT_FOUND => return Ok(None),
            Response::Err { error } => return Err(Error::new(Kind::Unavailable, error)),
        };
        let middle = asked.checked_add(took / 2).unwrap_or(asked);
        Ok(Some(self.describe(&info, took, said.map(|said| middle.duration_since(said)))))
    }

    /// The server's time.
    ///
    /// # Errors
    /// `unavailable`; `garbled` where it does not say.
    pub(crate) async fn server_time(&self) -> Result<Timestamp, Error> {
        said(&self.described().await?).ok_or_else(|| Error::new(Kind::Garbled, "the server does not say the time"))
    }

    async fn described(&self) -> Result<Value, Error> {
        let asked = self.js.request(format!("STREAM.INFO.{}", self.space().ledger()), &()).await;
        asked.map_err(|error| Error::new(Kind::Unavailable, error))
    }

    fn describe(&self, info: &Info, took: Duration, ahead: Option<SignedDuration>) -> Survey {
        let limits = Limits { replicas: info.config.num_replicas, ..Limits::default() };
        let limit = u64::try_from(info.config.max_bytes).unwrap_or_default();
        let allowed = info.config.metadata.get(ALLOWED).and_then(|bytes| bytes.parse().ok()).unwrap_or(limit);
        let copies = info.cluster.iter().flat_map(|cluster| &cluster.replicas);
        Survey {
            stream: info.config.name.clone(),
            wrong: faults(self, &info.config, &config(self, limits)),
            messages: info.state.messages,
            bytes: info.state.bytes,
            allowed,
            reserve_open: limit > 0 && limit == allowed,
            replicas: info.config.num_replicas,
            behind: copies.filter(|copy| copy.offline || !copy.current).map(|copy| copy.name.clone()).collect(),
            ahead,
            took,
        }
    }

    /// Whether a coordinator shows a sign of life within `limit`, though it may not answer yet: it
    /// sends one every second while it reads the ledger, too.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn coordinator_beats(&self, limit: Duration) -> Result<bool, Error> {
        let mut beats = self.subscribe(self.space().heartbeats()).await?;
        let coordinator = async {
            while let Some(beat) = beats.next().await {
                if beat.body::<Heartbeat>("heartbeat").is_some_and(|beat| beat.agent.is_coordinator()) {
                    return true;
                }
            }
            false
        };
        Ok(tokio::time::timeout(limit, coordinator).await.unwrap_or(false))
    }
}
