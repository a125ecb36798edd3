//! One agent: its card, and who of it is live.

use agentbus::Presence;
use protocol::{Instance, Trouble};

use super::{
    fields::Fields,
    plain::{lines, plain, value},
    style::{bold, red},
    time::moment,
};

/// The whole card.
pub(super) fn text(presence: &Presence) -> String {
    let Presence { card, instances, waiting } = presence;
    let mut out = Fields::default();
    out.line(bold(&card.agent));
    out.field("handler", plain(&card.handler));
    out.field("answers", card.answers.iter().map(|pattern| plain(pattern)).collect::<Vec<_>>().join(", "));
    out.field("aliases", card.aliases.iter().map(|alias| alias.as_str()).collect::<Vec<_>>().join(", "));
    out.field("fallback", if card.fallback { "yes: it answers only what nobody else does" } else { "" });
    for (name, extra) in &card.extra {
        out.field(&plain(name), value(extra));
    }
    out.field("waiting", format_args!("{waiting} {}", if *waiting == 1 { "query" } else { "queries" }));
    if instances.is_empty() {
        out.field("live", red("no instance; queries to it wait"));
    }
    for instance in instances {
        out.field("live", live(instance));
    }
    if !card.description.is_empty() {
        out.line("");
        out.indented(&lines(&card.description));
    }
    out.finish()
}

fn live(Instance { instance, capacity, pulls, load, heard_at, trouble }: &Instance) -> String {
    let trouble = match trouble {
        Some(Trouble::Deaf) => red("; deaf: it did not accept its last assignment"),
        Some(Trouble::Stalled) => red("; stalled: it took work and showed no progress for too long"),
        None => String::new(),
    };
    let hands = match capacity {
        _ if *pulls => format!("takes what it asks for, {load} in hand"),
        0 => format!("leaving, {load} in hand"),
        capacity => format!("{load} of {capacity} in hand"),
    };
    format!("{}: {hands}, heard {}{trouble}", instance.as_str(), moment(*heard_at))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::show::testing::uncoloured;
    use serde_json::json;

    #[test]
    fn a_card_and_who_is_live() {
        let presence = json!({
            "card": {
                "agent": "context-manager", "handler": "context", "answers": ["get_*_context"], "aliases": ["librarian"], "fallback": true,
                "description": "Keeps\nfacts.\u{1b}[2J", "profile": { "weights": { "cost": 2 } },
            },
            "instances": [{ "instance": "i7", "capacity": 4, "load": 1, "heard_at": "2026-11-21T09:00:00Z" }],
            "waiting": 1,
        });
        insta::assert_snapshot!(uncoloured(&text(&serde_json::from_value(presence).unwrap())), @r#"
        context-manager
          handler    context
          answers    get_*_context
          aliases    librarian
          fallback   yes: it answers only what nobody else does
          profile    {"weights":{"cost":2}}
          waiting    1 query
          live       i7: 1 of 4 in hand, heard 2026-11-21 09:00:00 UTC

          Keeps
          facts.�[2J
        "#);
    }

    #[test]
    fn an_instance_that_is_in_trouble() {
        let instance = |trouble: &str| json!({ "instance": trouble, "capacity": 1, "load": 0, "heard_at": "2026-11-21T09:00:00Z", "trouble": trouble });
        let presence =
            json!({ "card": { "agent": "qa", "handler": "exec" }, "instances": [instance("deaf"), instance("stalled")], "waiting": 0 });
        insta::assert_snapshot!(uncoloured(&text(&serde_json::from_value(presence).unwrap())), @r"
        qa
          handler    exec
          waiting    0 queries
          live       deaf: 0 of 1 in hand, heard 2026-11-21 09:00:00 UTC; deaf: it did not accept its last assignment
          live       stalled: 0 of 1 in hand, heard 2026-11-21 09:00:00 UTC; stalled: it took work and showed no progress for too long
        ");
    }

    #[test]
    fn an_instance_that_leaves() {
        let leaving = json!({ "instance": "i7", "capacity": 0, "load": 2, "heard_at": "2026-11-21T09:00:00Z" });
        assert_eq!(live(&serde_json::from_value(leaving).unwrap()), "i7: leaving, 2 in hand, heard 2026-11-21 09:00:00 UTC");
    }

    #[test]
    fn an_instance_that_fetches_its_work() {
        let pulling = json!({ "instance": "i7", "capacity": 0, "pulls": true, "load": 2, "heard_at": "2026-11-21T09:00:00Z" });
        let shown = live(&serde_json::from_value(pulling).unwrap());
        assert_eq!(shown, "i7: takes what it asks for, 2 in hand, heard 2026-11-21 09:00:00 UTC");
    }

    #[test]
    fn an_agent_that_is_not_there() {
        let presence = json!({ "card": { "agent": "qa", "handler": "exec" }, "instances": [], "waiting": 2 });
        insta::assert_snapshot!(uncoloured(&text(&serde_json::from_value(presence).unwrap())), @r"
        qa
          handler    exec
          waiting    2 queries
          live       no instance; queries to it wait
        ");
    }
}
