//! What a query has to do with others: on whose behalf it is asked, by way of whom, and what is asked of whom on its
//! own behalf where it is gathered.

use agentbus::{Gather, Name, QueryId, Record, State, Summary, Tree, Until};
use protocol::{Kind, Verdict};
use serde::Deserialize;
use serde_json::Value;

use super::{fields::Fields, style::state};

/// The fields of a query that has to do with others. The tree is asked of a coordinator, and knows more than the record
/// while the query is open.
pub(super) fn head(out: &mut Fields, record: &Record, tree: Option<&Tree>) {
    if let Some(gather) = gather(&record.query) {
        out.field("asks", asked(&gather));
    }
    let Some(parent) = parent(&record.query) else { return };
    out.field("on behalf", format_args!("of {parent}"));
    out.field("path", arrows(&path(record, tree)));
}

/// The parts of a gathered query, each with its state: as they were when it was answered; until then as they are.
pub(super) fn parts(out: &mut Fields, record: &Record, tree: Option<&Tree>) {
    let parts: Vec<(String, State, QueryId)> = match (&record.answer, tree) {
        _ if gather(&record.query).is_none() => return,
        (Some(answer), _) => answer.parts.iter().map(|part| (part.agent.to_string(), part.state, part.id)).collect(),
        (None, Some(tree)) => tree.branches.iter().filter(|branch| branch.depth == 1).map(|branch| open(&branch.query)).collect(),
        (None, None) => return,
    };
    if parts.is_empty() {
        return;
    }
    out.heading("parts");
    let width = parts.iter().map(|(agent, ..)| agent.len()).max().unwrap_or_default();
    for (agent, standing, id) in parts {
        out.line(format_args!("  {agent:<width$}  {id}  {}", state(standing)));
    }
}

fn open(query: &Summary) -> (String, State, QueryId) {
    (query.agent.as_ref().map_or_else(|| "nobody yet".to_owned(), Name::to_string), query.state, query.id)
}

/// Whether a coordinator's tree says more of a query than its record.
pub(crate) fn has_kin(record: &Record) -> bool {
    parent(&record.query).is_some() || gather(&record.query).is_some()
}

/// Names in the order in which a query went from one to the next.
pub(super) fn arrows(path: &[Name]) -> String {
    path.iter().map(Name::as_str).collect::<Vec<_>>().join(" → ")
}

fn parent(query: &Value) -> Option<QueryId> {
    query.get("parent")?.as_str()?.parse().ok()
}

fn gather(query: &Value) -> Option<Gather> {
    Gather::deserialize(query.get("gather")?).ok()
}

/// Whom it asks, and until when, in words.
fn asked(gather: &Gather) -> String {
    let whom = match (&gather.to, gather.top) {
        (Some(to), _) => to.iter().map(Name::as_str).collect::<Vec<_>>().join(", "),
        (None, Some(top)) => format!("the {top} best placed"),
        (None, None) => "every live agent".to_owned(),
    };
    let until = match gather.until() {
        Until::All => "all have ended".to_owned(),
        Until::First => "one has completed".to_owned(),
        Until::Quorum(parts) => format!("{parts} have completed"),
    };
    format!("{whom}, until {until}")
}

