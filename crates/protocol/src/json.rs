//! Bytes → JSON, strictly: whoever reads a body must find the same in it.
//!
//! JSON leaves three things to the reader: which of two equal keys counts, how deep a body may
//! nest, and whether `1.0` is `1`. This file decides them and knows nothing of messages.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The largest number up to which every integer is exactly a double: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Reads bytes that nest at most `room` levels deep; the parser's own limit is 127.
pub(crate) fn read(bytes: &[u8], room: usize) -> serde_json::Result<Value> {
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { room }.deserialize(&mut parser)?;
    parser.end()?;
    Ok(value)
}

/// Whether a value nests at most `room` levels deep.
pub(crate) fn fits(value: &Value, room: usize) -> bool {
    match value {
        Value::Array(items) => room > 0 && items.iter().all(|item| fits(item, room - 1)),
        Value::Object(entries) => room > 0 && entries.values().all(|entry| fits(entry, room - 1)),
        _ => true,
    }
}

/// A reader with so many levels left.
#[derive(Clone, Copy)]
struct Strict {
    room: usize,
}

impl Strict {
    fn inside<E: Error>(self) -> Result<Self, E> {
        self.room.checked_sub(1).map(|room| Self { room }).ok_or_else(|| E::custom("nested too deeply"))
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        // To JSON and its schemas 1.0 is the integer 1; to a Rust integer it is an error.
        let whole = number.fract() == 0.0 && number.abs() <= EXACT;
        Ok(if whole { (number as i64).into() } else { number.into() })
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inside)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                let key: String = key.chars().take(80).collect();
                return Err(A::Error::custom(format_args!("the key {key:?} stands twice in one object")));
            }
            let value = entries.next_value_seed(inside)?;
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn why(text: &str) -> String {
        read(text.as_bytes(), 64).unwrap_err().to_string()
    }

    #[rstest::rstest]
    #[case(r#"{"a":1,"a":1}"#)]
    #[case(r#"{"a":1,"b":2,"\u0061":3}"#)]
    #[case(r#"[{"x":{"a":null,"a":null}}]"#)]
    fn a_key_stands_once_in_an_object(#[case] text: &str) {
        assert!(why(text).contains(r#"the key "a" stands twice"#));
    }

    #[test]
    fn equal_keys_in_different_objects_are_fine() {
        assert!(read(br#"{"a":{"a":[{"a":1},{"a":2}]}}"#, 64).is_ok());
    }

    #[rstest::rstest]
    #[case("1.0", "1")]
    #[case("1e2", "100")]
    #[case("-0.0", "0")]
    #[case("0.5", "0.5")]
    #[case("1e300", "1e+300")]
    #[case("18446744073709551615", "18446744073709551615")]
    fn a_whole_number_is_an_integer(#[case] text: &str, #[case] reads: &str) {
        assert_eq!(read(text.as_bytes(), 64).unwrap().to_string(), reads);
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(nested(64).as_bytes(), 64).is_ok());
        assert!(why(&nested(65)).contains("nested too deeply"));
        assert!(why(&nested(100_000)).contains("nested too deeply"));
        let value = read(nested(64).as_bytes(), 64).unwrap();
        assert!(fits(&value, 64) && !fits(&value, 63), "what is sent is measured as what is read");
    }

    const TOKENS: [&str; 10] = ["{", "}", "[", "]", ",", r#""a":"#, r#""b":"#, " 1.0", " 0.5", " null"];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn it_reads_what_a_plain_reader_reads_but_for_equal_keys(tokens in prop::collection::vec(prop::sample::select(&TOKENS[..]), 1..12)) {
            let text = tokens.concat();
            match (read(text.as_bytes(), 64), serde_json::from_str::<Value>(&text)) {
                (Ok(strict), Ok(plain)) => prop_assert_eq!(strict.to_string().replace(".0", ""), plain.to_string().replace(".0", "")),
                (Err(error), Ok(_)) => prop_assert!(error.to_string().contains("stands twice")),
                (strict, Err(_)) => prop_assert!(strict.is_err()),
            }
        }
    }
}
