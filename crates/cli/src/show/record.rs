//! Where a query stands.

use agentbus::{Attachment, Record, Tree};
use protocol::{
    Attempt, DEFAULT_ATTEMPTS,
    message::{Failure, Outcome},
};
use serde_json::Value;

use super::{
    attached, ending,
    fields::Fields,
    gist::short,
    kin,
    plain::{plain, word},
    style,
    time::{moment, span},
};

/// The record without its messages; with what a coordinator tells of its kin, where that was asked.
pub(super) fn text(record: &Record, tree: Option<&Tree>) -> String {
    let mut out = Fields::default();
    head(&mut out, record, tree);
    if record.state.is_terminal() {
        out.line("");
        out.line(ending::text(record.state, record.answer.as_deref(), record.close.as_ref()).trim_end());
    }
    kin::parts(&mut out, record, tree);
    let answer = record.answer.iter().flat_map(|answer| answer.attachments.iter().chain(&answer.result_at));
    attached::show(&mut out, record.id, answer);
    out.finish()
}

/// The facts about a query, from its state to its deadline.
pub(super) fn head(out: &mut Fields, record: &Record, tree: Option<&Tree>) {
    out.line(format_args!("{}  {}", style::bold(record.id), style::state(record.state)));
    out.field("asked by", format_args!("{}, {}", record.requester, moment(record.posted_at)));
    out.field("question", question(&record.query));
    out.field("attached", attached::gist(&posted(record)));
    kin::head(out, record, tree);
    out.field("replays", record.query.get("replays").and_then(Value::as_str).map(plain).unwrap_or_default());
    out.field("waits for", record.waiting_for.as_deref().map(plain).unwrap_or_default());
    for asked in &record.questions {
        out.field(&format!("asks {}", asked.question), short(&asked.text));
    }
    if let Some(last) = record.attempts.last() {
        out.field("agent", &last.agent);
        let spent = record.attempts.iter().filter(|attempt| is_spent(attempt)).count();
        out.field("attempts", format_args!("{spent} of {} spent; the last: {}", limit(&record.query), outcome(last)));
    }
    match (record.ended_at, record.deadline) {
        (Some(at), _) => out.field("ended", format_args!("{}, after {}", moment(at), span(record.posted_at, at))),
        (None, Some(at)) => out.field("deadline", moment(at)),
        (None, None) => {}
    }
}

/// Whether it counts against the query's attempts, by the ledger's rule: an instance took it, and did not give it back.
fn is_spent(attempt: &Attempt) -> bool {
    let code = attempt.failure.as_ref().map(|failure| failure.code.as_str());
    let is_given_back = attempt.outcome == Some(Outcome::Retry) && code == Some(Failure::GIVEN_BACK);
    attempt.accepted_at.is_some() && !is_given_back
}

/// How an attempt stands, or how it ended.
pub(super) fn outcome(attempt: &Attempt) -> String {
    let failure = attempt.failure.as_ref().map(|failure| format!(": {}", short(&failure.message))).unwrap_or_default();
    format!("{}{failure}", standing(attempt))
}

/// The same without the reason.
pub(super) fn standing(attempt: &Attempt) -> String {
    let outcome = attempt.outcome.map(|outcome| format!(", {}", word(&outcome))).unwrap_or_default();
    format!("{}{outcome}", word(&attempt.state))
}

/// What goes with the query.
fn posted(record: &Record) -> Vec<Attachment> {
    record.query.get("attachments").cloned().and_then(|all| serde_json::from_value(all).ok()).unwrap_or_default()
}

fn question(query: &Value) -> String {
    let text = |pointer| query.pointer(pointer).and_then(Value::as_str);
    match (text("/request_type"), text("/payload/query")) {
        (Some(request_type), Some(query)) => short(&format!("{request_type}: {query}")),
        _ => "cannot be read".to_owned(),
    }
}

fn limit(query: &Value) -> u64 {
    query.get("attempts").and_then(Value::as_u64).unwrap_or(DEFAULT_ATTEMPTS.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::show::testing::{example, uncoloured};

    #[test]
    fn a_completed_query() {
        insta::assert_snapshot!(uncoloured(&text(&example("completed"), None)), @r"
        0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3  completed
          asked by   alice, 2026-01-05 09:00:00 UTC
          question   get_demo_context: Demo context needed: team size and build tools.
          agent      context-manager
          attempts   1 of 3 spent; the last: answered, completed
          ended      2026-01-05 09:00:03 UTC, after 3.000s

        One of two topics answered.
        ");
    }

    #[test]
    fn a_query_that_waits() {
        insta::assert_snapshot!(uncoloured(&text(&example("waiting"), None)), @r"
        0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3  posted
          asked by   alice, 2026-01-05 09:00:00 UTC
          question   get_demo_context: Demo context needed: team size and build tools.
          waits for  no live instance
          deadline   2026-01-05 09:10:00 UTC
        ");
    }

    #[test]
    fn a_query_whose_attempts_are_spent() {
        insta::assert_snapshot!(uncoloured(&text(&example("dead"), None)), @r"
        0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3  dead
          asked by   alice, 2026-01-05 09:00:00 UTC
          question   get_demo_context: Demo context needed: team size and build tools.
          agent      builder
          attempts   1 of 3 spent; the last: answered, retry: The cache did not respond.
          ended      2026-01-05 09:03:00 UTC, after 3m00s

        dead: The one attempt failed.
        ");
    }

    #[test]
    fn an_attempt_that_was_given_back_is_not_spent() {
        let mut record = example("dead");
        let mut given_back = record.attempts.last().unwrap().clone();
        given_back.failure.as_mut().unwrap().code = Failure::GIVEN_BACK.to_owned();
        for _ in 0..4 {
            record.attempts.push(given_back.clone());
        }
        assert!(text(&record, None).contains("1 of 3 spent"), "{}", text(&record, None));
        // The code alone does not give it back: nobody is to try again.
        record.attempts.last_mut().unwrap().outcome = Some(Outcome::Failed);
        assert!(text(&record, None).contains("2 of 3 spent"), "{}", text(&record, None));
    }

    #[test]
    fn bytes_that_were_no_query() {
        insta::assert_snapshot!(uncoloured(&text(&example("rejected-bytes"), None)), @r"
        0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3  rejected
          asked by   alice, 2026-01-05 09:00:00 UTC
          question   cannot be read
          ended      2026-01-05 09:00:01 UTC, after 1.000s

        rejected: The body is no JSON.
        ");
    }
}
