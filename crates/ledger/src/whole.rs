//! Until when the answers of several agents are waited for.
//!
//! Owns the two questions that a coordinator asks before it answers for them all, and that every reader of the ledger
//! asks of its answer: is it time, and can another part still change anything? Whom to ask, and what the answer
//! holds, is in desk/gather.rs.

use jiff::{SignedDuration, Timestamp};
use protocol::{
    State,
    message::{Gather, Part, Until},
};

/// When what there is is answered: a while after the coordinator began, and never after the deadline.
pub(crate) fn due(gather: &Gather, begun: Timestamp, deadline: Timestamp) -> Timestamp {
    let after = |ms: u64| {
        let wait = SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
        begun.checked_add(wait).unwrap_or(Timestamp::MAX)
    };
    gather.timeout_ms.map_or(deadline, |ms| after(ms).min(deadline))
}

/// Whether nothing is left to wait for, given how many parts have completed and how many are open.
pub(crate) fn is_settled(until: Until, completed: usize, open: usize) -> bool {
    match until {
        Until::All => open == 0,
        Until::First | Until::Quorum(_) => completed >= until.needed() || completed + open < until.needed(),
    }
}

/// Whether nothing is left to wait for, as an answer shows its parts.
pub(crate) fn shows_settled(until: Until, parts: &[Part]) -> bool {
    let completed = parts.iter().filter(|part| part.state == State::Completed).count();
    let open = parts.iter().filter(|part| !part.state.is_terminal()).count();
    is_settled(until, completed, open)
}
