//! Dead letters: each query with what its attempts met, then what nobody could read.

use agentbus::{
    Record,
    protocol::{DeadLetters, Unreadable},
};

use super::{
    fields::Fields,
    history,
    plain::plain,
    record,
    style::{bold, dim, red},
    time::moment,
};

/// All of them.
pub(super) fn text(dead: &DeadLetters) -> String {
    let mut out = Fields::default();
    for (at, letter) in dead.letters.iter().enumerate() {
        if at > 0 {
            out.line("");
        }
        one(&mut out, letter);
    }
    if !dead.unreadable.is_empty() {
        if !dead.letters.is_empty() {
            out.line("");
        }
        out.line(bold("messages that nobody can read"));
        dead.unreadable.iter().for_each(|unreadable| out.line(line(unreadable)));
    }
    out.finish()
}

fn one(out: &mut Fields, letter: &Record) {
    record::head(out, letter, None);
    if let Some(close) = &letter.close {
        out.field("why", format_args!("{}: {}", red(plain(&close.code)), plain(&close.message)));
    }
    letter.attempts.iter().for_each(|attempt| history::tried(out, letter, attempt));
}

fn line(Unreadable { seq, time, subject, code, message }: &Unreadable) -> String {
    format!("  {seq:>6} {}  {}  {}: {}", dim(moment(*time)), plain(subject), red(plain(code)), plain(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::testing::{example, uncoloured};

    #[test]
    fn letters_and_what_nobody_can_read() {
        let mut dead = DeadLetters { letters: vec![example("dead"), example("rejected-bytes")], ..DeadLetters::default() };
        let time = "2026-11-21T09:00:00Z".parse().unwrap_or_default();
        let subject = "bus.query.7\u{1b}[2J.me.any".to_owned();
        dead.unreadable.push(Unreadable { seq: 7, time, subject, code: "bad_subject".to_owned(), message: "no id\u{202e}".to_owned() });
        insta::assert_snapshot!(uncoloured(&text(&dead)), @r"
        0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3  dead
          asked by   alice, 2026-01-05 09:00:00 UTC
          question   get_demo_context: Demo context needed: team size and build tools.
          agent      builder
          attempts   1 of 3 spent; the last: answered, retry: The cache did not respond.
          ended      2026-01-05 09:03:00 UTC, after 3m00s
          why        attempts_spent: The one attempt failed.
          1  builder (inst-a1)  lost  assigned +1.000s, never accepted
          2  builder (inst-b2)  answered, retry  assigned +1m00s, accepted +1m01s
               cache_away: The cache did not respond.

        0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3  rejected
          asked by   alice, 2026-01-05 09:00:00 UTC
          question   cannot be read
          ended      2026-01-05 09:00:01 UTC, after 1.000s
          why        malformed_json: The body is no JSON.

        messages that nobody can read
               7 2026-11-21 09:00:00 UTC  bus.query.7�[2J.me.any  bad_subject: no id�
        ");
    }
}
