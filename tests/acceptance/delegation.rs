//! Delegation: what an agent asks on behalf of the query in its hands, drawn as a tree, ended with it, and kept
//! within its limits; and one question to several agents at once.

mod ending;
mod gather;
mod limits;
mod relay;
mod team;

use agentbus::{Kind, Query, QueryId, State, Tree};
use protocol::Record;
use serde_json::json;
use testkit::{Process, agentbus};

use crate::bus::name;
use team::{Team, passes_on_to, says, to};

/// Who stands at which depth, and where it stands.
fn drawn(tree: &Tree) -> Vec<(u32, String, State)> {
    let agent = |branch: &protocol::Branch| branch.query.agent.as_ref().map_or_else(String::new, ToString::to_string);
    tree.branches.iter().map(|branch| (branch.depth, agent(branch), branch.query.state)).collect()
}

/// Who stands between the first requester and a query, as the ledger has it.
fn path(record: &Record) -> Vec<String> {
    let assigned = record.messages.iter().find(|logged| logged.kind == Kind::Assign).expect("it was assigned");
    assigned.body["path"].as_array().expect("a path").iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_three_agents_is_a_tree() {
    let mut team = Team::new().await;
    team.add("a", passes_on_to("b")).await;
    team.add("b", passes_on_to("c")).await;
    team.add("c", says("the end")).await;
    let ended = team.ask("a").await;
    assert_eq!((ended.state, ended.notification()), (State::Completed, "a, b, the end"));

    let tree = team.client.tree(ended.id).await.expect("a tree");
    let completed = |depth, agent: &str| (depth, agent.to_owned(), State::Completed);
    assert_eq!(drawn(&tree), [completed(0, "a"), completed(1, "b"), completed(2, "c")]);
    let ids: Vec<QueryId> = tree.branches.iter().map(|branch| branch.query.id).collect();
    let root = team.client.history(ids[0]).await.expect("on record");
    for (at, way) in [(1, vec!["cli", "a"]), (2, vec!["cli", "a", "b"])] {
        let record = team.client.history(ids[at]).await.expect("on record");
        assert_eq!((&record.query["parent"], &record.query["path"]), (&json!(ids[at - 1]), &json!(way)));
        assert_eq!((path(&record), record.requester.as_str()), (way.iter().map(ToString::to_string).collect(), way[at]));
        assert!(record.deadline <= root.deadline, "{:?} {:?}", record.deadline, root.deadline);
        let below = team.client.tree(ids[at]).await.expect("a tree");
        assert_eq!((below.branches[0].parent, below.branches.len()), (Some(ids[at - 1]), 3 - at));
    }

    let folder = tempfile::tempdir().expect("a folder");
    let run = |words: &[&str]| {
        let output = Process::run(agentbus(folder.path()).args(words).args(["--nats", &team.bus.server.url()]));
        assert_eq!(output.code, Some(0), "{output:?}");
        output.stdout
    };
    let shown = run(&["history", "--tree", &ids[0].to_string()]);
    let trees: Vec<_> = shown.lines().filter_map(|line| line.split_once("  completed ").map(|(limb, _)| limb.trim_end())).collect();
    assert_eq!(trees, ["a", "└─ b", "   └─ c"], "{shown}");
    for command in ["status", "history"] {
        let child = run(&[command, &ids[2].to_string()]);
        assert!(child.contains(&format!("of {}", ids[1])) && child.contains("cli → a → b"), "{child}");
    }
}

#[tokio::test]
async fn instances_of_one_agent_in_several_processes_each_get_their_own_answers() {
    const QUERIES: usize = 40;
    let mut team = Team::new().await;
    team.add("b", |task: agentbus::Task| async move { Ok(agentbus::Done::new(task.text())) }).await;
    // Two that share a connection, and one with a connection of its own.
    let other = team.bus.client("a").await;
    let echo = |task: agentbus::Task| async move {
        let ended = task.ask(to("b", task.text())).await?.ended().await?;
        Ok(agentbus::Done::new(ended.notification()))
    };
    team.add("a", echo).await;
    team.add("a", echo).await;
    let agent = agentbus::Agent::new(name("a")).capacity(8);
    let mut serving = other.serve(agent, echo).await.expect("it serves");
    assert!(serving.known().await, "a coordinator knows of it");

    let asked = (0..QUERIES).map(|n| async move { (n, n.to_string()) });
    let asked = futures::future::join_all(asked.map(|asked| async {
        let (_, text) = asked.await;
        let ended = team.client.ask(to("a", &text)).await.expect("posted").ended().await.expect("it ends");
        (text, ended)
    }));
    let mut instances = std::collections::HashSet::new();
    for (text, ended) in asked.await {
        assert_eq!((ended.state, ended.notification()), (State::Completed, text.as_str()));
        instances.extend(ended.answer.map(|answer| answer.instance.to_string()));
    }
    assert_eq!(instances.len(), 3, "all three have worked");
}

#[tokio::test]
async fn an_agent_looks_who_would_answer_before_it_asks() {
    let mut team = Team::new().await;
    let looks = |task: agentbus::Task| async move {
        let present = task.agents().await?.len();
        let mut query = Query::new(task.agent().clone(), "get_it", "who would?");
        let would = task.route(query.clone()).await?.agent.map_or_else(|| "nobody".to_owned(), |agent| agent.to_string());
        query.id = Some(task.post(query.clone()).await?.id);
        Ok(agentbus::Done::new(format!("{would} of {present}")).result(json!(query.id)))
    };
    // All of them are registered for it; who asks, and who stands above, does not come into question.
    team.add_for("a", "get_*", passes_on_to("b")).await;
    team.add_for("b", "get_*", looks).await;
    team.add_for("c", "get_*", says("here")).await;
    let ended = team.ask("a").await;
    assert_eq!((ended.state, ended.notification()), (State::Completed, "a, c of 3"));
    let id = serde_json::from_value(ended.answer.and_then(|answer| answer.result).expect("an id")).expect("an id");
    let posted = team.client.history(id).await.expect("on record");
    assert_eq!(path(&posted), ["cli", "a", "b"]);
    assert_eq!(posted.attempts[0].agent, name("c"), "the ledger's own decision is the same");
}
