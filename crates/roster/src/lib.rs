//! Agent definition files → definitions → cards → routing decision.
//!
//! This crate owns how a definition is read and how a query finds its agent. [`load`] and
//! [`parse`] are the only parts that know files; [`Roster`] works on cards alone, so that a
//! coordinator can route to agents whose files it has never seen. Nothing here talks to a bus,
//! reads a clock or runs a command.
//!
//! Reading order: [`parse`] (one file), [`load`] (folders), [`reload`] (again), [`lint`], [`Config`] (what
//! the owner of the bus says over the files), then [`Roster::route`].

mod about;
mod asked;
mod body;
mod bus;
mod config;
mod definition;
mod diagnostic;
mod extends;
mod handler;
mod lint;
mod load;
mod normal;
mod pattern;
mod profile;
mod read;
mod reload;
mod roster;
mod route;
mod score;
mod steps;
mod walk;

pub use about::About;
pub use asked::{Asked, Standing};
pub use body::{ContextQuery, Integration, ProgressExample};
pub use bus::{
    Bus, Command, DEFAULT_CAPACITY, DEFAULT_LEASE, DEFAULT_OUTPUT, KeySource, Limits, NoKeySource, Permissions, Probe, Provider,
};
pub use config::{Config, MayCost};
pub use definition::{Definition, Tools, parse};
pub use diagnostic::{Diagnostic, Place, Severity};
pub use handler::{Handler, UnknownHandler};
pub use lint::lint;
pub use load::{Loaded, MAX_FILE_BYTES, load};
pub use normal::{normalise, tokens};
pub use pattern::Pattern;
pub use profile::{Profile, Required, Weights};
pub use reload::reload;
pub use roster::Roster;
pub use walk::folders;
