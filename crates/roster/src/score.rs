//! The score step. This is its place: it is asked in every decision, and finds nobody yet.
//!
//! What it needs is there. A weighted card carries its [`Profile`](crate::Profile) under
//! [`Profile::CARD_FIELD`](crate::Profile::CARD_FIELD), keywords normalised by the same
//! [`normalise`](crate::normalise) that a query's text goes through.

use protocol::{Candidate, Card, message::Query};

/// What the step found.
pub(crate) struct Scored {
    /// Who fits, best first.
    pub(crate) candidates: Vec<Candidate>,
    /// The finding, in words.
    pub(crate) found: String,
}

/// Ranks the agents that fit a query. `cards` holds those that may compete, by name.
pub(crate) fn rank(_query: &Query, _cards: &[&Card]) -> Scored {
    Scored { candidates: Vec::new(), found: "not tried: this version does not score".to_owned() }
}
