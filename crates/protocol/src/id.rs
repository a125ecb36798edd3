//! Ids of queries and of agent instances, each with one constructor.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};
use uuid::{Uuid, fmt::Hyphenated};

/// The id of a query: a UUID in lower case with hyphens. The bus mints version 7; a client may
/// bring any version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct QueryId(Uuid);

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not a lower-case UUID.
    #[error("an id is a UUID in lower case, as in 0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3")]
    NotUuid,
    /// Not a plain token.
    #[error("an instance id has 1 to 64 letters, digits, '_' and '-'")]
    NotToken,
    /// Not the name of a bus.
    #[error("a space has 1 to 32 letters, digits, '_' and '-'")]
    NotSpace,
}

impl IdError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "bad_id"
    }
}

impl QueryId {
    /// Mints an id (UUIDv7, so that ids sort by the time they were made).
    #[must_use]
    pub fn mint() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id of something that follows from what is known already, at that moment: the same for the same source.
    /// It is a UUIDv7 like all that the bus mints.
    #[must_use]
    pub fn derived(at: Timestamp, source: &str) -> Self {
        let digest = Sha256::digest(source);
        let mut random = [0; 10];
        random.iter_mut().zip(digest).for_each(|(byte, drawn)| *byte = drawn);
        let ms = u64::try_from(at.as_millisecond()).unwrap_or_default();
        Self(uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid())
    }

    /// When it was minted, by the clock of whoever did; only version 7 tells.
    #[must_use]
    pub fn minted_at(&self) -> Option<Timestamp> {
        let (seconds, nanos) = self.0.get_timestamp().filter(|_| self.0.get_version_num() == 7)?.to_unix();
        Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanos).ok()?).ok()
    }

    /// The id as a UUID.
    #[must_use]
    pub const fn uuid(&self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for QueryId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl FromStr for QueryId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let uuid = Uuid::try_parse(text).map_err(|_| IdError::NotUuid)?;
        // The parser takes other spellings too; on the wire there is one, or ids would not compare as text.
        let spelled = uuid.hyphenated().encode_lower(&mut [0; Hyphenated::LENGTH]) == text;
        if spelled { Ok(Self(uuid)) } else { Err(IdError::NotUuid) }
    }
}

impl TryFrom<String> for QueryId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl Serialize for QueryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.hyphenated().encode_lower(&mut [0; Hyphenated::LENGTH]))
    }
}

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

impl JsonSchema for QueryId {
    fn schema_name() -> Cow<'static, str> {
        "QueryId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The id of a query: a UUID in lower case.",
            "type": "string",
            "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        })
    }
}

/// The id of one running instance of an agent, or of one coordinator: a plain subject token.
/// Cloning is cheap: all clones share one text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct InstanceId(Arc<str>);

impl InstanceId {
    /// Mints an id that no other instance has.
    #[must_use]
    pub fn mint() -> Self {
        Self(Uuid::now_v7().simple().to_string().into())
    }

    /// The id, which is also its subject token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InstanceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if text.is_empty() || text.len() > 64 || !text.bytes().all(plain) {
            return Err(IdError::NotToken);
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for InstanceId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl Serialize for InstanceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl JsonSchema for InstanceId {
    fn schema_name() -> Cow<'static, str> {
        "InstanceId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The id of one running instance.",
            "type": "string",
            "pattern": "^[A-Za-z0-9_-]{1,64}$",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[rstest::rstest]
    #[case("")]
    #[case("0192F0C1-2D3E-7A4B-8C5D-6E7F8091A2B3")]
    #[case("0192f0c12d3e7a4b8c5d6e7f8091a2b3")]
    #[case("{0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3}")]
    #[case("urn:uuid:0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3")]
    #[case("0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3\n")]
    #[case("*")]
    fn an_id_has_one_spelling(#[case] text: &str) {
        assert_eq!(text.parse::<QueryId>(), Err(IdError::NotUuid));
    }

    proptest! {
        #[test]
        fn ids_read_back(bits in any::<u128>()) {
            let id = QueryId::from(Uuid::from_u128(bits));
            prop_assert_eq!(id.to_string().parse::<QueryId>().unwrap(), id);
        }

        #[test]
        fn whatever_passes_as_an_instance_is_one_plain_token(text in any::<String>()) {
            if let Ok(id) = text.parse::<InstanceId>() {
                prop_assert!(!id.as_str().contains(['.', '*', '>', ' ', '\r', '\n', '\0']));
            }
        }
    }

    #[test]
    fn only_a_version_7_tells_when_it_was_minted() {
        let before = Timestamp::now();
        let minted = QueryId::mint().minted_at().unwrap();
        assert!(minted.duration_since(before).abs() < jiff::SignedDuration::from_secs(60), "{minted} {before}");
        let random: QueryId = "0192f0c1-2d3e-4a4b-8c5d-6e7f8091a2b3".parse().unwrap();
        assert_eq!(random.minted_at(), None);
    }

    #[test]
    fn minted_ids_differ() {
        assert_ne!(QueryId::mint(), QueryId::mint());
        assert!(InstanceId::mint().as_str().parse::<InstanceId>().is_ok());
    }
}