/// The coordinator's own finding, and not what the requester says: as the ledger has it, or as the coordinator tells it.
fn path(record: &Record, tree: Option<&Tree>) -> Vec<Name> {
    let assigned = record.messages.iter().rev().find(|logged| logged.kind == Kind::Assign && logged.verdict == Verdict::Counted);
    let stored = assigned.and_then(|logged| Vec::deserialize(logged.body.get("path")?).ok());
    stored.or_else(|| Some(tree?.branches.first()?.path.clone())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::show::{
        history, record,
        testing::{example, uncoloured},
    };
    use serde_json::json;

    const PARENT: &str = "0192f0c1-2d3e-7a4b-8c5d-000000000001";

    fn tree(path: &[&str]) -> Tree {
        let query = |id: &str, agent: Option<&str>, state: &str| {
            json!({
                "id": id, "requester": "alice", "state": state, "request_type": "x", "priority": "normal", "agent": agent,
                "posted_at": "2026-11-22T09:00:00Z", "ended_at": null, "waiting_for": null,
            })
        };
        let branches = json!([
            { "depth": 0, "path": path, "query": query(PARENT, Some("coordinator"), "working") },
            { "depth": 1, "query": query("0192f0c1-2d3e-7a4b-8c5d-000000000002", Some("carol"), "completed") },
            { "depth": 2, "query": query("0192f0c1-2d3e-7a4b-8c5d-000000000003", Some("frank"), "working") },
            { "depth": 1, "query": query("0192f0c1-2d3e-7a4b-8c5d-000000000004", None, "posted") },
        ]);
        serde_json::from_value(json!({ "branches": branches })).unwrap()
    }

    #[test]
    fn a_sub_query_names_its_parent_and_the_way_that_it_came() {
        let mut child = example("completed");
        assert!(!has_kin(&child));
        child.query["parent"] = json!(PARENT);
        child.query["path"] = json!(["a", "lie"]);
        assert!(has_kin(&child));
        let shown = |child: &Record, tree: Option<&Tree>| {
            let shown = uncoloured(&record::text(child, tree));
            shown.lines().filter(|line| line.starts_with("  on behalf") || line.starts_with("  path")).collect::<Vec<_>>().join("\n")
        };
        let on_behalf = format!("  on behalf  of {PARENT}");
        let with = |path: &str| format!("{on_behalf}\n  path       {path}");
        assert_eq!(shown(&child, None), on_behalf, "what the requester says of its path is not shown");
        assert_eq!(shown(&child, Some(&tree(&["cli", "alice"]))), with("cli → alice"));
        let assigned = child.messages.iter_mut().find(|logged| logged.kind == Kind::Assign).unwrap();
        assigned.body["path"] = json!(["cli", "bob", "alice"]);
        assert_eq!(shown(&child, None), with("cli → bob → alice"), "the ledger knows, too");
        assert!(uncoloured(&history::text(&child, None)).contains("cli → bob → alice"));
    }

    #[test]
    fn a_query_that_gathers_names_its_parts() {
        let mut open = example("waiting");
        open.query["gather"] = json!({ "top": 3, "until": { "quorum": 2 } });
        insta::assert_snapshot!(uncoloured(&record::text(&open, Some(&tree(&[])))), @r"
        0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3  posted
          asked by   alice, 2026-01-05 09:00:00 UTC
          question   get_demo_context: Demo context needed: team size and build tools.
          asks       the 3 best placed, until 2 have completed
          waits for  no live instance
          deadline   2026-01-05 09:10:00 UTC

        parts
          carol       0192f0c1-2d3e-7a4b-8c5d-000000000002  completed
          nobody yet  0192f0c1-2d3e-7a4b-8c5d-000000000004  posted
        ");
        let mut ended = example("completed");
        ended.query["gather"] = json!({ "to": ["carol", "powershell-5.1-expert"], "until": "first" });
        let parts = json!([
            { "agent": "carol", "id": PARENT, "state": "completed" },
            { "agent": "powershell-5.1-expert", "id": PARENT, "state": "working" },
        ]);
        ended.answer.as_mut().unwrap().parts = serde_json::from_value(parts).unwrap();
        insta::assert_snapshot!(uncoloured(&record::text(&ended, Some(&tree(&[])))), @r"
        0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3  completed
          asked by   alice, 2026-01-05 09:00:00 UTC
          question   get_demo_context: Demo context needed: team size and build tools.
          asks       carol, powershell-5.1-expert, until one has completed
          agent      context-manager
          attempts   1 of 3 spent; the last: answered, completed
          ended      2026-01-05 09:00:03 UTC, after 3.000s

        One of two topics answered.

        parts
          carol                  0192f0c1-2d3e-7a4b-8c5d-000000000001  completed
          powershell-5.1-expert  0192f0c1-2d3e-7a4b-8c5d-000000000001  working
        ");
        let all = json!({ "all": true });
        assert_eq!(asked(&serde_json::from_value(all).unwrap()), "every live agent, until all have ended");
    }
}
