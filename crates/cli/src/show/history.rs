//! Everything that happened to a query: its messages with what became of them, its attempts, and
//! why its agent was chosen.

use agentbus::{Message, Record, Tree};
use protocol::{Attempt, Logged, Verdict};
use serde_json::Value;

use super::{
    decision, ending,
    fields::Fields,
    gist::gist,
    plain::{plain, word},
    record,
    style::{dim, red, yellow},
    time::span,
};

/// How many lines of a command's standard error are shown.
const STDERR: usize = 20;

/// The whole record.
pub(super) fn text(record: &Record, tree: Option<&Tree>) -> String {
    let mut out = Fields::default();
    out.line(record::text(record, tree).trim_end());
    out.heading("messages");
    for logged in &record.messages {
        out.line(message(record, logged));
    }
    if !record.attempts.is_empty() {
        out.heading("attempts");
        record.attempts.iter().for_each(|attempt| tried(&mut out, record, attempt));
    }
    if let Some(decision) = &record.decision {
        out.heading("decision");
        out.indented(&decision::brief(decision));
    }
    out.finish()
}

/// `+time seq kind from → to  [verdict] gist`
fn message(record: &Record, logged: &Logged) -> String {
    let Logged { seq, time, kind, from, to, verdict, .. } = logged;
    let after = dim(format_args!("{:>10}", format!("+{}", span(record.posted_at, *time))));
    let verdict = if *verdict == Verdict::Counted { String::new() } else { yellow(format_args!("[{}] ", word(verdict))) };
    format!("{after} {seq:>6} {kind:<8} {from} → {}  {verdict}{}", plain(to), said(logged))
}

fn said(logged: &Logged) -> String {
    let body = logged.body.to_string();
    match Message::parse(logged.kind, &logged.from, body.as_bytes()) {
        Ok(message) => gist(&message),
        Err(_) => red("not a valid message"),
    }
}

/// One attempt, and under it why it failed.
pub(super) fn tried(out: &mut Fields, record: &Record, attempt: &Attempt) {
    out.line(line(record, attempt));
    let Some(failure) = &attempt.failure else { return };
    out.line(format_args!("       {}: {}", red(plain(&failure.code)), plain(&failure.message)));
    let hint = ending::hint(failure);
    if !hint.is_empty() {
        out.line(format_args!("       hint: {hint}"));
    }
    let Some(stderr) = failure.extra.get("stderr_tail").and_then(Value::as_str) else { return };
    out.line(format_args!("       {}", dim("the end of its standard error:")));
    let lines: Vec<_> = stderr.lines().collect();
    for line in lines.iter().skip(lines.len().saturating_sub(STDERR)) {
        out.line(format_args!("         {}", plain(line)).to_string().trim_end());
    }
}

fn line(record: &Record, attempt: &Attempt) -> String {
    let at = |time| format!("+{}", span(record.posted_at, time));
    let accepted = attempt.accepted_at.map_or_else(|| "never accepted".to_owned(), |time| format!("accepted {}", at(time)));
    let times = dim(format_args!("assigned {}, {accepted}", at(attempt.assigned_at)));
    let instance = attempt.instance.as_str();
    format!("  {}  {} ({instance})  {}  {times}", attempt.attempt, attempt.agent, record::standing(attempt))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::show::testing::{example, uncoloured};
    use protocol::Kind;
    use serde_json::json;

    #[test]
    fn every_message_with_what_became_of_it() {
        let mut record = example("completed");
        let mut late = record.messages.first().unwrap().clone();
        (late.kind, late.from, late.verdict) = (Kind::Cancel, record.requester.clone(), Verdict::Late);
        late.body = json!({ "requesting_agent": "alice", "reason": "too\u{1b}[2J late" });
        late.to = "coordinator\u{202e}".to_owned();
        record.messages.push(late);
        insta::assert_snapshot!(uncoloured(&text(&record, None)), @r"
        0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3  completed
          asked by   alice, 2026-01-05 09:00:00 UTC
          question   get_demo_context: Demo context needed: team size and build tools.
          agent      context-manager
          attempts   1 of 3 spent; the last: answered, completed
          ended      2026-01-05 09:00:03 UTC, after 3.000s

        One of two topics answered.

        messages
           +0.000s     41 query    alice → any  get_demo_context: Demo context needed: team size and build tools.
           +1.000s     42 assign   alice → context-manager  attempt 1: context-manager has registered for get_*_context.
           +2.000s     43 accept   context-manager → alice  attempt 1 taken by instance inst-a1
           +3.000s     45 answer   context-manager → alice  completed: One of two topics answered.
           +4.000s     46 answer   context-manager → alice  [late] completed: One of two topics answered.
           +0.000s     41 cancel   alice → coordinator�  [late] too�[2J late

        attempts
          1  context-manager (inst-a1)  answered, completed  assigned +1.000s, accepted +2.000s

        decision
          context-manager, by registration: context-manager has registered for get_*_context.
            target        The query names nobody.
            registration  One agent matches.
        ");
    }

    #[test]
    fn attempts_with_their_times() {
        insta::assert_snapshot!(uncoloured(&text(&example("dead"), None)), @r"
        0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3  dead
          asked by   alice, 2026-01-05 09:00:00 UTC
          question   get_demo_context: Demo context needed: team size and build tools.
          agent      builder
          attempts   1 of 3 spent; the last: answered, retry: The cache did not respond.
          ended      2026-01-05 09:03:00 UTC, after 3m00s

        dead: The one attempt failed.

        messages
           +0.000s     41 query    alice → any  get_demo_context: Demo context needed: team size and build tools.

        attempts
          1  builder (inst-a1)  lost  assigned +1.000s, never accepted
          2  builder (inst-b2)  answered, retry  assigned +1m00s, accepted +1m01s
               cache_away: The cache did not respond.
        ");
    }

    #[test]
    fn a_failure_with_the_end_of_what_its_command_said() {
        let mut record = example("dead");
        let failure = record.attempts.last_mut().unwrap().failure.as_mut().unwrap();
        failure.message = "exit code 3: no room\u{9b}2J left\nat all".to_owned();
        let stderr: String = (1..=30).map(|line| format!("line {line}\u{1b}[2J\n")).collect();
        failure.extra.extend([("stderr_tail".to_owned(), stderr.into()), ("hint".to_owned(), "make\u{202e} room".into())]);
        let text = uncoloured(&text(&record, None));
        let shown: Vec<_> = text.lines().skip_while(|line| !line.starts_with("  2  builder")).collect();
        assert_eq!(shown.len(), 4 + STDERR, "{text}");
        insta::assert_snapshot!(shown.iter().take(5).chain(shown.last()).copied().collect::<Vec<_>>().join("\n"), @r"
        2  builder (inst-b2)  answered, retry  assigned +1m00s, accepted +1m01s
             cache_away: exit code 3: no room�2J left at all
             hint: make� room
             the end of its standard error:
               line 11�[2J
               line 30�[2J
        ");
    }

    #[test]
    fn bytes_that_were_no_query() {
        insta::assert_snapshot!(uncoloured(&text(&example("rejected-bytes"), None)), @r"
        0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3  rejected
          asked by   alice, 2026-01-05 09:00:00 UTC
          question   cannot be read
          ended      2026-01-05 09:00:01 UTC, after 1.000s

        rejected: The body is no JSON.

        messages
           +0.000s     41 query    alice → any  [invalid] not a valid message
        ");
    }
}
