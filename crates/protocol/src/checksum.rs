//! The checksum of bytes that stand outside the ledger: SHA-256, and the one spelling of it.
//!
//! Digests of messages and cards, which are compared and never looked up, are made in `digest`.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// How a checksum begins on the wire.
const PREFIX: &str = "sha256:";

/// The SHA-256 of some bytes: `sha256:` and 64 lower-case hexadecimal digits.
///
/// ```
/// use protocol::Checksum;
/// let empty = Checksum::of(b"");
/// assert_eq!(empty.to_string(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
/// assert_eq!(empty.to_string().parse(), Ok(empty));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Checksum([u8; 32]);

/// A text is no checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a checksum is sha256: and 64 hexadecimal digits in lower case")]
pub struct NotChecksum;

impl NotChecksum {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "bad_checksum"
    }
}

/// A checksum in the making, of bytes that come one after the other.
#[derive(Clone, Debug, Default)]
pub struct Summing(Sha256);

impl Summing {
    /// These bytes come next.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all that came.
    #[must_use]
    pub fn finish(self) -> Checksum {
        Checksum(self.0.finalize().into())
    }
}

impl Checksum {
    /// The checksum of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digits alone, which are a plain subject token.
    #[must_use]
    pub fn token(&self) -> String {
        self.0.iter().fold(String::with_capacity(64), |text, byte| text + &format!("{byte:02x}"))
    }

    /// Reads the digits alone.
    ///
    /// # Errors
    /// When they are none.
    pub fn from_token(token: &str) -> Result<Self, NotChecksum> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        if token.len() != 2 * bytes.len() {
            return Err(NotChecksum);
        }
        for (byte, pair) in bytes.iter_mut().zip(token.as_bytes().chunks_exact(2)) {
            let [high, low] = pair else { return Err(NotChecksum) };
            *byte = digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low).ok_or(NotChecksum)?;
        }
        Ok(Self(bytes))
    }
}

impl FromStr for Checksum {
    type Err = NotChecksum;

    fn from_str(text: &str) -> Result<Self, NotChecksum> {
        Self::from_token(text.strip_prefix(PREFIX).ok_or(NotChecksum)?)
    }
}

impl TryFrom<String> for Checksum {
    type Error = NotChecksum;

    fn try_from(text: String) -> Result<Self, NotChecksum> {
        text.parse()
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.token())
    }
}

impl Serialize for Checksum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Checksum {
    fn schema_name() -> Cow<'static, str> {
        "Checksum".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The SHA-256 of some bytes, in lower-case hexadecimal.",
            "type": "string",
            "pattern": "^sha256:[0-9a-f]{64}$",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn checksums_read_back(bytes in any::<Vec<u8>>(), cut in any::<prop::sample::Index>()) {
            let sum = Checksum::of(&bytes);
            prop_assert_eq!(sum.to_string().parse::<Checksum>().unwrap(), sum);
            let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
            let mut summing = Summing::default();
            summing.add(head);
            summing.add(tail);
            prop_assert_eq!(summing.finish(), sum);
        }

        #[test]
        fn whatever_passes_is_one_plain_token(text in "(sha256:)?[0-9a-fA-F.*> ]{60,68}") {
            if let Ok(sum) = text.parse::<Checksum>() {
                prop_assert_eq!(sum.to_string(), text);
                prop_assert!(sum.token().bytes().all(|byte| byte.is_ascii_hexdigit()));
            }
        }
    }
}
