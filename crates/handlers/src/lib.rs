//! The handlers: what makes an agent do work.
//!
//! Each handler is a folder. It decides what to answer; how the answer travels is the SDK's
//! business. The built-in inspectors, which observe facts about a repository, live here too
//! because the `context` handler is the one that answers from them.
//!
//! Reading order: [`Staff`] (definitions become running services), [`context`] (from a query text
//! to an answer), then [`inspect`] (from a folder to facts).

pub mod context;
pub mod inspect;
mod staff;

pub use staff::{Sources, Staff};
