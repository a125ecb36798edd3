//! Each rule broken on purpose: a checker that cannot fail proves nothing.

use serde_json::{Value, json};

use super::{Entry, Evidence, Stored, Verdict, judge};

const ID: &str = "0190a0a0-0000-7000-8000-000000000001";

fn entry(seq: u64, kind: &str, from: &str, to: &str, body: Value) -> Entry {
    Entry { seq, time_ms: 1000 * seq, kind: kind.into(), id: ID.into(), from: from.into(), to: to.into(), body: Some(body) }
}

fn query(seq: u64) -> Entry {
    entry(seq, "query", "alice", "worker", json!({"requesting_agent": "alice", "timeout_ms": 60_000}))
}

fn assign(seq: u64, attempt: u64) -> Entry {
    entry(seq, "assign", "alice", "worker", json!({"attempt": attempt, "agent": "worker", "instance": "w1"}))
}

fn answer(seq: u64, attempt: u64, outcome: &str, text: &str) -> Entry {
    let body = json!({"attempt": attempt, "agent": "worker", "instance": "w1", "outcome": outcome,
                      "delivery": "Done.", "result": {"text": text}});
    entry(seq, "answer", "worker", "alice", body)
}

fn close(seq: u64, reason: &str) -> Entry {
    entry(seq, "close", "alice", "alice", json!({"reason": reason, "code": "x", "message": "Over."}))
}

fn told(event: &str, more: Value) -> Value {
    let mut line = json!({"event": event, "id": ID});
    line.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    line
}

fn progress(seq: u64) -> Entry {
    entry(seq, "progress", "worker", "alice", json!({"attempt": 1, "agent": "worker", "instance": "w1", "status": "on"}))
}

/// A run in which everything went well.
fn good() -> Evidence {
    let entries = vec![query(1), assign(2, 1), progress(3), answer(4, 1, "completed", "hello")];
    Evidence {
        clients: vec![
            told("sent", json!({})),
            told("acknowledged", json!({"seq": 1})),
            told("signalled", json!({"seq": 4, "state": "completed"})),
            told("ended", json!({"end_seq": 4, "state": "completed", "text": "hello"})),
        ],
        works: vec![told("start", json!({"attempt": 1})), told("end", json!({"attempt": 1}))],
        stored: Stored { entries, last: 4, ..Stored::default() },
        watched: Some(vec![3]),
        ..Evidence::default()
    }
}

fn with(entries: Vec<Entry>) -> Evidence {
    let last = entries.last().expect("some").seq;
    let mut evidence = good();
    evidence.stored = Stored { entries, last, ..Stored::default() };
    evidence.watched = None;
    evidence
}

fn breaks(rule: &str, evidence: &Evidence) -> Verdict {
    let verdict = judge(evidence);
    assert!(verdict.violations.iter().any(|found| found.rule == rule), "{rule}: {verdict:?}");
    verdict
}

#[test]
fn a_run_in_which_all_went_well_breaks_nothing() {
    let verdict = judge(&good());
    assert!(verdict.holds(), "{:?}", verdict.violations);
    assert_eq!((verdict.acknowledged.len(), verdict.lost.len(), verdict.unknown.len()), (1, 0, 0));
    // A late answer and a second attempt are as it may be.
    let mut late =
        with(vec![query(1), assign(2, 1), answer(3, 1, "retry", "x"), assign(4, 2), answer(5, 2, "completed", "hello"), close(6, "dead")]);
    late.clients =
        vec![told("acknowledged", json!({"seq": 1})), told("ended", json!({"end_seq": 5, "state": "completed", "text": "hello"}))];
    assert!(judge(&late).holds(), "{:?}", judge(&late).violations);
}

#[test]
fn what_was_acknowledged_and_is_gone_is_lost() {
    let mut evidence = good();
    evidence.stored.entries.clear();
    let verdict = breaks("I1", &evidence);
    assert!(verdict.lost.contains(ID));
    let mut moved = good();
    moved.clients[1] = told("acknowledged", json!({"seq": 9}));
    breaks("I1", &moved);
}

