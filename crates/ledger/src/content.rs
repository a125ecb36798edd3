//! The content of a query, by which a repetition is told from a conflict.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
};

use protocol::{Invalid, Message, QueryId, To, message::Query};

/// A digest of a query's content: the parsed body with its `to`. Same content under the same
/// id is the same query, whether or not the body names that id, too: who brings one names it, and who posts
/// again what went out without one brings the id that it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Content(u64);

impl Content {
    /// The content of a query that was sent under `id` to `to` with this body.
    #[must_use]
    pub fn of(id: QueryId, to: &To, body: &Result<Message, Invalid>) -> Self {
        let mut hasher = DefaultHasher::new();
        to.hash(&mut hasher);
        match body {
            Ok(Message::Query(query)) if query.id == Some(id) => {
                drop(serde_json::to_writer(Hashing(&mut hasher), &Query { id: None, ..query.clone() }));
            }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_id_is_no_part_of_the_content_and_another_one_is() {
        let [id, other] = [0, 1].map(|n| crate::testing::key(n).id);
        let of = |named: Option<QueryId>, text: &str| {
            let query = Query { id: named, ..Query::new("me".parse().unwrap(), "request", text) };
            Content::of(id, &To::Any, &Ok(Message::Query(query)))
        };
        assert_eq!(of(None, "pay"), of(Some(id), "pay"));
        assert!(of(None, "pay") != of(Some(other), "pay") && of(None, "pay") != of(Some(id), "pay twice"));
    }
}
