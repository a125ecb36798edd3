//! What a command may take.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units::{duration, size};

/// The most that a command may print to its standard output where nothing is said, in bytes: 8 MiB.
pub const DEFAULT_OUTPUT: u64 = 8 << 20;

/// The `limits` of a command: `{time, output, memory}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// How long it may run, as in `90s`. Default: until the query ends.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "duration")]
    pub time: Option<Duration>,
    /// The most that it may print to its standard output, in bytes or as in `8MiB`. Default [`DEFAULT_OUTPUT`].
    #[serde(default, skip_serializing_if = "Option::is_none", with = "size")]
    pub output: Option<u64>,
    /// The address space of each of its processes, in bytes or as in `512MiB`. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "size")]
    pub memory: Option<u64>,
}

impl Limits {
    /// The most that may be printed, in bytes.
    #[must_use]
    pub fn output(&self) -> u64 {
        self.output.unwrap_or(DEFAULT_OUTPUT)
    }

    /// These limits over others: where both say something, these count.
    pub(super) fn over(self, under: Self) -> Self {
        Self { time: self.time.or(under.time), output: self.output.or(under.output), memory: self.memory.or(under.memory) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    fn read(value: Value) -> Result<Limits, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn limits_are_durations_and_sizes() {
        let limits = read(json!({ "time": "90s", "output": "64 KiB", "memory": 1024 })).unwrap();
        assert_eq!(limits, Limits { time: Some(Duration::from_secs(90)), output: Some(65_536), memory: Some(1024) });
        assert_eq!(Limits::default().output(), DEFAULT_OUTPUT);
        assert_eq!(limits.clone().over(Limits::default()), limits);
    }

    #[rstest::rstest]
    #[case(json!({ "output": 0 }), "'0' is not a size")]
    #[case(json!({ "output": "8 MB" }), "'8 MB' is not a size")]
    #[case(json!({ "memory": "99999999999999999GiB" }), "is not a size")]
    #[case(json!({ "memory": [] }), "8MiB")]
    #[case(json!({ "time": "soon" }), "not a duration")]
    #[case(json!({ "cpu": 1 }), "unknown field `cpu`")]
    fn what_is_no_limit_is_refused(#[case] value: Value, #[case] says: &str) {
        let why = read(value).unwrap_err();
        assert!(why.contains(says), "{why}");
    }
}
