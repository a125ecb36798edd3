//! Durations and sizes as people write them.

use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Durations: "15s", "2m", "1h 30m". More than nothing.
pub(super) mod duration {
    use super::{Deserialize, Deserializer, Duration, Serializer, SignedDuration};

    #[allow(clippy::ref_option)] // serde's signature
    pub(in super::super) fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match value.and_then(|value| SignedDuration::try_from(value).ok()) {
            Some(value) => serializer.serialize_some(&format!("{value:#}")),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let wrong = || serde::de::Error::custom(format!("'{text}' is not a duration, as in 15s or 2m"));
        let value: SignedDuration = text.parse().map_err(|_| wrong())?;
        let value = Duration::try_from(value).map_err(|_| wrong())?;
        if value.is_zero() { Err(wrong()) } else { Ok(Some(value)) }
    }
}

/// Sizes in bytes: 65536, "64KiB", "512 MiB", "2GiB". More than nothing.
pub(super) mod size {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a number of bytes, or a size as in 8MiB")]
    enum Size {
        Bytes(u64),
        Text(String),
    }

    #[allow(clippy::ref_option)] // serde's signature
    pub(in super::super) fn serialize<S: Serializer>(value: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        let (bytes, text) = match Option::<Size>::deserialize(deserializer)? {
            None => return Ok(None),
            Some(Size::Bytes(bytes)) => (Some(bytes), bytes.to_string()),
            Some(Size::Text(text)) => (read(&text), text),
        };
        let wrong = || serde::de::Error::custom(format!("'{text}' is not a size, as in 65536 or 8MiB"));
        bytes.filter(|bytes| *bytes > 0).map(Some).ok_or_else(wrong)
    }

    fn read(text: &str) -> Option<u64> {
        let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)];
        let (number, unit) = units.into_iter().find_map(|(name, unit)| Some((text.trim().strip_suffix(name)?, unit)))?;
        number.trim().parse::<u64>().ok()?.checked_mul(unit)
    }
}
