//! How a coordinator behaves: what whoever starts one may set.

use ledger::{Policy, Retention};
use nats::Limits;

/// How a coordinator behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How long it waits for what.
    pub policy: Policy,
    /// How large the ledger may grow, where this coordinator is the one that makes it.
    pub limits: Limits,
    /// When records that have ended move to the archive, and when they are dropped there. The archive may grow as
    /// large as the ledger.
    pub retention: Retention,
}
