//! One question to several agents: whom it reaches, how many answers it waits for, and that every part is named
//! (F32).

use agentbus::{Done, Ended, Fault, Gather, Query, State, Task, Until};
use serde_json::json;
use testkit::{Process, agentbus};

use super::team::{Sleepers, Team, says, to};
use crate::bus::name;

fn gathering(gather: Gather) -> Query {
    Query { gather: Some(gather), ..Query::new(name("cli"), "review", "Is it safe?") }
}

fn named(agents: &[&str]) -> Gather {
    Gather { to: Some(agents.iter().map(|agent| name(agent)).collect()), ..Gather::default() }
}

/// The parts of an answer: agent, state, delivery notification.
fn parts(ended: &Ended) -> Vec<(String, State, String)> {
    let parts = &ended.answer.as_ref().unwrap_or_else(|| panic!("{ended:?}")).parts;
    parts.iter().map(|part| (part.agent.to_string(), part.state, part.delivery.clone().unwrap_or_default())).collect()
}

fn completed(agent: &str) -> (String, State, String) {
    (agent.to_owned(), State::Completed, format!("{agent} says yes"))
}

fn yes() -> impl agentbus::Handler {
    |task: Task| async move { Ok(Done::new(format!("{} says yes", task.agent()))) }
}

#[tokio::test]
async fn every_agent_that_is_asked_has_its_part() {
    let mut team = Team::new().await;
    for agent in ["a", "b", "c", "d"] {
        team.add_for(agent, "review", yes()).await;
    }
    for (gather, agents) in [
        (named(&["d", "a"]), vec!["d", "a"]),
        (Gather { top: Some(2), ..Gather::default() }, vec!["a", "b"]),
        (Gather { all: true, ..Gather::default() }, vec!["a", "b", "c", "d"]),
    ] {
        let ended = team.run(gathering(gather)).await;
        assert_eq!(ended.state, State::Completed, "{ended:?}");
        let parts = parts(&ended);
        assert_eq!(parts, agents.into_iter().map(completed).collect::<Vec<_>>());
        let tree = team.client.tree(ended.id).await.expect("a tree");
        assert_eq!(tree.branches.len(), parts.len() + 1);
        assert_eq!(tree.branches[0].query.agent, Some(agentbus::Name::coordinator()));
    }
}