#[test]
fn a_gap_that_nobody_erased_is_found() {
    let mut evidence = good();
    evidence.stored.entries.remove(2);
    evidence.watched = None;
    breaks("I1", &evidence);
    evidence.stored.erased.insert(3);
    assert!(judge(&evidence).holds());
}

#[test]
fn a_second_ending_is_found() {
    let twice = with(vec![query(1), assign(2, 1), close(3, "dead"), close(4, "dead")]);
    assert!(breaks("I1", &twice).duplicated.contains(ID));
    let after_close = with(vec![query(1), assign(2, 1), close(3, "dead"), assign(4, 2)]);
    breaks("I3", &after_close);
}

#[test]
fn a_client_that_was_told_of_another_ending_is_found() {
    for line in [
        json!({"end_seq": 3, "state": "completed", "text": "hello"}),
        json!({"end_seq": 4, "state": "failed"}),
        json!({"end_seq": 4, "state": "completed", "text": "other"}),
    ] {
        let mut evidence = good();
        evidence.clients[3] = told("ended", line);
        assert!(breaks("I2", &evidence).duplicated.contains(ID));
    }
    let mut early = good();
    early.stored.entries.truncate(3);
    early.stored.last = 3;
    breaks("I2", &early);
}

#[test]
fn the_answer_of_one_who_has_no_right_to_it_ends_nothing() {
    // A client was told that the late answer of a former attempt is the end.
    let entries = vec![query(1), assign(2, 1), assign(3, 2), answer(4, 1, "completed", "hello"), answer(5, 2, "completed", "winner")];
    breaks("I2", &with(entries));
    let mut forged = answer(4, 1, "completed", "hello");
    forged.from = "mallory".into();
    breaks("I2", &with(vec![query(1), assign(2, 1), forged]));
}

#[test]
fn work_that_was_done_twice_or_without_an_assignment_is_found() {
    let mut twice = good();
    twice.works.push(told("start", json!({"attempt": 1})));
    assert!(breaks("I2", &twice).duplicated.contains(ID));
    let mut unasked = good();
    unasked.works.push(told("start", json!({"attempt": 7})));
    breaks("I2", &unasked);
}

#[test]
fn a_query_that_is_stored_twice_is_found() {
    let mut again = query(3);
    again.time_ms = 3000;
    let evidence = with(vec![query(1), assign(2, 1), again, answer(4, 1, "completed", "hello")]);
    assert!(breaks("I2", &evidence).duplicated.contains(ID));
    let mut other = entry(3, "query", "bob", "worker", json!({"requesting_agent": "bob"}));
    other.time_ms = 3000;
    let ended = entry(5, "close", "bob", "bob", json!({"reason": "unroutable", "message": "No."}));
    breaks("I2", &with(vec![query(1), assign(2, 1), other, answer(4, 1, "completed", "hello"), ended]));
}

#[test]
fn illegal_paths_are_found() {
    let mute = {
        let mut answer = answer(3, 1, "completed", "hello");
        answer.body.as_mut().expect("a body")["delivery"] = json!(" ");
        answer
    };
    breaks("I3", &with(vec![query(1), assign(2, 1), mute]));
    breaks("I3", &with(vec![query(1), assign(2, 2), assign(3, 1)]));
    breaks("I3", &with(vec![query(1), close(2, "expired")]));
    breaks("I3", &with(vec![query(1), close(2, "cancelled")]));
    breaks("I3", &with(vec![query(1), close(2, "dead")]));
}

#[test]
fn a_subscriber_that_missed_something_or_saw_it_out_of_order_is_found() {
    for watched in [vec![], vec![3, 9]] {
        let mut evidence = good();
        evidence.watched = Some(watched);
        breaks("I4", &evidence);
    }
    let mut again = good();
    again.watched = Some(vec![3, 3]);
    assert!(judge(&again).holds(), "what was given before may come again");
}

