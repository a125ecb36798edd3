//! What is addressed to somebody: a row of a list, and one query with its whole text.

use agentbus::Record;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    fields::Fields,
    gist::short,
    plain::{lines, plain},
    style::bold,
    time::{age, moment},
};

/// A line of an inbox.
pub(super) fn row(record: &Record, lease_until: Option<Timestamp>, now: Timestamp) -> [String; 6] {
    let lease = lease_until.map(|until| left(until, now)).unwrap_or_default();
    [record.id.to_string(), record.state.to_string(), age(record.posted_at, now), record.requester.to_string(), lease, short(text(record))]
}

/// A query for whoever has taken it.
pub(super) fn query(record: &Record, lease_until: Option<Timestamp>) -> String {
    let mut out = Fields::default();
    let field = |name: &str| record.query.get(name).and_then(Value::as_str).map(plain).unwrap_or_default();
    out.line(bold(record.id));
    out.field("asked by", format_args!("{}, {}", record.requester, moment(record.posted_at)));
    out.field("type", field("request_type"));
    out.field("priority", field("priority"));
    let tags = record.query.get("context_tags").and_then(Value::as_array);
    let tags: Vec<_> = tags.into_iter().flatten().filter_map(Value::as_str).map(plain).collect();
    out.field("tags", tags.join(", "));
    out.field("attempt", record.attempts.last().map(|attempt| attempt.attempt.to_string()).unwrap_or_default());
    out.field("in hand", lease_until.map(|until| format!("until {}, and longer with each report", moment(until))).unwrap_or_default());
    out.field("deadline", record.deadline.map(moment).unwrap_or_default());
    out.line("");
    out.indented(&lines(text(record)));
    out.finish()
}

fn text(record: &Record) -> &str {
    record.query.pointer("/payload/query").and_then(Value::as_str).unwrap_or("cannot be read")
}

/// How long is left, in its largest unit.
fn left(until: Timestamp, now: Timestamp) -> String {
    if until.duration_since(now) <= SignedDuration::ZERO { "ran out".to_owned() } else { format!("{} left", age(now, until)) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::show::testing::{example, uncoloured};

    #[test]
    fn a_query_in_hand() {
        let until = "2026-01-05T09:30:00Z".parse().unwrap();
        insta::assert_snapshot!(uncoloured(&query(&example("waiting"), Some(until))), @r"
        0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3
          asked by   alice, 2026-01-05 09:00:00 UTC
          type       get_demo_context
          in hand    until 2026-01-05 09:30:00 UTC, and longer with each report
          deadline   2026-01-05 09:10:00 UTC

          Demo context needed: team size and build tools.
        ");
    }

    #[test]
    fn a_lease_that_is_over_says_so() {
        let (now, soon) = ("2026-01-05T09:00:00Z".parse().unwrap(), "2026-01-05T09:29:59Z".parse().unwrap());
        assert_eq!((left(soon, now), left(now, now)), ("29m left".to_owned(), "ran out".to_owned()));
    }
}
