//! Which type stands behind which schema.

use protocol::{Card, DeadLetters, Decision, End, Fact, Heartbeat, Order, Presence, Problem, Record, Summary, Tree, message::*, schema};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// A type of the wire, seen through its name.
pub(crate) struct Wire {
    /// The name of its schema.
    pub(crate) name: &'static str,
    /// Derives the schema.
    pub(crate) schema: fn(SchemaGenerator) -> Schema,
    /// Reads a value into the type and writes it again, without the schema in between.
    pub(crate) reread: fn(&Value) -> Result<Value, String>,
}

/// Every type of the wire, in the order of [`schema::ALL`].
pub(crate) const ALL: &[Wire] = &[
    wire::<Accept>("accept"),
    wire::<Answer>("answer"),
    wire::<Assign>("assign"),
    wire::<Cancel>("cancel"),
    wire::<Card>("card"),
    wire::<Close>("close"),
    wire::<DeadLetters>("dead"),
    wire::<Decision>("decision"),
    wire::<End>("end"),
    wire::<Fact>("fact"),
    wire::<Heartbeat>("heartbeat"),
    wire::<Notice>("notice"),
    wire::<Order>("order"),
    wire::<Presence>("presence"),
    wire::<Problem>("problem"),
    wire::<Progress>("progress"),
    wire::<Query>("query"),
    wire::<Question>("question"),
    wire::<Record>("record"),
    wire::<Reply>("reply"),
    wire::<Summary>("summary"),
    wire::<Tree>("tree"),
];

const fn wire<T: JsonSchema + Serialize + DeserializeOwned>(name: &'static str) -> Wire {
    Wire { name, schema: SchemaGenerator::into_root_schema_for::<T>, reread: reread::<T> }
}

fn reread<T: Serialize + DeserializeOwned>(value: &Value) -> Result<Value, String> {
    let read: T = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
    // Through text, as it travels: the type may write 30 as 30.0.
    let text = serde_json::to_vec(&read).map_err(|error| error.to_string())?;
    schema::json(&text).map_err(|error| error.to_string())
}

/// The type behind a schema.
pub(crate) fn named(name: &str) -> &'static Wire {
    ALL.iter().find(|wire| wire.name == name).unwrap_or_else(|| panic!("no type stands behind a schema called {name}"))
}

#[test]
fn every_schema_has_its_type() {
    let known: Vec<_> = ALL.iter().map(|wire| wire.name).collect();
    let listed: Vec<_> = schema::ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(known, listed);
}
