//! What a long run says in the end, as JSON.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Serialize;

use super::Check;
use crate::{checker::Violation, faults::Fault};

/// What is known of one fault.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// What happens.
    pub what: &'static str,
    /// How often it was made.
    pub runs: u64,
    /// Acknowledged queries that were under way while it lasted.
    pub acknowledged: usize,
    /// Of these, lost ones.
    pub lost: usize,
    /// Of these, ones that were stored, done or ended twice.
    pub duplicated: usize,
    /// Queries of which nobody knows whether they were stored.
    pub unknown: usize,
    /// The longest time from the end of the fault to the first completed query, in milliseconds.
    pub worst_recovery_ms: u64,
    /// The seed of the round with that.
    pub worst_seed: u64,
}

/// One round: a laboratory of its own.
#[derive(Clone, Debug, Serialize)]
pub struct Round {
    /// Its seed: `--round SEED` makes it again.
    pub seed: u64,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// The faults that it made, in their order.
    pub faults: Vec<String>,
    /// Acknowledged queries.
    pub acknowledged: usize,
    /// Lost ones.
    pub lost: usize,
    /// Ones that were stored, done or ended twice.
    pub duplicated: usize,
    /// Ones of which nobody knows whether they were stored.
    pub unknown: usize,
    /// Every rule that was broken.
    pub violations: Vec<Violation>,
    /// Where the evidence is, where a rule was broken.
    pub evidence: Option<PathBuf>,
}

impl Round {
    /// One that came to nothing.
    pub(super) fn broken(seed: u64, what: String) -> Self {
        let violations = vec![Violation { rule: "lab", id: String::new(), what }];
        Self { seed, seconds: 0, faults: Vec::new(), acknowledged: 0, lost: 0, duplicated: 0, unknown: 0, violations, evidence: None }
    }
}

/// A whole run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The seed that everything comes from.
    pub seed: u64,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// Whether every rule held.
    pub holds: bool,
    /// Acknowledged queries.
    pub acknowledged: usize,
    /// Lost ones.
    pub lost: usize,
    /// Ones that were stored, done or ended twice.
    pub duplicated: usize,
    /// Ones of which nobody knows whether they were stored.
    pub unknown: usize,
    /// Per fault.
    pub faults: BTreeMap<String, Tally>,
    /// Faults of the table that were not made, and why.
    pub not_made: BTreeMap<String, String>,
    /// The rounds.
    pub rounds: Vec<Round>,
    /// Fuzzing and containers.
    pub checks: Vec<Check>,
}

impl Report {
    /// The tally of a fault.
    pub fn tally(&mut self, fault: Fault) -> &mut Tally {
        let tally = self.faults.entry(fault.to_string()).or_default();
        tally.what = fault.what();
        tally
    }

    /// Takes a round in.
    pub fn add(&mut self, round: Round) {
        self.acknowledged += round.acknowledged;
        self.lost += round.lost;
        self.duplicated += round.duplicated;
        self.unknown += round.unknown;
        self.rounds.push(round);
    }

    /// Closes it.
    pub fn finish(&mut self) {
        let rounds_hold = self.rounds.iter().all(|round| round.violations.is_empty());
        self.holds = rounds_hold && self.checks.iter().all(|check| check.holds != Some(false));
        let made = |fault: &&Fault| !self.faults.contains_key(&fault.to_string());
        let missing: Vec<_> = Fault::ALL.iter().filter(made).map(ToString::to_string).collect();
        for fault in missing {
            let why = if fault == "F25" { "no older binary was given (--old)" } else { "its turn did not come in so short a run" };
            self.not_made.entry(fault).or_insert_with(|| why.to_owned());
        }
    }
}
