//! The judge of a run: reads what clients and workers wrote down and what the streams hold, and says what
//! was lost, what was done twice, and which rule was broken.
//!
//! It has its own, naive reading of the rules and shares no code with the bus: whoever shares code shares
//! its faults. Next: `story` (one query, message by message), `rules` and `trees` (what must hold),
//! `read` (from where).

mod read;
mod rules;
mod story;
#[cfg(test)]
mod tests;
mod trees;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

pub use read::{entries, lines};

/// A stored message.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its sequence in the ledger.
    pub seq: u64,
    /// When the server stored it, in milliseconds since 1970.
    pub time_ms: u64,
    /// Its kind: the second token of its subject.
    pub kind: String,
    /// The id of its query.
    pub id: String,
    /// Who wrote it, as a token.
    pub from: String,
    /// Whom it is for, as a token.
    pub to: String,
    /// Its body, where that is JSON.
    pub body: Option<Value>,
}

/// What the streams hold.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Every message of ledger and archive, in ledger order, each once.
    pub entries: Vec<Entry>,
    /// The last sequence that the ledger has given out.
    pub last: u64,
    /// Sequences that were erased on purpose.
    pub erased: BTreeSet<u64>,
}

/// Everything that is known of a run.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What the clients wrote down, each in its own order.
    pub clients: Vec<Value>,
    /// What the workers wrote down.
    pub works: Vec<Value>,
    /// What the streams hold.
    pub stored: Stored,
    /// For what an open query waits, as `status` says.
    pub waiting: BTreeMap<String, String>,
    /// The sequences that a durable subscriber to progress was given, in the order in which they came.
    pub watched: Option<Vec<u64>>,
    /// Processes that ended by themselves, or panicked.
    pub accidents: Vec<String>,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which rule, as in `I1`.
    pub rule: &'static str,
    /// The query, where it is about one.
    pub id: String,
    /// What was seen.
    pub what: String,
}

/// What was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verdict {
    /// Queries that a client was told are stored.
    pub acknowledged: BTreeSet<String>,
    /// Acknowledged ones that no stream holds, or that have no end and no reason to have none.
    pub lost: BTreeSet<String>,
    /// Ones that were stored, done or ended twice.
    pub duplicated: BTreeSet<String>,
    /// Ones of which no client knows whether they are stored.
    pub unknown: BTreeSet<String>,
    /// Every rule that was broken.
    pub violations: Vec<Violation>,
}

impl Verdict {
    /// Whether every rule holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }

    /// Fails a test where a rule is broken.
    ///
    /// # Panics
    /// With everything that was found, where it was.
    pub fn demand(&self) {
        let shown: Vec<_> = self.violations.iter().take(20).collect();
        assert!(
            self.holds(),
            "{} violations, {} lost, {} duplicated: {shown:#?}",
            self.violations.len(),
            self.lost.len(),
            self.duplicated.len()
        );
    }

    fn broken(&mut self, rule: &'static str, id: &str, what: impl Into<String>) {
        self.violations.push(Violation { rule, id: id.to_owned(), what: what.into() });
    }
}

/// Judges a run.
#[must_use]
pub fn judge(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict::default();
    let stories = story::stories(&evidence.stored.entries);
    rules::one_ending(evidence, &stories, &mut verdict);
    rules::one_result(evidence, &stories, &mut verdict);
    rules::legal(&stories, &mut verdict);
    rules::no_gap(evidence, &mut verdict);
    rules::watched(evidence, &mut verdict);
    rules::nothing_stuck(evidence, &stories, &mut verdict);
    trees::end_together(&stories, &mut verdict);
    trees::name_every_part(&stories, &mut verdict);
    for accident in &evidence.accidents {
        verdict.broken("I6", "", accident.clone());
    }
    verdict
}
