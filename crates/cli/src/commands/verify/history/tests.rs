//! Histories that are legal, and each that is not.

#![allow(clippy::unwrap_used)]

use protocol::{Kind, Space, Subject};
use serde_json::{Value, json};

use super::*;

const ID: &str = "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3";

/// A ledger of one query, written line by line; a second passes between two messages.
#[derive(Default)]
struct Log(Vec<Entry>);

impl Log {
    fn posted() -> Self {
        Self::posted_with("note", Value::Null)
    }

    /// With one more field.
    fn posted_with(field: &str, value: Value) -> Self {
        let mut query = json!({ "requesting_agent": "me", "request_type": "x", "payload": { "query": "y" }, "timeout_ms": 5000 });
        query[field] = value;
        Self::default().add(Kind::Query, "me", "any", &query)
    }

    /// Several agents are asked at once, and their answer says that the one part is in this state.
    fn gathered(state: &str) -> Self {
        let decision = json!({ "agent": "coordinator", "step": "target", "reason": "so", "steps": [], "candidates": [] });
        let by = json!({ "agent": "coordinator", "instance": "gather", "attempt": 1 });
        let with = |more: Value| {
            let mut body = by.clone();
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        let (deadline, part) = ("2026-11-21T10:00:00Z", json!({ "id": ID, "agent": "a" }));
        let assign = with(json!({ "deadline": deadline, "coordinator": "c", "decision": decision, "parts": [part] }));
        let part = json!({ "id": ID, "agent": "a", "state": state });
        let answer = with(json!({ "outcome": "completed", "delivery": "done", "parts": [part] }));
        let log = Self::posted_with("gather", json!({ "to": ["a"] })).add(Kind::Assign, "me", "coordinator", &assign);
        log.add(Kind::Answer, "coordinator", "me", &answer)
    }

    fn add(mut self, kind: Kind, from: &str, to: &str, body: &Value) -> Self {
        let subject = Subject::parse(&Space::default(), &format!("bus.{kind}.{ID}.{from}.{to}")).unwrap();
        let body = Message::parse(kind, subject.from(), body.to_string().as_bytes());
        assert!(body.is_ok(), "{body:?}");
        let seq = self.0.len() as u64 + 1;
        self.0.push(Entry { seq, time: second(i64::try_from(seq).unwrap()), subject, body });
        self
    }

    fn assign(self, attempt: u32) -> Self {
        let decision = json!({ "agent": "a", "step": "target", "reason": "so", "steps": [], "candidates": [] });
        let deadline = "2026-11-21T10:00:00Z";
        let body =
            json!({ "agent": "a", "instance": "i", "attempt": attempt, "deadline": deadline, "coordinator": "c", "decision": decision });
        self.add(Kind::Assign, "me", "a", &body)
    }

    fn answer(self, attempt: u32, outcome: &str) -> Self {
        let body = json!({ "agent": "a", "attempt": attempt, "instance": "i", "outcome": outcome, "delivery": "done" });
        self.add(Kind::Answer, "a", "me", &body)
    }

    fn close(self, reason: &str) -> Self {
        self.add(Kind::Close, "me", "me", &json!({ "reason": reason, "code": "so", "message": "So.", "coordinator": "c" }))
    }

    fn cancel(self) -> Self {
        self.add(Kind::Cancel, "me", "coordinator", &json!({ "requesting_agent": "me" }))
    }

    fn history(&self) -> History {
        let mut history = History::default();
        self.0.iter().for_each(|entry| history.hear(entry));
        history
    }

    fn codes(&self) -> Vec<&'static str> {
        self.history().suspicions(second(0)).iter().map(|suspicion| suspicion.code).collect()
    }
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

#[test]
fn legal_histories_raise_no_suspicion() {
    let legal = [
        Log::posted(),
        Log::posted().assign(1).answer(1, "completed"),
        Log::posted().assign(1).answer(1, "retry").assign(2).answer(2, "failed"),
        Log::posted().assign(1).close("dead"),
        Log::posted().cancel().close("cancelled"),
        // Not before its deadline, and then again.
        Log::posted().close("expired").assign(1).assign(2).assign(3).close("expired"),
        // Late and stale answers, and a close that was slower than the answer.
        Log::posted().assign(1).assign(2).answer(1, "completed").answer(2, "completed").close("dead").answer(2, "failed"),
        Log::posted().close("unroutable").answer(1, "completed").cancel(),
        Log::posted().assign(1).answer(1, "completed").assign(2),
        // What it was asked for is over.
        Log::posted_with("parent", ID.into()).assign(1).close("cancelled"),
        Log::gathered("completed"),
        // Before its time, and so no ending.
        Log::gathered("working"),
    ];
    for log in legal {
        assert_eq!(log.codes(), Vec::<&str>::new(), "{:?}", log.0);
    }
}

#[test]
fn what_compare_and_set_excludes_is_found() {
    assert_eq!(Log::posted().assign(1).assign(1).codes(), ["attempt_not_rising"]);
    assert_eq!(Log::posted().assign(3).assign(2).codes(), ["attempt_not_rising"]);
    assert_eq!(Log::posted().close("dead").close("unroutable").codes(), ["closed_twice"]);
    assert_eq!(Log::posted().close("dead").assign(1).codes(), ["assigned_after_close"]);
}

#[test]
fn a_query_without_an_ending_is_overdue_a_while_after_its_deadline() {
    let history = Log::posted().assign(1).history();
    let codes = |now| history.suspicions(second(now)).iter().map(|suspicion| suspicion.code).collect::<Vec<_>>();
    assert_eq!((codes(6 + 60), codes(6 + 61)), (vec![], vec!["overdue"]));
    assert_eq!((history.queries(), history.ended()), (1, 0));
}

#[test]
fn an_ending_that_only_one_of_the_two_sees_is_disputed() {
    let mut history = Log::posted().assign(1).answer(1, "completed").history();
    history.cases.values_mut().for_each(|case| case.ended = None);
    let suspicions = history.suspicions(second(0));
    assert_eq!(suspicions.first().map(|suspicion| suspicion.code), Some("ending_disputed"), "{suspicions:?}");
}
