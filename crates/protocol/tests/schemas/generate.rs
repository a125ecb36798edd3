//! Type → `schemas/NAME.json`. With `AGENTBUS_BLESS=1` the files are written, else compared.

use std::{env, fs, path::PathBuf};

use protocol::{VERSION, schema};
use schemars::{Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::{Map, Value, json};

use crate::types;

/// RFC 3339 as the types read it: at most nanoseconds, in the years 1000 to 2999. Others are slips, and
/// the types' own range ends before the year 9999 does.
const TIMESTAMP: &str = r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$";

/// The largest integer that every JSON reader keeps exactly (RFC 7493): 2^53 - 1.
const MAX_INTEGER: u64 = (1 << 53) - 1;

pub(crate) fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "schemas"].iter().collect()
}

fn generate(wire: &types::Wire) -> Value {
    let settings =
        SchemaSettings::draft2020_12().with_transform(RecursiveTransform(plain_enum)).with_transform(RecursiveTransform(exact_rules));
    let mut schema = (wire.schema)(settings.into_generator());
    schema.insert("$id".to_owned(), format!("urn:agentbus:schema:{VERSION}:{}", wire.name).into());
    schema.to_value()
}

/// One `enum` in place of a choice between constants: a refusal then names the words that would do.
fn plain_enum(schema: &mut Schema) {
    let Some(Value::Array(choices)) = schema.get("oneOf") else { return };
    let word = |choice: &Value| Some((choice.get("const")?.as_str()?.to_owned(), choice.get("description")?.as_str()?.to_owned()));
    let Some(words) = choices.iter().map(word).collect::<Option<Vec<_>>>() else { return };
    let mut description = schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    for (word, meaning) in &words {
        description += &format!("\n- `{word}`: {meaning}");
    }
    schema.remove("oneOf");
    schema.insert("type".to_owned(), "string".into());
    schema.insert("enum".to_owned(), words.into_iter().map(|(word, _)| word).collect());
    schema.insert("description".to_owned(), description.into());
}

/// Formats that only say how Rust stores a number become limits that any validator checks, and
/// a time is held to the spellings that the types read.
fn exact_rules(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    match object.get("format").and_then(Value::as_str) {
        Some("uint32") => limit(object, u64::from(u32::MAX)),
        Some("uint64") => limit(object, MAX_INTEGER),
        Some("double") => drop(object.remove("format")),
        Some("date-time") => drop(object.insert("pattern".to_owned(), TIMESTAMP.into())),
        _ => {}
    }
}

fn limit(object: &mut Map<String, Value>, maximum: u64) {
    object.remove("format");
    object.entry("maximum").or_insert_with(|| json!(maximum));
}

#[test]
fn every_schema_file_is_what_its_type_says() {
    for wire in types::ALL {
        let generated = generate(wire);
        let path = folder().join(format!("{}.json", wire.name));
        if env::var_os("AGENTBUS_BLESS").is_some_and(|value| value == "1") {
            fs::write(&path, format!("{generated:#}\n")).unwrap();
            continue;
        }
        let committed: Value = serde_json::from_str(schema::text(wire.name).unwrap()).unwrap();
        assert_eq!(committed, generated, "schemas/{}.json is not what the type says: run the tests once with AGENTBUS_BLESS=1", wire.name);
    }
}
