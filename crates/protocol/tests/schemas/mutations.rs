//! Valid examples, changed at random: what the schema accepts the type reads, and what the type
//! writes the schema accepts, but for the rules on values that Rust types do not carry.

use std::cell::Cell;

use proptest::{
    prelude::*,
    sample::{Index, select},
    test_runner::TestRunner,
};
use protocol::schema;
use serde_json::{Value, json};

use crate::{examples, types};

/// Rules that no Rust type carries. `type` and `required` are not among them.
const VALUE_RULES: [&str; 9] = ["pattern", "not", "format", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems"];

/// Values at the edges of some rule.
const VALUES: &str = r#"[
    null, true, 0, 1, 2, -1, -0.0, 1.0, 0.5, 1e20, -1e300, -9223372036854775808, 18446744073709551615,
    4294967295, 4294967296, 9007199254740991, 9007199254740992, 9007199254740993, [], {}, [{}],
    "", "any", "coordinator", "a.b", "a b", "*", "\u0000", "name\n", "é", "low", "completed", "retry", "dead", "query",
    "counted", "stop", "describe", "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3", "2026-11-21T10:00:00Z", "2026-11-21t10:00:00.25+01:00",
    "2026-11-21 10:00Z", "2026-02-30T00:00:00Z", "2026-06-30T23:59:60Z", "9999-12-31T23:59:59Z"
]"#;

/// One change to a body.
#[derive(Clone, Debug)]
enum Change {
    Replace(Value),
    Add(String, Value),
    Drop,
    WrapInList,
    WrapInObject,
    Repeat(usize),
}

fn values() -> impl Strategy<Value = Value> {
    let plain: Vec<Value> = serde_json::from_str(VALUES).unwrap();
    prop_oneof![
        4 => select(plain),
        1 => any::<String>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => prop::collection::vec("[a-z]{0,3}", 0..4).prop_map(Value::from),
    ]
}

/// Any key that stands at the top of some example, and one that no schema knows.
fn keys() -> impl Strategy<Value = String> {
    let mut known: Vec<String> = vec!["x_unknown".to_owned()];
    for example in examples::load("valid") {
        known.extend(example.json().as_object().unwrap().keys().cloned());
    }
    known.sort();
    known.dedup();
    select(known)
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => values().prop_map(Change::Replace),
        2 => (keys(), values()).prop_map(|(key, value)| Change::Add(key, value)),
        2 => Just(Change::Drop),
        1 => Just(Change::WrapInList),
        1 => Just(Change::WrapInObject),
        1 => (2..2000_usize).prop_map(Change::Repeat),
    ]
}

/// The pointers of every value in a body, itself included.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(object) => {
            object.iter().for_each(|(key, value)| places(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found))
        }
        Value::Array(list) => list.iter().enumerate().for_each(|(index, value)| places(value, &format!("{at}/{index}"), found)),
        _ => {}
    }
}

fn apply(body: &mut Value, place: Index, change: Change) {
    let mut found = Vec::new();
    places(body, "", &mut found);
    let at = place.get(&found).as_str();
    let target = body.pointer_mut(at).unwrap();
    match (change, target) {
        (Change::Replace(value), target) => *target = value,
        (Change::Add(key, value), Value::Object(object)) => drop(object.insert(key, value)),
        (Change::WrapInList, target) => *target = json!([target.take()]),
        (Change::WrapInObject, target) => *target = json!({"inner": target.take()}),
        (Change::Repeat(times), Value::String(text)) => *text = text.repeat(times.min(10_000 / text.len().max(1))),
        (Change::Repeat(times), Value::Array(list)) => *list = list.iter().cycle().take(list.len() * times.min(100)).cloned().collect(),
        (Change::Drop, _) => remove(body, at),
        (Change::Add(..) | Change::Repeat(_), _) => {}
    }
}

fn remove(body: &mut Value, at: &str) {
    let Some((parent, last)) = at.rsplit_once('/') else { return };
    match body.pointer_mut(parent).unwrap() {
        Value::Object(object) => drop(object.remove(last)),
        Value::Array(list) => drop(list.remove(last.parse().unwrap())),
        _ => unreachable!("only lists and objects have parts"),
    }
}

#[test]
fn schema_and_type_accept_the_same() {
    let examples: Vec<_> = examples::load("valid").into_iter().map(|example| (types::named(&example.name), example.json())).collect();
    let strategy = (any::<Index>(), prop::collection::vec((any::<Index>(), changes()), 1..4));
    // How often the schema accepted, and how often only the type did.
    let (both, type_only) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20_000) });
    let outcome = runner.run(&strategy, |(which, changes)| {
        let (wire, mut body) = which.get(&examples).clone();
        for (place, change) in changes {
            apply(&mut body, place, change);
        }
        let body = schema::json(body.to_string().as_bytes()).unwrap();
        let written = (wire.reread)(&body);
        if schema::check(wire.name, &body).is_ok() {
            both.set(both.get() + 1);
            let written = written.map_err(|error| TestCaseError::fail(format!("{}: the type refuses {body}: {error}", wire.name)))?;
            prop_assert_eq!(schema::check(wire.name, &written), Ok(()), "{} writes {}", wire.name, &written);
            prop_assert_eq!((wire.reread)(&written), Ok(written), "{}", wire.name);
        } else if let Ok(written) = written
            && let Err(error) = schema::check(wire.name, &written)
        {
            type_only.set(type_only.get() + 1);
            prop_assert!(VALUE_RULES.contains(&error.keyword.as_str()), "{} writes {}: {} ({})", wire.name, written, error, error.keyword);
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(both.get() > 2_000 && type_only.get() > 60, "the changes try too little: {both:?} {type_only:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(5_000) })]

    #[test]
    fn every_time_that_the_schema_accepts_the_type_reads(
        text in "(1[1-9]|2[0-8])[0-9]{2}-(0[0-9]|1[0-3])-[0-3][0-9][Tt ]([01][0-9]|2[0-4]):[0-6][0-9](:[0-5][0-9]|:60)?(\\.[0-9]{0,10})?([Zz]|[+-](0[0-9]|1[0-9]|2[0-5]):[0-6][0-9])?"
    ) {
        let end = json!({"requesting_agent": "alice", "request_type": "x", "payload": {"query": "y"}, "deadline": text});
        if schema::check("query", &end).is_ok() {
            let written = (types::named("query").reread)(&end);
            prop_assert!(written.as_ref().is_ok_and(|written| schema::check("query", written).is_ok()), "{}: {:?}", text, written);
        }
    }
}
