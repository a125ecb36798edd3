//! The context handler: what is known about the topics of a query, with provenance.
//!
//! Owns the way from a query's text and a list of facts to an answer. That way is pure: no clock,
//! no I/O, no randomness, so that the same facts always give the same answer. It must never say
//! anything that is not in a fact, in the query, or in the fixed wording of `answer`. Only
//! `library`, `harvest` and `experts`, which gather the facts, touch the bus and the repository.
//!
//! Reading order: `words` (normal form), `topics` (what is asked), `matching` (which fact bears on
//! it), `answer`; then `library` (what is known now), `harvest` (facts from
//! progress reports and answers) and `experts` (what other agents are asked).

mod answer;
mod experts;
mod harvest;
mod library;
mod matching;
mod topics;
mod words;

pub use answer::{ContextAnswer, Given, answer};
pub use library::Library;
pub use matching::{Bearing, Subject};
pub use topics::{MAX_TEXT, MAX_TOPICS, Topic, topics};
