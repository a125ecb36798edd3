//! The parts of a gathered answer: what each agent made of the question. One that failed, or had not answered, is
//! named with the others and never left out.

use protocol::message::Part;

use super::{
    answer, ending,
    fields::Fields,
    plain::lines,
    style::{bold, dim, state},
};

/// Every part, in the order in which the agents were chosen.
pub(super) fn show(out: &mut Fields, parts: &[Part]) {
    for part in parts {
        out.line("");
        out.line(format_args!("{}  {}", bold(&part.agent), state(part.state)));
        out.indented(&text(part));
    }
}

fn text(part: &Part) -> String {
    let mut out = Fields::default();
    match &part.delivery {
        Some(delivery) => out.line(lines(delivery)),
        None if part.state.is_terminal() => {}
        None => out.line(dim("had not answered")),
    }
    if let Some(failure) = &part.failure {
        out.field("why", ending::why(failure, part.delivery.as_deref()));
    }
    answer::content(&mut out, part.result.as_ref(), &part.facts, &part.unknown);
    if part.omitted {
        out.line(dim("its result is too large to stand here"));
    }
    if part.omitted || part.delivery.is_none() {
        out.line(dim(format_args!("agentbus history {}", part.id)));
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::show::testing::uncoloured;
    use serde_json::json;

    #[test]
    fn every_part_is_named_with_what_became_of_it() {
        let id = |last: u8| format!("0192f0c1-2d3e-7a4b-8c5d-0000000000{last:02}");
        let fact = json!({
            "key": "team.size", "value": 12, "kind": "value", "source": "the staff list", "observed_by": "alice",
            "observed_at": "2026-11-21T09:00:00Z",
        });
        let parts = json!([
            { "agent": "carol", "id": id(1), "state": "completed", "outcome": "completed", "delivery": "Reviewed.",
              "result": { "safe": true }, "facts": [fact], "unknown": ["licences"] },
            { "agent": "dan", "id": id(2), "state": "working" },
            { "agent": "erin", "id": id(3), "state": "dead", "delivery": "All attempts are spent.",
              "failure": { "code": "attempts_spent", "message": "All attempts are spent." } },
            { "agent": "frank", "id": id(4), "state": "failed", "outcome": "failed", "delivery": "No\u{1b}[2J.",
              "failure": { "code": "no_disk", "message": "the disk\nis full" } },
            { "agent": "grace", "id": id(5), "state": "completed", "outcome": "completed", "delivery": "Much.", "omitted": true },
        ]);
        let parts: Vec<Part> = serde_json::from_value(parts).unwrap();
        let mut out = Fields::default();
        show(&mut out, &parts);
        insta::assert_snapshot!(uncoloured(&out.finish()), @r#"

        carol  completed
          Reviewed.

          {
            "safe": true
          }

          facts
            team.size = 12
                the staff list; observed by alice, 2026-11-21 09:00:00 UTC

          unknown
            licences

        dan  working
          had not answered
          agentbus history 0192f0c1-2d3e-7a4b-8c5d-000000000002

        erin  dead
          All attempts are spent.
            why        attempts_spent

        frank  failed
          No�[2J.
            why        the disk is full (no_disk)

        grace  completed
          Much.
          its result is too large to stand here
          agentbus history 0192f0c1-2d3e-7a4b-8c5d-000000000005
        "#);
    }
}
