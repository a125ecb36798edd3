//! Holds `schemas/`, its examples and the types of this crate together.
//!
//! Reading order: `types` (which schema belongs to which type), `generate` (type → file),
//! `examples` (file ↔ type), `mutations` (random bodies, both directions), `hostile` (bytes).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod examples;
mod generate;
mod hostile;
mod mutations;
mod types;