#[tokio::test]
async fn it_waits_for_no_more_answers_than_it_needs() {
    let (mut team, sleepers) = (Team::new().await, Sleepers::default());
    team.add("a", yes()).await;
    team.add("b", yes()).await;
    team.add("c", sleepers.handler()).await;
    for (until, agents, waits) in [(Until::First, vec!["a", "c"], 1), (Until::Quorum(2), vec!["a", "b", "c"], 2)] {
        let ended = team.run(gathering(Gather { until: Some(until), ..named(&agents) })).await;
        assert_eq!(ended.state, State::Completed, "{ended:?}");
        let parts = parts(&ended);
        let (last, others) = parts.split_last().expect("parts");
        assert_eq!(others, others.iter().map(|part| completed(&part.0)).collect::<Vec<_>>());
        assert!(last.0 == "c" && !last.1.is_terminal(), "{last:?}");
        // If it had begun, it was let go of; its query has ended in any case.
        let tree = team.client.tree(ended.id).await.expect("a tree");
        testkit::eventually_async("the part that was not needed ends", || async {
            let record = team.client.status(tree.branches[waits + 1].query.id).await.expect("on record");
            if record.close.is_some_and(|close| close.code == "parent_ended") { Ok(()) } else { Err(record.state) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_fails_and_a_part_that_is_late_are_named() {
    let (mut team, sleepers) = (Team::new().await, Sleepers::default());
    for agent in ["a", "b", "c"] {
        team.add(agent, yes()).await;
    }
    team.add("d", |_: Task| async { Err::<Done, _>(Fault::fail("no_tools", "There is no compiler here.")) }).await;
    team.add("e", sleepers.handler()).await;
    let gather = Gather { timeout_ms: Some(1_500), ..named(&["a", "b", "c", "d", "e"]) };
    let ended = team.run(gathering(gather)).await;
    assert_eq!(ended.state, State::Completed, "{ended:?}");
    let parts = parts(&ended);
    assert_eq!(parts[..3], ["a", "b", "c"].map(completed));
    assert_eq!(parts[3], ("d".to_owned(), State::Failed, "There is no compiler here.".to_owned()));
    assert!(parts[4].0 == "e" && !parts[4].1.is_terminal(), "{:?}", parts[4]);
    let told = ended.notification();
    assert!(told.contains("3 of 5") && told.contains("d: failed (no_tools)") && told.contains("e: had not answered"), "{told}");
    sleepers.gone(1).await;

    let folder = tempfile::tempdir().expect("a folder");
    let words = ["ask", "--gather", "to=a,d,e", "--gather-timeout", "1500ms", "--nats", &team.bus.server.url(), "Is it safe?"];
    let output = Process::run(agentbus(folder.path()).args(words));
    assert_eq!(output.code, Some(0), "{output:?}");
    for part in ["a  completed\n  a says yes", "d  failed\n  There is no compiler here.", "had not answered"] {
        assert!(output.stdout.contains(part), "{}", output.stdout);
    }
    let id = output.stderr.split_whitespace().next().expect("its id");
    let status = Process::run(agentbus(folder.path()).args(["status", id, "--nats", &team.bus.server.url()]));
    assert!(status.stdout.contains("a, d, e, until all have ended") && status.stdout.contains("parts\n  a  "), "{status:?}");
}

#[tokio::test]
async fn it_fails_when_fewer_complete_than_it_needs() {
    let mut team = Team::new().await;
    team.add("a", yes()).await;
    team.add("b", |_: Task| async { Err::<Done, _>(Fault::fail("no_tools", "No.")) }).await;
    let ended = team.run(gathering(Gather { until: Some(Until::Quorum(2)), ..named(&["a", "b"]) })).await;
    assert_eq!(ended.state, State::Failed);
    assert_eq!(parts(&ended).len(), 2, "{ended:?}");
    let nobody = team.run(gathering(named(&["nobody"]))).await;
    assert!(nobody.state != State::Completed, "{nobody:?}");
    let mut targeted = gathering(named(&["a"]));
    targeted.target = Some(name("b"));
    assert_eq!(team.run(targeted).await.state, State::Rejected);
}

#[tokio::test]
async fn an_agent_gathers_on_behalf_of_its_query() {
    let mut team = Team::new().await;
    let asks_all = |task: Task| async move {
        let query = Query { gather: Some(named(&["b", "c", "a"])), ..Query::new(task.agent().clone(), "review", task.text()) };
        let ended = task.ask(query).await?.ended().await?;
        let parts = ended.answer.as_ref().map(|answer| answer.parts.clone()).unwrap_or_default();
        let parts: Vec<_> =
            parts.into_iter().map(|part| json!([part.agent, part.state, part.failure.map(|failure| failure.code)])).collect();
        Ok(Done::new(ended.notification()).result(json!(parts)))
    };
    team.add("a", asks_all).await;
    team.add("b", says("b is here")).await;
    team.add("c", says("c is here")).await;
    let ended = team.run(to("a", "Is it safe?")).await;
    let parts = ended.answer.and_then(|answer| answer.result).expect("parts");
    assert_eq!(parts, json!([["b", "completed", null], ["c", "completed", null], ["a", "rejected", "delegation_cycle"]]));
    let tree = team.client.tree(ended.id).await.expect("a tree");
    assert_eq!(tree.branches.iter().map(|branch| branch.depth).collect::<Vec<_>>(), [0, 1, 2, 2, 2]);
}

#[tokio::test]
async fn whoever_erases_the_whole_erases_its_parts() {
    let mut team = Team::new().await;
    team.add("a", yes()).await;
    let ended = team.run(gathering(named(&["a", "nobody"]))).await;
    let ids: Vec<_> = ended.answer.as_ref().expect("an answer").parts.iter().map(|part| part.id).collect();
    assert_eq!(team.client.erase(ids[0]).await.expect_err("by itself it is the coordinator's").code(), "not_yours");
    let erased = team.client.erase(ended.id).await.expect("her own");
    assert_eq!(erased["parts"], json!(ids), "{erased}");
    for id in ids.into_iter().chain([ended.id]) {
        assert_eq!(team.client.status(id).await.expect_err("it is gone").code(), "erased");
    }
}
