//! The content of a query, by which a repetition is told from a conflict.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
};

use protocol::{Invalid, Message, To};

/// A digest of a query's content: the parsed body with its `to`. Same content under the same
/// id is the same query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Content(u64);

impl Content {
    /// The content of a query that was sent to `to` with this body.
    #[must_use]
    pub fn of(to: &To, body: &Result<Message, Invalid>) -> Self {
        let mut hasher = DefaultHasher::new();
        to.hash(&mut hasher);
        match body {
            // Equal bodies are written equally: the fields in one order, the others by their keys.
            Ok(message) => drop(serde_json::to_writer(Hashing(&mut hasher), message)),
            Err(invalid) => (&invalid.pointer, &invalid.reason).hash(&mut hasher),
        }
        Self(hasher.finish())
    }
}

/// Hashes what is written.
struct Hashing<'a>(&'a mut DefaultHasher);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
