//! What is refused (F22): cycles, too deep a tree, more than the budget allows. Whoever asked is told why, with the
//! path, and goes on.

use agentbus::{Budget, Done, State, Task};
use protocol::message::Usage;
use serde_json::{Value, json};

use super::team::{Team, passes_on_to, says, to};

/// The answer's result: what the agent that was refused was told.
fn told(ended: agentbus::Ended) -> (String, Value) {
    assert_eq!(ended.state, State::Completed, "its parent goes on: {ended:?}");
    (ended.notification().to_owned(), ended.answer.and_then(|answer| answer.result).expect("a reason"))
}

#[tokio::test]
async fn a_cycle_is_refused_with_its_path() {
    let mut team = Team::new().await;
    team.add("a", passes_on_to("b")).await;
    team.add("b", passes_on_to("a")).await;
    let (text, code) = told(team.ask("a").await);
    assert_eq!(code, "delegation_cycle");
    assert!(text.contains("cli → a → b → a"), "{text}");
    let (ended, code) = team.endings().await.pop().expect("the refused one");
    assert_eq!((ended, code.as_str()), (State::Rejected, "delegation_cycle"));
}

#[tokio::test]
async fn an_agent_that_asks_itself_is_refused() {
    let mut team = Team::new().await;
    team.add("a", passes_on_to("a")).await;
    let (text, code) = told(team.ask("a").await);
    assert_eq!(code, "delegation_cycle");
    assert!(text.contains("cli → a → a"), "{text}");
}

#[tokio::test]
async fn sixty_agents_in_a_row_stop_at_the_depth_that_is_allowed() {
    const AGENTS: usize = 60;
    let mut team = Team::new().await;
    for n in 0..AGENTS {
        let next: &'static str = format!("agent-{}", n + 1).leak();
        team.add(&format!("agent-{n}"), passes_on_to(next)).await;
    }
    for (depth, budget) in [(8, None), (3, Some(3)), (32, Some(32))] {
        let mut query = to("agent-0", "hello");
        query.budget = budget.map(|depth| Budget { depth: Some(depth), ..Budget::default() });
        let ended = team.run(query).await;
        let tree = team.client.tree(ended.id).await.expect("a tree");
        let (text, code) = told(ended);
        assert_eq!(code, "too_deep");
        let path: Vec<_> = ["cli".to_owned()].into_iter().chain((0..=depth).map(|n| format!("agent-{n}"))).collect();
        assert!(text.contains(&path.join(" → ")), "{text}");
        assert_eq!(tree.branches.len(), depth + 2, "all that answered, and the one that was refused");
        assert_eq!(tree.branches.last().map(|branch| branch.query.state), Some(State::Rejected));
    }
}

#[tokio::test]
async fn of_a_thousand_children_as_many_are_asked_as_the_budget_allows() {
    const CHILDREN: usize = 1000;
    let mut team = Team::new().await;
    let bomb = |task: Task| async move {
        let one = |task: Task| async move {
            let ended = task.ask(to("b", "hello")).await?.ended().await?;
            Ok::<_, agentbus::Error>((ended.state, ended.close.map(|close| close.code).unwrap_or_default()))
        };
        let all: Vec<_> = futures::future::try_join_all((0..CHILDREN).map(|_| one(task.clone()))).await?;
        let count = |state: State, code: &str| all.iter().filter(|ended| (ended.0, ended.1.as_str()) == (state, code)).count();
        Ok(Done::new("counted").result(json!([count(State::Completed, ""), count(State::Rejected, "budget_spent")])))
    };
    team.add("a", bomb).await;
    team.add("b", says("done")).await;
    assert_eq!(told(team.ask("a").await).1, json!([256, CHILDREN - 256]));

    let mut query = to("a", "hello");
    query.budget = Some(Budget { queries: Some(20), ..Budget::default() });
    let ended = team.run(query).await;
    let tree = team.client.tree(ended.id).await.expect("a tree");
    assert_eq!(told(ended).1, json!([20, CHILDREN - 20]));
    assert_eq!(tree.branches.len() as u64 + tree.omitted, CHILDREN as u64 + 1, "what is not shown is counted");
}

#[tokio::test]
async fn once_the_tokens_are_spent_nothing_more_is_asked() {
    let mut team = Team::new().await;
    let asks_twice = |task: Task| async move {
        let mut codes = Vec::new();
        for _ in 0..3 {
            let ended = task.ask(to("b", "hello")).await?.ended().await?;
            codes.push(ended.close.map(|close| close.code));
        }
        Ok(Done::new("asked").result(json!(codes)))
    };
    team.add("a", asks_twice).await;
    let costly = |task: Task| async move {
        let left = task.assignment().budget.as_ref().and_then(|budget| budget.tokens);
        let usage = Usage { input_tokens: Some(200), output_tokens: Some(100), ..Usage::default() };
        Ok(Done { usage: Some(usage), ..Done::new("done").result(json!(left)) })
    };
    team.add("b", costly).await;
    let mut query = to("a", "hello");
    query.budget = Some(Budget { tokens: Some(500), ..Budget::default() });
    let ended = team.run(query).await;
    let tree = team.client.tree(ended.id).await.expect("a tree");
    assert_eq!(told(ended).1, json!([null, null, "budget_spent"]));
    let second = team.client.status(tree.branches[2].query.id).await.expect("on record");
    assert_eq!(second.answer.and_then(|answer| answer.result), Some(json!(200)), "what was left is told to the second");
}

#[tokio::test]
async fn a_sub_query_can_set_a_smaller_budget_and_no_larger_one() {
    let mut team = Team::new().await;
    let asks_with = |task: Task| async move {
        let mut query = to("b", "hello");
        query.budget = Some(Budget { depth: Some(task.text().parse().unwrap_or(0)), ..Budget::default() });
        let ended = task.ask(query).await?.ended().await?;
        Ok(Done::new(ended.notification()).result(ended.answer.and_then(|answer| answer.result).unwrap_or_default()))
    };
    team.add("a", asks_with).await;
    team.add("b", passes_on_to("c")).await;
    team.add("c", says("the end")).await;
    for (root, own, code) in [(8, "0", json!("too_deep")), (8, "1", Value::Null), (1, "9", json!("too_deep"))] {
        let mut query = to("a", own);
        query.budget = Some(Budget { depth: Some(root), ..Budget::default() });
        let ended = team.run(query).await;
        assert_eq!(ended.answer.and_then(|answer| answer.result).unwrap_or_default(), code, "{root} {own}");
    }
}

#[tokio::test]
async fn nobody_asks_on_behalf_of_a_query_that_is_not_in_its_hands() {
    let mut team = Team::new().await;
    let sleepers = super::team::Sleepers::default();
    team.add("a", sleepers.handler()).await;
    team.add("b", says("done")).await;
    let asking = team.client.ask(to("a", "hello")).await.expect("posted");
    sleepers.begun(1).await;
    for (parent, code) in [(asking.id(), "not_delegated"), (agentbus::QueryId::mint(), "unknown_parent")] {
        let mut query = to("b", "hello");
        query.parent = Some(parent);
        let ended = team.run(query).await;
        assert_eq!((ended.state, ended.close.map(|close| close.code)), (State::Rejected, Some(code.to_owned())));
    }
}
