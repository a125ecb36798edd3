//! Every command of the real binary, as a user meets it: what it prints, where, and its exit code,
//! errors included. One file for each group of commands, one snapshot for each case.
//!
//! After a change of a text: `INSTA_UPDATE=always cargo test -p agentbus-cli --test commands`, and
//! then read what has changed, as somebody who has to act on it.

#![allow(clippy::expect_used, clippy::panic)] // this is how a test fails

mod agents;
mod ask;
mod bench;
mod bus;
mod cancel;
mod case;
mod context;
mod dead;
mod doctor;
mod files;
mod filters;
mod help;
mod inbox;
mod keeping;
mod lint;
mod output;
mod post;
mod queries;
mod reports;
mod route;
mod schema;
mod up;
mod watch;
