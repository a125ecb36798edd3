//! The handlers: what makes an agent do work.
//!
//! Each handler is a folder. It decides what to answer; how the answer travels is the SDK's
//! business. The built-in inspectors, which observe facts about a repository, live here too
//! because the `context` handler is the one that answers from them.
//!
//! Reading order: [`Staff`] (definitions become running services), [`context`] (from a query text
//! to an answer), [`inspect`] (from a folder to facts), `exec` (a command does the work), `claude` (Claude Code
//! does it), `llm` (a model
//! does it; `checker` holds answers to a schema), `http` (whoever is behind a URL does it; `web` is what both need), `probe` (a command
//! observes a fact), then [`trust`] (which commands may run, and where queries may go).

mod attached;
pub mod checker;
mod claude;
pub mod context;
pub mod detect;
mod exec;
mod http;
pub mod inspect;
mod llm;
mod probe;
mod staff;
pub mod trust;
pub mod warden;
mod web;

pub use staff::{Changes, LeftOut, Sources, Staff, Why};
