//! Hostile bytes into the one place where bytes become a message: an error, or a message that
//! holds; never a panic.

use std::sync::LazyLock;

use proptest::{
    prelude::*,
    sample::{Index, select},
};
use protocol::{Kind, Message, Name, schema};
use serde_json::{Value, json};

use crate::{examples, types};

/// Every valid body, with its kind and writer.
static ALL: LazyLock<Vec<(Kind, Name, String)>> = LazyLock::new(|| {
    let of = |kind| examples::bodies(kind).into_iter().map(move |(from, body)| (kind, from, body.to_string()));
    Kind::ALL.into_iter().flat_map(of).collect()
});

fn keyword(kind: Kind, from: &Name, bytes: &[u8]) -> Option<String> {
    Message::parse(kind, from, bytes).err().map(|error| error.keyword)
}

/// Whatever is read is written so that it reads as the same again.
fn holds(kind: Kind, from: &Name, bytes: &[u8]) {
    if let Ok(message) = Message::parse(kind, from, bytes) {
        assert_eq!(Message::parse(kind, from, &message.to_bytes()), Ok(message));
    }
}

#[test]
fn a_body_that_is_cut_off_is_refused() {
    for (kind, from, body) in &*ALL {
        for end in 0..body.len() {
            assert_eq!(keyword(*kind, from, &body.as_bytes()[..end]).as_deref(), Some("json"), "{kind} cut at {end}");
        }
    }
}

#[test]
fn bytes_that_are_no_json_are_refused() {
    for (kind, from, body) in &*ALL {
        let with = |extra: &[u8], at: usize| {
            let mut bytes = body.clone().into_bytes();
            bytes.splice(at..at, extra.iter().copied());
            keyword(*kind, from, &bytes)
        };
        let cases = [
            with(b"\xef\xbb\xbf", 0),
            with(b"\xff", 2),
            with(b"\0", 2),
            with(b",", 1),
            with(b"}", body.len()),
            with(body.as_bytes(), body.len()),
        ];
        assert!(cases.iter().all(|keyword| keyword.as_deref() == Some("json")), "{kind}: {cases:?}");
    }
}

#[test]
fn a_value_that_is_no_json_is_refused() {
    let long = "9".repeat(100_000);
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let (open, objects) = ("[".repeat(10_000), r#"{"a":"#.repeat(10_000));
    let values =
        ["NaN", "Infinity", "1e999", "-1e999", "01", ".5", "'x'", r#""\ud800""#, r#""\x""#, "\"a\nb\"", "", &long, &deep, &open, &objects];
    for (kind, from, body) in &*ALL {
        for value in values {
            let body = body.replacen('{', &format!(r#"{{"x_value":{value},"#), 1);
            assert_eq!(keyword(*kind, from, body.as_bytes()).as_deref(), Some("json"), "{kind}: {value:.20}");
        }
    }
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    for (kind, from, body) in &*ALL {
        let value: Value = serde_json::from_str(body).unwrap();
        for key in value.as_object().unwrap().keys() {
            let twice = body.replacen('{', &format!(r#"{{"{key}":{},"#, value[key]), 1);
            let error = Message::parse(*kind, from, twice.as_bytes()).unwrap_err();
            assert_eq!(error.keyword, "json");
            assert!(error.reason.contains(&format!("{key:?} stands twice")), "{}", error.reason);
        }
    }
}

#[test]
fn another_value_than_an_object_is_refused() {
    for (kind, from, _) in &*ALL {
        for body in ["null", "true", "1", "\"text\"", "[]", "[{}]"] {
            assert_eq!(keyword(*kind, from, body.as_bytes()).as_deref(), Some("type"), "{kind}: {body}");
        }
        assert_eq!(keyword(*kind, from, b"{}").as_deref(), Some("required"), "{kind}");
    }
}

#[test]
fn the_deepest_body_still_reads_within_a_record() {
    let nested = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    let from: Name = "alice".parse().unwrap();
    let body = |depth| json!({"requesting_agent": "alice", "request_type": "x", "payload": {"query": "y", "z": nested(depth)}}).to_string();
    assert!(Message::parse(Kind::Query, &from, body(schema::MAX_DEPTH - 2).as_bytes()).is_ok());
    assert_eq!(keyword(Kind::Query, &from, body(schema::MAX_DEPTH - 1).as_bytes()).as_deref(), Some("json"));

    let deepest: Value = schema::body(body(schema::MAX_DEPTH - 2).as_bytes()).unwrap();
    let mut record = examples::load("valid").into_iter().find(|example| example.name == "record").unwrap().json();
    record["query"] = deepest.clone();
    record["messages"][0]["body"] = deepest;
    let record = schema::json(record.to_string().as_bytes()).unwrap();
    assert_eq!((types::named("record").reread)(&record), Ok(record));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(5_000) })]

    #[test]
    fn random_bytes_never_panic(kind in select(&Kind::ALL[..]), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        holds(kind, &Name::coordinator(), &bytes);
    }

    #[test]
    fn a_body_with_random_bytes_in_it_never_panics(which in any::<Index>(), noise in prop::collection::vec((any::<Index>(), any::<u8>()), 1..6)) {
        let (kind, from, body) = which.get(&ALL);
        let mut bytes = body.clone().into_bytes();
        for (place, byte) in noise {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        holds(*kind, from, &bytes);
    }

    #[test]
    fn random_json_never_panics(kind in select(&Kind::ALL[..]), tokens in prop::collection::vec(select(&["{", "}", "[", "]", ":", ",", "\"agent\"", "\"a\"", "1", "-", "null", "\\"][..]), 0..40)) {
        holds(kind, &Name::coordinator(), tokens.concat().as_bytes());
    }
}