#[test]
fn what_is_open_in_the_end_needs_a_reason() {
    let mut evidence = with(vec![query(1), assign(2, 1)]);
    evidence.clients.truncate(2);
    breaks("I5", &evidence);
    evidence.waiting.insert(ID.into(), "no live instance".into());
    assert!(judge(&evidence).holds());
}

#[test]
fn an_accident_is_found_and_what_nobody_knows_is_counted() {
    let mut evidence = good();
    evidence.accidents.push("coordinator-1 ended by itself: signal 6".into());
    breaks("I6", &evidence);
    let mut unknown = good();
    unknown.clients = vec![told("sent", json!({})), told("unknown", json!({}))];
    assert_eq!(judge(&unknown).unknown.len(), 1);
    unknown.clients.push(told("given_up", json!({"maybe_stored": false})));
    assert!(judge(&unknown).unknown.is_empty());
}

const PART: &str = "0190a0a0-0000-7000-8000-000000000002";

fn part(seq: u64, kind: &str, to: &str, body: Value) -> Entry {
    Entry { id: PART.into(), ..entry(seq, kind, if kind == "answer" { "worker" } else { "coordinator" }, to, body) }
}

/// A query that asks several agents at once: one, which answers.
fn gathered(named: &Value) -> Vec<Entry> {
    let listed = json!({"attempt": 1, "agent": "coordinator", "instance": "gather", "parts": [{"id": PART, "agent": "worker"}]});
    let answer =
        json!({"attempt": 1, "agent": "coordinator", "instance": "gather", "outcome": "completed", "delivery": "Done.", "parts": named});
    vec![
        query(1),
        entry(2, "assign", "alice", "coordinator", listed),
        part(3, "query", "worker", json!({"requesting_agent": "coordinator", "parent": ID})),
        part(4, "assign", "worker", json!({"attempt": 1, "agent": "worker", "instance": "w1"})),
        part(
            5,
            "answer",
            "coordinator",
            json!({"attempt": 1, "agent": "worker", "instance": "w1", "outcome": "completed", "delivery": "Done."}),
        ),
        entry(6, "answer", "coordinator", "alice", answer),
    ]
}

fn evidence_of(entries: Vec<Entry>) -> Evidence {
    let mut evidence = with(entries);
    evidence.clients = vec![told("acknowledged", json!({"seq": 1}))];
    evidence.works = Vec::new();
    evidence
}

#[test]
fn an_answer_of_several_names_each_of_them_as_it_stood() {
    let verdict = judge(&evidence_of(gathered(&json!([{"id": PART, "state": "completed"}]))));
    assert!(verdict.holds(), "{:?}", verdict.violations);
    breaks("I3", &evidence_of(gathered(&json!([]))));
    breaks("I3", &evidence_of(gathered(&json!([{"id": PART, "state": "failed"}]))));
    let twice = json!([{"id": PART, "state": "completed"}, {"id": PART, "state": "completed"}]);
    breaks("I3", &evidence_of(gathered(&twice)));
}

#[test]
fn what_is_asked_on_behalf_of_a_query_ends_with_it_and_not_before() {
    let mut open = gathered(&json!([{"id": PART, "state": "working"}]));
    open.remove(4);
    breaks("I5", &evidence_of(open.clone()));
    open.push(part(7, "close", "coordinator", json!({"reason": "cancelled", "code": "parent_ended", "message": "Over."})));
    let entries: Vec<_> = open.into_iter().zip(1..).map(|(entry, seq)| Entry { seq, ..entry }).collect();
    let verdict = judge(&evidence_of(entries.clone()));
    assert!(verdict.holds(), "{:?}", verdict.violations);
    let mut early = entries;
    early.swap(4, 5);
    let early: Vec<_> = early.into_iter().zip(1..).map(|(entry, seq)| Entry { seq, ..entry }).collect();
    breaks("I3", &evidence_of(early));
}
