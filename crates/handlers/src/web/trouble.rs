//! What is made of an answer that is none: a status, or an error of the connection.
//!
//! Pure. What may pass is worth another try, and what would be refused again is not. Whatever the other side said is quoted in a few
//! words; who calls takes the secrets out of it.

use std::{error::Error as _, time::Duration};

use agentbus::Fault;
use jiff::Timestamp;
use reqwest::{StatusCode, header::HeaderMap};

/// How much of what the other side said a message quotes, in characters.
const QUOTED: usize = 300;

/// Who is on the other side: it decides which codes a failure has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// A model.
    Model,
    /// A web hook.
    Endpoint,
}

/// When the other side wants to be asked again, if it says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retry {
    pub(crate) after: Option<Duration>,
}

/// A failure, and when to come again.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) fault: Fault,
    pub(crate) retry: Retry,
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self { fault, retry: Retry::default() }
    }
}

impl Side {
    /// What is made of a status that is no success. `body` holds no secrets any more.
    pub(crate) fn refused(self, status: StatusCode, headers: &HeaderMap, body: &str) -> Trouble {
        let said = quoted(body);
        let message = |what: &str| match said.as_str() {
            "" => format!("{} {what} (HTTP {})", self.called(), status.as_u16()),
            said => format!("{} {what} (HTTP {}): {said}", self.called(), status.as_u16()),
        };
        let (retry, code, what) = match (status.as_u16(), self) {
            (300..=399, _) => (false, "redirected", "sends elsewhere, and is not followed"),
            (429 | 529, Self::Model) => (true, "model_busy", "is busy"),
            (425 | 429, Self::Endpoint) => (true, "endpoint_busy", "is busy"),
            (408 | 504, Self::Model) => (true, "model_timeout", "timed out"),
            (408 | 504, Self::Endpoint) => (true, "endpoint_timeout", "timed out"),
            (500..=599, Self::Model) => (true, "model_unavailable", "fails"),
            (500..=599, Self::Endpoint) => (true, "endpoint_unavailable", "fails"),
            (401 | 403, Self::Model) => (false, "bad_key", "refuses the key"),
            (404, Self::Model) => (false, "no_such_model", "is not known there"),
            (_, Self::Model) => (false, "model_refused", "refuses the request"),
            (_, Self::Endpoint) => (false, "endpoint_refused", "refuses the query"),
        };
        let fault = if retry { Fault::retry(code, message(what)) } else { Fault::fail(code, message(what)) };
        let after = if retry { after(headers, Timestamp::now()) } else { None };
        let fault = fault.with("status", status.as_u16());
        let fault = after.map_or(fault.clone(), |after| fault.with("retry_after_ms", u64::try_from(after.as_millis()).unwrap_or(u64::MAX)));
        Trouble { fault, retry: Retry { after } }
    }

    /// What came is not right. A model may do better next time; a program would say the same again.
    pub(crate) fn malformed(self, why: &str) -> Fault {
        let message = format!("{}'s response is not right: {}", self.called(), quoted(why));
        match self {
            Self::Model => Fault::retry("bad_response", message),
            Self::Endpoint => Fault::fail("bad_response", message),
        }
    }

    /// Nothing came for too long.
    pub(crate) fn stalled(self, stall: Duration) -> Fault {
        Fault::retry("stalled", format!("{} said nothing for {stall:?}", self.called()))
    }

    pub(crate) const fn called(self) -> &'static str {
        match self {
            Self::Model => "the model",
            Self::Endpoint => "the endpoint",
        }
    }
}

/// The other side cannot be reached, or left in the middle.
pub(crate) fn unreachable(side: Side, error: &reqwest::Error) -> Fault {
    let code = match (side, error.is_timeout()) {
        (_, _) if error.is_builder() => return Fault::fail("bad_request", format!("no request can be made: {}", because(error))),
        (Side::Model, true) => "model_timeout",
        (Side::Model, false) => "model_unavailable",
        (Side::Endpoint, true) => "endpoint_timeout",
        (Side::Endpoint, false) => "endpoint_unavailable",
    };
    let what = if error.is_connect() { "cannot be reached" } else { "broke off" };
    Fault::retry(code, format!("{} {what}: {}", side.called(), because(error)))
}

/// The innermost reason, which is the one that says something; an address, which may hold a key, is left out.
pub(crate) fn because(error: &reqwest::Error) -> String {
    let mut reason = error.source();
    while let Some(deeper) = reason.and_then(std::error::Error::source) {
        reason = Some(deeper);
    }
    reason.map_or_else(
        || if error.is_timeout() { "it took too long".to_owned() } else { "no reason is given".to_owned() },
        ToString::to_string,
    )
}

/// The first words, on one line.
pub(crate) fn quoted(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(QUOTED).collect()
}

/// When to come again: `retry-after-ms`, or `retry-after` in seconds or as a date.
fn after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(ms) = text("retry-after-ms").and_then(|ms| ms.parse().ok()) {
        return Some(Duration::from_millis(ms));
    }
    let text = text("retry-after")?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[rstest::rstest]
    #[case(Side::Model, 429, "model_busy", true)]
    #[case(Side::Model, 529, "model_busy", true)]
    #[case(Side::Model, 500, "model_unavailable", true)]
    #[case(Side::Model, 503, "model_unavailable", true)]
    #[case(Side::Model, 408, "model_timeout", true)]
    #[case(Side::Model, 504, "model_timeout", true)]
    #[case(Side::Model, 400, "model_refused", false)]
    #[case(Side::Model, 413, "model_refused", false)]
    #[case(Side::Model, 401, "bad_key", false)]
    #[case(Side::Model, 403, "bad_key", false)]
    #[case(Side::Model, 404, "no_such_model", false)]
    #[case(Side::Model, 307, "redirected", false)]
    #[case(Side::Endpoint, 408, "endpoint_timeout", true)]
    #[case(Side::Endpoint, 425, "endpoint_busy", true)]
    #[case(Side::Endpoint, 429, "endpoint_busy", true)]
    #[case(Side::Endpoint, 502, "endpoint_unavailable", true)]
    #[case(Side::Endpoint, 404, "endpoint_refused", false)]
    #[case(Side::Endpoint, 302, "redirected", false)]
    fn a_status_is_told_by_whether_it_may_pass(#[case] side: Side, #[case] status: u16, #[case] code: &str, #[case] again: bool) {
        let trouble = side.refused(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), "so\nit is");
        assert_eq!((trouble.fault.code(), trouble.fault.is_retry()), (code, again));
        assert!(format!("{:?}", trouble.fault).contains(": so it is"));
    }

    #[rstest::rstest]
    #[case("retry-after", "7", Some(7_000))]
    #[case("retry-after-ms", "250", Some(250))]
    #[case("retry-after", "Sun, 22 Nov 2026 10:00:30 GMT", Some(30_000))]
    #[case("retry-after", "Sun, 22 Nov 2026 09:00:00 GMT", Some(0))]
    #[case("retry-after", "soon", None)]
    #[case("x-other", "7", None)]
    fn the_other_side_may_say_when_to_come_again(#[case] name: &'static str, #[case] value: &str, #[case] ms: Option<u64>) {
        let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
        assert_eq!(after(&headers, "2026-11-22T10:00:00Z".parse().unwrap()), ms.map(Duration::from_millis));
    }
}
