//! A query with all that was asked on its behalf, drawn as a tree: who, where it stands, when, and for how long.

use agentbus::{Summary, Tree};
use jiff::Timestamp;
use protocol::Branch;

use super::{
    fields::Fields,
    kin::arrows,
    plain::{cut, plain},
    style::{bold, dim, state, yellow},
    time::{moment, span},
};

/// The longest request type, in characters.
const TYPE: usize = 32;

/// The widest state.
const STATE: usize = 10;

/// The widest time.
const TIME: usize = 9;

/// The deepest branch that is drawn at its own depth: deeper than any that a coordinator takes.
const DEEPEST: u32 = 64;

/// The whole tree, as it stands at this time.
pub(super) fn text(tree: &Tree, now: Timestamp) -> String {
    let mut out = Fields::default();
    let Some(root) = tree.branches.first() else { return out.finish() };
    out.line(format_args!("{}  {}", bold(root.query.id), state(root.query.state)));
    out.field("asked by", format_args!("{}, {}", root.query.requester, moment(root.query.posted_at)));
    out.field("on behalf", root.parent.map(|parent| format!("of {parent}")).unwrap_or_default());
    out.field("path", arrows(&root.path));
    out.line("");
    let names: Vec<String> =
        limbs(&tree.branches).zip(&tree.branches).map(|(limb, branch)| format!("{limb}{}", agent(&branch.query))).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default().max("agent".len());
    out.line(bold(format_args!("{:<width$}  {:<STATE$}  {:>10}  {:>TIME$}  query", "agent", "state", "after", "took")));
    for (name, branch) in names.iter().zip(&tree.branches) {
        let after = format!("+{}", span(root.query.posted_at, branch.query.posted_at));
        out.line(format_args!("{name:<width$}  {}", line(&branch.query, &after, now)));
    }
    if tree.omitted > 0 {
        out.line(yellow(format_args!("{} more are not shown", tree.omitted)));
    }
    out.finish()
}

/// What stands beside the tree itself.
fn line(query: &Summary, after: &str, now: Timestamp) -> String {
    let took = span(query.posted_at, query.ended_at.unwrap_or(now));
    let padding = STATE.saturating_sub(query.state.as_str().len());
    let asked = query.request_type.as_deref().map_or_else(|| "?".to_owned(), |asked| cut(&plain(asked), TYPE));
    let waits = query.waiting_for.as_deref().map(|why| format!("  {}", yellow(plain(why)))).unwrap_or_default();
    format!("{}{:padding$}  {}  {}  {asked}{waits}", state(query.state), "", dim(format_args!("{after:>10}  {took:>TIME$}")), query.id)
}

/// Who works on it or answered it.
fn agent(query: &Summary) -> &str {
    query.agent.as_ref().map_or("nobody", |agent| agent.as_str())
}

/// What is drawn before each branch: lines down to those that follow at its own depth and above.
fn limbs(branches: &[Branch]) -> impl Iterator<Item = String> {
    let depths: Vec<usize> = branches.iter().map(|branch| branch.depth.min(DEEPEST) as usize).collect();
    // From the last branch to the first: at which depths something follows further down.
    let mut follows: Vec<bool> = Vec::new();
    let mut limbs = Vec::new();
    for depth in depths.into_iter().rev() {
        follows.resize(depth + 1, false);
        limbs.push(limb(&follows));
        if let Some(last) = follows.last_mut() {
            *last = true;
        }
    }
    limbs.into_iter().rev()
}

/// `follows`: for each depth down to the branch's own, whether another branch comes there. The first has no line.
fn limb(follows: &[bool]) -> String {
    let mut below = follows.iter().skip(1).peekable();
    let mut limb = String::new();
    while let Some(follows) = below.next() {
        limb.push_str(match (below.peek().is_none(), follows) {
            (true, true) => "├─ ",
            (true, false) => "└─ ",
            (false, true) => "│  ",
            (false, false) => "   ",
        });
    }
    limb
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::show::testing::uncoloured;
    use serde_json::{Value, json};

    fn branch(depth: u32, n: u8, agent: Option<&str>, state: &str, from: u32, ended: Option<u32>) -> Value {
        let at = |ms: u32| format!("2026-11-22T09:00:{:02}.{:03}Z", ms / 1000, ms % 1000);
        let query = json!({
            "id": format!("0192f0c1-2d3e-7a4b-8c5d-0000000000{n:02}"), "requester": "cli", "state": state, "request_type": "get_x",
            "priority": "normal", "agent": agent, "posted_at": at(from), "ended_at": ended.map(at),
            "waiting_for": agent.is_none().then_some("no live instance\u{1b}[2J"),
        });
        json!({ "depth": depth, "query": query })
    }

    fn drawn(branches: &Value, omitted: u32) -> String {
        let tree = json!({ "branches": branches, "omitted": omitted });
        let now = "2026-11-22T09:00:10Z".parse().unwrap();
        uncoloured(&text(&serde_json::from_value(tree).unwrap(), now))
    }

    #[test]
    fn a_tree_with_states_and_times() {
        let branches = json!([
            branch(0, 1, Some("planner"), "working", 0, None),
            branch(1, 2, Some("powershell-5.1-expert"), "completed", 100, Some(1_350)),
            branch(2, 3, Some("qa"), "completed", 200, Some(1_200)),
            branch(2, 4, Some("qa"), "rejected", 210, Some(213)),
            branch(1, 5, Some("builder"), "working", 1_400, None),
            branch(2, 6, None, "posted", 9_000, None),
        ]);
        insta::assert_snapshot!(drawn(&branches, 3), @r"
        0192f0c1-2d3e-7a4b-8c5d-000000000001  working
          asked by   cli, 2026-11-22 09:00:00 UTC

        agent                     state            after       took  query
        planner                   working        +0.000s    10.000s  0192f0c1-2d3e-7a4b-8c5d-000000000001  get_x
        ├─ powershell-5.1-expert  completed      +0.100s     1.250s  0192f0c1-2d3e-7a4b-8c5d-000000000002  get_x
        │  ├─ qa                  completed      +0.200s     1.000s  0192f0c1-2d3e-7a4b-8c5d-000000000003  get_x
        │  └─ qa                  rejected       +0.210s     0.003s  0192f0c1-2d3e-7a4b-8c5d-000000000004  get_x
        └─ builder                working        +1.400s     8.600s  0192f0c1-2d3e-7a4b-8c5d-000000000005  get_x
           └─ nobody              posted         +9.000s     1.000s  0192f0c1-2d3e-7a4b-8c5d-000000000006  get_x  no live instance�[2J
        3 more are not shown
        ");
    }

    #[test]
    fn a_branch_of_a_tree_says_what_it_hangs_on() {
        let mut only = branch(0, 2, Some("qa"), "completed", 0, Some(5));
        only["parent"] = json!("0192f0c1-2d3e-7a4b-8c5d-000000000001");
        only["path"] = json!(["cli", "planner"]);
        insta::assert_snapshot!(drawn(&json!([only]), 0), @r"
        0192f0c1-2d3e-7a4b-8c5d-000000000002  completed
          asked by   cli, 2026-11-22 09:00:00 UTC
          on behalf  of 0192f0c1-2d3e-7a4b-8c5d-000000000001
          path       cli → planner

        agent  state            after       took  query
        qa     completed      +0.000s     0.005s  0192f0c1-2d3e-7a4b-8c5d-000000000002  get_x
        ");
        assert_eq!(drawn(&json!([]), 0), "");
    }
}
