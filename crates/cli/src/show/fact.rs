//! A fact, never without its provenance: who observed it, when and how.

use agentbus::{Fact, FactKind};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{
    fields::Fields,
    plain::{cut, plain, value, word},
    style::{bold, dim},
    time::{age, moment},
};

/// What stands before evidence everywhere.
pub(super) const EVIDENCE: &str = "evidence, not an answer";

/// The longest value and source in a table, in characters.
const CELL: usize = 48;

/// A fact as an answer quotes it.
#[derive(Debug, Deserialize)]
pub(super) struct Quoted {
    key: String,
    value: Value,
    source: String,
    observed_by: String,
    observed_at: Timestamp,
}

impl Quoted {
    /// `key = value`, with the provenance under it.
    pub(super) fn show(&self, out: &mut Fields, indent: &str) {
        let Self { key, value: quoted, source, observed_by, observed_at } = self;
        out.line(format_args!("{indent}{} = {}", plain(key), bold(value(quoted))));
        let seen = format!("observed by {}, {}", plain(observed_by), moment(*observed_at));
        out.line(format_args!("{indent}    {}", dim(format_args!("{}; {seen}", plain(source)))));
    }
}

impl From<&Fact> for Quoted {
    fn from(fact: &Fact) -> Self {
        Self {
            key: fact.key.to_string(),
            value: fact.value.clone(),
            source: fact.source.clone(),
            observed_by: fact.observed_by.to_string(),
            observed_at: fact.observed_at,
        }
    }
}

/// Facts one after the other, evidence marked as such.
pub(crate) fn facts(facts: &[Fact]) -> String {
    let mut out = Fields::default();
    for fact in facts {
        Quoted::from(fact).show(&mut out, "");
        if fact.kind == FactKind::Evidence {
            out.line(format_args!("    {}", dim(EVIDENCE)));
        }
    }
    out.finish()
}

/// Facts as rows of a table: key, value, kind, observer, age, source.
pub(crate) fn rows(facts: &[Fact], now: Timestamp) -> Vec<[String; 6]> {
    let row = |fact: &Fact| {
        let (value, source) = (cut(&value(&fact.value), CELL), cut(&plain(&fact.source), CELL));
        [fact.key.to_string(), value, word(&fact.kind), fact.observed_by.to_string(), age(fact.observed_at, now), source]
    };
    facts.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::show::testing::uncoloured;
    use serde_json::json;

    fn seen() -> Vec<Fact> {
        serde_json::from_value(json!([
            { "key": "team.size", "value": 12, "source": "the org chart", "observed_by": "alice", "observed_at": "2026-11-01T09:00:00Z" },
            {
                "key": "repository.contributors.90d", "value": 14, "kind": "evidence", "source": "git\u{1b}[2J log",
                "observed_by": "context-manager", "observed_at": "2026-11-21T09:00:00Z",
            },
        ]))
        .unwrap()
    }

    #[test]
    fn a_fact_has_its_provenance_and_evidence_its_mark() {
        insta::assert_snapshot!(uncoloured(&facts(&seen())), @r"
        team.size = 12
            the org chart; observed by alice, 2026-11-01 09:00:00 UTC
        repository.contributors.90d = 14
            git�[2J log; observed by context-manager, 2026-11-21 09:00:00 UTC
            evidence, not an answer
        ");
    }

    #[test]
    fn a_row_is_short() {
        let mut facts = seen();
        if let Some(fact) = facts.first_mut() {
            fact.value = json!("x\n".repeat(100));
        }
        let rows = rows(&facts, Timestamp::UNIX_EPOCH);
        assert!(rows.iter().flatten().all(|cell| cell.chars().count() <= CELL && !cell.contains(['\n', '\u{1b}'])), "{rows:?}");
    }
}
