//! For the tests of this folder.

#![allow(clippy::unwrap_used)]

use agentbus::Record;

/// A text as it reaches a reader that is no terminal.
pub(super) fn uncoloured(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// A record from the examples of the contract.
pub(super) fn example(name: &str) -> Record {
    let path = format!("{}/../../schemas/examples/valid/record.{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
