//! What is made of what an endpoint says of itself: which errors may pass, and which would come again. Secrets are taken out of what
//! is quoted.
//!
//! Pure.

use reqwest::{StatusCode, header::HeaderMap};
use serde_json::Value;

use crate::web::{Secrets, Side, Trouble};

/// An error event in the middle of a stream: the status with which the same would have been refused before it.
pub(super) fn said(body: &Value, secrets: &Secrets) -> Trouble {
    let error = body.get("error").filter(|error| error.is_object()).unwrap_or(body);
    let word = |field: &str| error.get(field).and_then(Value::as_str).unwrap_or_default();
    let status = match (word("type"), word("code")) {
        ("overloaded_error" | "rate_limit_error", _) | (_, "rate_limit_exceeded") => StatusCode::TOO_MANY_REQUESTS,
        ("authentication_error" | "permission_error" | "billing_error", _) | (_, "invalid_api_key") => StatusCode::UNAUTHORIZED,
        ("not_found_error", _) | (_, "model_not_found") => StatusCode::NOT_FOUND,
        ("invalid_request_error" | "request_too_large", _) => StatusCode::BAD_REQUEST,
        ("timeout_error", _) => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Side::Model.refused(status, &HeaderMap::new(), &message(&secrets.hide_in(body.clone()).to_string()))
}

/// The words in an error's body, where they can be found.
pub(super) fn message(body: &str) -> String {
    let value: Value = serde_json::from_str(body).unwrap_or_default();
    let places = ["/error/message", "/message", "/error"];
    places.into_iter().find_map(|place| value.pointer(place)?.as_str()).map_or_else(|| body.to_owned(), str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[rstest::rstest]
    #[case(json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } }), "model_busy", true)]
    #[case(json!({ "message": "slow down", "code": "rate_limit_exceeded" }), "model_busy", true)]
    #[case(json!({ "message": "oh", "type": "server_error" }), "model_unavailable", true)]
    #[case(json!({ "error": "out of memory" }), "model_unavailable", true)]
    #[case(json!({ "error": { "type": "authentication_error", "message": "x" } }), "bad_key", false)]
    #[case(json!({ "error": { "type": "invalid_request_error", "message": "x" } }), "model_refused", false)]
    fn an_error_in_a_stream_is_told_by_its_type(#[case] body: Value, #[case] code: &str, #[case] again: bool) {
        let fault = said(&body, &Secrets::default()).fault;
        assert_eq!((fault.code(), fault.is_retry()), (code, again));
    }

    #[test]
    fn a_key_is_hidden_before_its_error_is_written_as_json() {
        let (folder, key) = (tempfile::tempdir().unwrap(), "a \"quoted\" key");
        std::fs::write(folder.path().join("key"), key).unwrap();
        let mut secrets = Secrets::default();
        assert!(secrets.key(&roster::KeySource::File("key".into()), folder.path()).is_ok());
        let fault = said(&json!({ "error": { "detail": key } }), &secrets).fault;
        assert!(format!("{fault:?}").contains("[redacted]"), "{fault:?}");
    }

    #[test]
    fn the_words_are_found() {
        assert_eq!(message("{\"error\":{\"message\":\"no\"}}"), "no");
        assert_eq!(message("{\"error\":\"no\"}"), "no");
        assert_eq!(message("<html>"), "<html>");
    }
}
