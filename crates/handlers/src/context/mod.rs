//! The context handler: what is known about the topics of a query, with provenance.
//!
//! Owns the way from a query's text and a list of facts to an answer. The files here are pure:
//! no clock, no I/O, no randomness, so that the same facts always give the same answer. They must
//! never say anything that is not in a fact, in the query, or in the fixed wording of `answer`.
//!
//! Reading order: `words` (normal form), `topics` (what is asked), `matching` (which fact bears on
//! it), `answer`.

mod answer;
mod matching;
mod topics;
mod words;

pub use answer::{ContextAnswer, answer};
pub use matching::{Bearing, Subject};
pub use topics::{MAX_TOPICS, Topic, topics};
