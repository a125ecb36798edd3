//! From text to values with places: lines, front matter, YAML, and typed fields.
//!
//! Knows nothing of what a definition means; see `definition.rs` for that.

mod fields;
mod front_matter;
mod lines;
mod recover;
mod yaml;

pub(crate) use fields::{Fields, integer};
pub(crate) use front_matter::{begins, split};
pub(crate) use lines::{Line, lines};
pub(crate) use yaml::{Entry, Node, Value};
