//! Bytes → message → bytes. Whatever bytes come: no panic, and what is taken reads back as the same.
//!
//! The first byte chooses the kind (a digit, in the order of `Kind::ALL`); the rest is the body.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::{Kind, Message, Name, schema};
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let kind = Kind::ALL[usize::from(choice.wrapping_sub(b'0')) % Kind::ALL.len()];
    let from = writer(body);
    let message = match Message::parse(kind, &from, body) {
        Ok(message) => message,
        Err(invalid) => {
            assert!(!invalid.keyword.is_empty() && !invalid.reason.is_empty(), "a refusal says why: {invalid:?}");
            assert!(invalid.reason.len() < 64 * 1024, "a refusal is not as long as what it refuses");
            return;
        }
    };
    assert_eq!(message.kind(), kind);
    let sent = message.to_bytes();
    assert_eq!(Message::parse(kind, &from, &sent).as_ref(), Ok(&message), "{}", String::from_utf8_lossy(&sent));
    assert_eq!(schema::check_body(kind.as_str(), &message.to_value()), Ok(()), "what was taken may be sent");
    if let Ok(stranger) = format!("{from}-").parse::<Name>() {
        let taken = Message::parse(kind, &stranger, &sent).is_ok();
        assert_eq!(taken, matches!(kind, Kind::Assign | Kind::Close), "only a coordinator's messages name no writer");
    }
});

/// The writer that the body names, so that more than its name is tried.
fn writer(body: &[u8]) -> Name {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let named = ["requesting_agent", "agent"].iter().find_map(|field| value.get(field)?.as_str()?.parse().ok());
    named.unwrap_or_else(Name::coordinator)
}
