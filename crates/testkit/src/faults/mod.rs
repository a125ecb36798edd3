//! The faults: how each is made, and when it is over.
//!
//! Two kinds. A *physical* one breaks a part and is healed later; several can last at once ([`physical`]). A
//! *script* is a client that does something it should not, or that a bus has to bear, and judges by itself
//! what comes back; it needs nothing but the server's address.

mod codes;
mod delivery;
mod input;
pub mod physical;
mod slow;

use std::time::Duration;

use crate::{Plain, random::Random};

pub use codes::Fault;

/// What a script needs to know of a laboratory.
#[derive(Clone, Debug)]
pub struct Site {
    /// Where the server listens.
    pub url: String,
    /// The same as a port of 127.0.0.1.
    pub port: u16,
}

/// How long a script waits for an ending: faults may be under way, and several at once.
const PATIENCE: Duration = Duration::from_secs(60);

impl Site {
    async fn plain(&self, me: &str) -> Plain {
        Plain::patiently(&self.url, me).await
    }
}

/// Runs the script of a fault `times` times; an error says what did not hold. One that has no script is done
/// at once.
///
/// # Errors
/// What did not hold.
pub async fn script(fault: Fault, site: &Site, random: &mut Random, times: u64) -> Result<(), String> {
    let told = match fault {
        Fault::F8 => slow::never_reads(site, times).await,
        Fault::F12 => delivery::duplicates(site, times).await,
        Fault::F13 => delivery::poison(site, times).await,
        Fault::F14 => input::too_large(site).await,
        Fault::F15 => input::malformed(site, random, times).await,
        Fault::F16 => input::violations(site).await,
        Fault::F18 => input::hostile(site).await,
        Fault::F20 => delivery::late_progress(site, times).await,
        Fault::F21 => delivery::races(site, random, times).await,
        Fault::F23 => slow::stalled(site).await,
        Fault::F28 => input::identities(site).await,
        Fault::F32 => delivery::partial(site, times).await,
        _ => Ok(()),
    };
    told.map_err(|why| format!("{fault}: {why}"))
}

/// An error with these words where something does not hold.
fn expect(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}
