//! `schemas/examples`: every example against its schema and its type.

use std::{collections::BTreeSet, fs};

use protocol::{Invalid, Kind, Message, Name, schema};
use serde_json::{Value, json};

use crate::{generate::folder, types};

/// One file of the folder.
pub(crate) struct Example {
    /// The schema it belongs to: the file's name up to its first dot.
    pub(crate) name: String,
    /// The file's name.
    pub(crate) file: String,
    /// What is in it.
    pub(crate) text: String,
}

impl Example {
    pub(crate) fn json(&self) -> Value {
        schema::json(self.text.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", self.file))
    }
}

/// The examples of one folder, in the order of their names.
pub(crate) fn load(kind: &str) -> Vec<Example> {
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        let file = entry.file_name().into_string().unwrap();
        let name = file.split('.').next().unwrap().to_owned();
        Example { name, text: fs::read_to_string(entry.path()).unwrap(), file }
    };
    let mut all: Vec<_> = fs::read_dir(folder().join("examples").join(kind)).unwrap().map(read).collect();
    all.sort_by(|a, b| a.file.cmp(&b.file));
    all
}

/// The valid bodies of one message kind, each with its writer.
pub(crate) fn bodies(kind: Kind) -> Vec<(Name, Value)> {
    let signed = |example: Example| {
        let body = example.json();
        (writer(&body), body)
    };
    load("valid").into_iter().filter(|example| example.name == kind.as_str()).map(signed).collect()
}

/// Who writes a body: a requester, an agent, or else a coordinator.
fn writer(body: &Value) -> Name {
    let named = body.get("requesting_agent").or_else(|| body.get("agent")).and_then(Value::as_str);
    named.map_or_else(Name::coordinator, |name| Name::from_token(&name.replace(".", "=")).unwrap())
}

fn parse(kind: Kind, from: &Name, body: &Value) -> Result<Message, Invalid> {
    Message::parse(kind, from, body.to_string().as_bytes())
}

#[test]
fn every_schema_has_valid_and_invalid_examples() {
    for kind in ["valid", "invalid"] {
        let have: BTreeSet<_> = load(kind).into_iter().map(|example| example.name).collect();
        let want: BTreeSet<_> = schema::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(have, want, "{kind}");
    }
}

#[test]
fn a_valid_example_reads_into_its_type_and_back_without_loss() {
    for example in load("valid") {
        let (body, file) = (example.json(), &example.file);
        assert_eq!(schema::check(&example.name, &body), Ok(()), "{file}");
        assert_eq!((types::named(&example.name).reread)(&body), Ok(body), "{file}");
    }
}

#[test]
fn an_invalid_example_fails_by_the_rule_and_at_the_place_that_it_names() {
    for example in load("invalid") {
        let (case, file) = (example.json(), &example.file);
        let error = schema::check(&example.name, &case["body"]).expect_err(file);
        assert_eq!((&json!(error.keyword), &json!(error.pointer)), (&case["keyword"], &case["pointer"]), "{file}: {}", error.reason);
    }
}

#[test]
fn every_rule_of_the_schemas_has_an_example_that_breaks_it() {
    let mut rules = BTreeSet::new();
    for (_, text) in schema::ALL {
        collect_rules(&serde_json::from_str(text).unwrap(), &mut rules);
    }
    let broken: BTreeSet<_> = load("invalid").iter().map(|example| example.json()["keyword"].as_str().unwrap().to_owned()).collect();
    assert_eq!(rules, broken);
}

/// What can refuse a body. `anyOf` stands for "or null" only and `const` for a tag: neither is ever the last word.
fn collect_rules(schema: &Value, rules: &mut BTreeSet<String>) {
    for (keyword, value) in schema.as_object().into_iter().flatten() {
        match keyword.as_str() {
            "$schema" | "$id" | "$ref" | "title" | "description" | "default" | "additionalProperties" | "const" => {}
            "$defs" | "properties" => value.as_object().unwrap().values().for_each(|schema| collect_rules(schema, rules)),
            "anyOf" => value.as_array().unwrap().iter().for_each(|schema| collect_rules(schema, rules)),
            "items" => collect_rules(value, rules),
            rule => {
                rules.insert(rule.to_owned());
                value.as_array().into_iter().flatten().for_each(|schema| collect_rules(schema, rules));
            }
        }
    }
}

#[test]
fn a_message_keeps_the_fields_that_it_does_not_know() {
    for kind in Kind::ALL {
        for (from, mut body) in bodies(kind) {
            body["x_other_version"] = json!({"list": [1, null, "text"], "flag": true});
            assert_eq!(parse(kind, &from, &body).unwrap().to_value(), body, "{kind}");
        }
    }
}

#[test]
fn a_message_keeps_to_the_kind_that_its_subject_says() {
    for kind in Kind::ALL {
        for (from, body) in bodies(kind) {
            assert_eq!(parse(kind, &from, &body).unwrap().kind(), kind);
        }
    }
}

#[test]
fn a_body_that_names_another_writer_is_refused() {
    let other: Name = "somebody-else".parse().unwrap();
    for kind in Kind::ALL {
        for (_, body) in bodies(kind) {
            let written_by_coordinators = matches!(kind, Kind::Assign | Kind::Close);
            let keyword = parse(kind, &other, &body).map_err(|error| error.keyword);
            assert_eq!(keyword.err().as_deref(), (!written_by_coordinators).then_some("writer"), "{kind}");
        }
    }
}

#[test]
fn a_refusal_says_where_and_what_would_do() {
    let query = json!({"requesting_agent": "alice", "request_type": "x", "payload": {"query": "y"}, "priority": "urgent"});
    let error = schema::check("query", &query).unwrap_err();
    assert_eq!(error.to_string(), r#"/priority: must be one of ["low","normal","high","critical"]"#);
}

#[test]
fn a_refusal_stays_short_whatever_it_quotes() {
    let query = json!({"requesting_agent": "alice", "request_type": "é".repeat(100_000), "payload": {"query": "y"}});
    assert_eq!(schema::check("query", &query).unwrap_err().reason, "it is longer than 128 characters");
}

#[test]
fn a_schema_that_does_not_exist_refuses() {
    assert_eq!(schema::check("nothing", &json!({})).unwrap_err().keyword, "schema");
}
