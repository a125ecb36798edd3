//! Digests of what is compared rather than sent: bodies and cards.

use std::fmt::Write;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Card, Message};

/// SHA-256 of a value's compact text, in lower-case hexadecimal. Objects are written in the order
/// of their keys, so equal values have equal digests: also in a program one of whose crates makes serde_json keep
/// the order in which keys came (its feature `preserve_order`).
fn digest(mut value: Value) -> String {
    value.sort_all_objects();
    Sha256::digest(value.to_string().as_bytes()).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Message {
    /// The digest of the body.
    #[must_use]
    pub fn digest(&self) -> String {
        digest(self.to_value())
    }
}

impl Card {
    /// The digest of the card, which heartbeats name.
    #[must_use]
    pub fn digest(&self) -> String {
        // A card came from JSON or from names and texts; it has no part that JSON cannot hold.
        digest(serde_json::to_value(self).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equal_values_have_equal_digests() {
        assert_eq!(digest(json!({"a": 1, "b": [2]})), digest(json!({"b": [2], "a": 1})));
        assert_ne!(digest(json!({"a": 1})), digest(json!({"a": 2})));
        assert_eq!(digest(json!({})).len(), 64);
    }
}
