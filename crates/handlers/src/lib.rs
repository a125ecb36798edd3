//! The handlers: what makes an agent do work.
//!
//! Each handler is a folder. It decides what to answer; how the answer travels is the SDK's
//! business. The built-in inspectors, which observe facts about a repository, live here too
//! because the `context` handler is the one that answers from them.
//!
//! Reading order: [`Staff`] (definitions become running services), [`context`] (from a query text
//! to an answer), [`inspect`] (from a folder to facts), `exec` (a command does the work), `probe` (a
//! command observes a fact), then [`trust`] (which commands may run).

pub mod context;
mod exec;
pub mod inspect;
mod probe;
mod staff;
pub mod trust;
pub mod warden;

pub use staff::{Changes, LeftOut, Sources, Staff, Why};
