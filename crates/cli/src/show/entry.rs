//! One message of the ledger, as `watch` shows it.

use agentbus::{Entry, Message, Problem, QueryId};
use serde_json::{Value, json};

use super::{
    gist::{gist, short},
    style::{bold, dim, red},
    time::clock,
};

/// A message on one line: time (UTC), sequence, kind, from → to, the end of its id, gist.
pub(crate) fn entry(entry: &Entry) -> String {
    let subject = &entry.subject;
    let gist = match &entry.body {
        Ok(message) => gist(message),
        Err(invalid) => red(short(&format!("not valid: {invalid}"))),
    };
    let (time, kind) = (dim(clock(entry.time)), bold(format_args!("{:<8}", subject.kind())));
    format!("{time} {:>6} {kind} {} → {}  {}  {gist}", entry.seq, subject.from(), subject.to(), dim(tail(subject.id())))
}

/// The same as JSON. The body of a message that is not valid is null, and `invalid` says why.
pub(crate) fn entry_json(entry: &Entry) -> Value {
    let subject = &entry.subject;
    let mut line = json!({
        "seq": entry.seq,
        "time": entry.time,
        "kind": subject.kind(),
        "id": subject.id(),
        "from": subject.from(),
        "to": subject.to().to_string(),
        "body": entry.body.as_ref().map_or(Value::Null, Message::to_value),
    });
    if let (Err(invalid), Some(fields)) = (&entry.body, line.as_object_mut()) {
        fields.insert("invalid".to_owned(), json!(Problem::from(invalid.clone())));
    }
    line
}

/// The end of an id: its beginning is the time, which messages of one minute share.
fn tail(id: QueryId) -> String {
    let id = id.to_string();
    let skipped = id.chars().count().saturating_sub(8);
    format!("…{}", id.chars().skip(skipped).collect::<String>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::show::testing::uncoloured;
    use protocol::{Kind, Space, Subject};

    fn stored(kind: Kind, body: &str) -> Entry {
        let id = "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3";
        let subject = Subject::parse(&Space::default(), &format!("bus.{kind}.{id}.mlops-engineer.any")).unwrap();
        let body = Message::parse(kind, subject.from(), body.as_bytes());
        Entry { seq: 42, time: "2026-11-21T09:05:07.123Z".parse().unwrap(), subject, body }
    }

    #[test]
    fn a_message_is_one_line() {
        let query = stored(Kind::Query, r#"{"requesting_agent":"mlops-engineer","request_type":"get_x","payload":{"query":"team size?"}}"#);
        insta::assert_snapshot!(uncoloured(&entry(&query)), @"09:05:07.123     42 query    mlops-engineer → any  …8091a2b3  get_x: team size?");
        insta::assert_snapshot!(entry_json(&query), @r#"{"body":{"payload":{"query":"team size?"},"request_type":"get_x","requesting_agent":"mlops-engineer"},"from":"mlops-engineer","id":"0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3","kind":"query","seq":42,"time":"2026-11-21T09:05:07.123Z","to":"any"}"#);
    }

    #[test]
    fn a_body_that_is_not_valid_is_shown_as_such() {
        let hostile = "{\"requesting_agent\":\"mlops-engineer\",\"request_type\":\"\\u001b[2J\\u202e\",\"payload\":{\"query\":\"x\"}}";
        let shown = entry(&stored(Kind::Query, hostile));
        assert!(uncoloured(&shown).contains("not valid: /request_type"), "{shown}");
        assert!(!shown.contains("\u{1b}[2J") && !shown.contains('\u{202e}'), "{shown:?}");

        let line = entry_json(&stored(Kind::Query, "junk"));
        assert_eq!((line.get("body"), line.pointer("/invalid/code")), (Some(&Value::Null), Some(&"malformed_json".into())));
    }
}
