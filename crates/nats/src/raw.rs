//! NATS without the bus: the yardstick that the bus is measured against.
//!
//! It is what a program does that uses the client library as it comes: nothing is tuned, checked or
//! routed. It must never be used for the bus itself.

use async_nats::jetstream;
use bytes::Bytes;
use futures::StreamExt;

use crate::{Error, Kind};

/// A connection of the client library with its own defaults.
#[derive(Clone, Debug)]
pub struct Raw {
    client: async_nats::Client,
    js: jetstream::Context,
}

impl Raw {
    /// Connects to `url`.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let client = async_nats::connect(url).await.map_err(unavailable)?;
        Ok(Self { js: jetstream::new(client.clone()), client })
    }

    /// Answers every request on `subject` with its own payload, until the connection ends. Must be
    /// polled to do so.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn echo(&self, subject: String) -> Result<(), Error> {
        let mut requests = self.client.subscribe(subject).await.map_err(unavailable)?;
        while let Some(request) = requests.next().await {
            if let Some(reply) = request.reply {
                self.client.publish(reply, request.payload).await.map_err(unavailable)?;
            }
        }
        Ok(())
    }

    /// One request and its answer.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn request(&self, subject: String, payload: Bytes) -> Result<(), Error> {
        self.client.request(subject, payload).await.map(drop).map_err(unavailable)
    }

    /// Makes a stream on disk that captures `subject`.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn stream(&self, name: String, subject: String) -> Result<(), Error> {
        let config = jetstream::stream::Config { name, subjects: vec![subject], ..Default::default() };
        self.js.create_stream(config).await.map(drop).map_err(unavailable)
    }

    /// One publish that the stream has acknowledged.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn publish(&self, subject: String, payload: Bytes) -> Result<(), Error> {
        self.js.publish(subject, payload).await.map_err(unavailable)?.await.map(drop).map_err(unavailable)
    }
}

fn unavailable(error: impl std::fmt::Display) -> Error {
    Error::new(Kind::Unavailable, error)
}
