//! The context manager asks experts what no fact tells it: whom, what it makes of what they say, and whom never.
//! The context manager is the real one, in a process of its own; experts are agents of this process, or commands.

mod site;

use agentbus::{Done, Fault, Query, State, Task};
use serde_json::{Value, json};
use testkit::eventually_async;

use site::{CALENDAR, QA, SRE, Site, children, fact, says, tells, topic, waits};

const ABOUT: &str = "Context needed: test coverage, error budget, growth projections";

#[tokio::test(flavor = "multi_thread")]
async fn an_expert_is_asked_what_no_fact_tells() {
    let site = Site::new().await;
    site.expert("qa", QA, tells(json!([fact("test.coverage", 81, "alice")]))).await;
    site.expert("sre", SRE, says("Half of it is left.")).await;
    let manager = site.manager();
    let ended = site.ask(ABOUT).await;
    let answer = ended.answer.clone().expect("an answer");
    let asked = "Answered 2 of 3 topics: 2 known, 0 by evidence only; 1 unknown. Asked qa (completed), sre (completed).";
    assert_eq!((ended.notification(), answer.unknown), (asked, vec!["growth projections".to_owned()]));

    // A fact comes with whoever observed it, a statement with whoever made it.
    let coverage = &topic(&ended, "test coverage")["facts"][0];
    assert_eq!((&coverage["value"], &coverage["observed_by"], &coverage["source"]), (&json!(81), &json!("alice"), &json!("a look")));
    assert_eq!(coverage["observed_at"], "2026-11-01T09:00:00Z");
    let budget = &topic(&ended, "error budget")["facts"][0];
    assert_eq!(
        (&budget["value"], &budget["observed_by"], &budget["key"]),
        (&json!("Half of it is left."), &json!("sre"), &json!("error_budget"))
    );
    let children = children(&site.client, ended.id).await;
    assert_eq!(budget["source"], format!("answer of sre, query {}", children[1].2));
    assert_eq!(answer.facts.len(), 2);

    let agents: Vec<_> = children.iter().map(|(agent, state, _)| (agent.as_str(), *state)).collect();
    assert_eq!(agents, [("qa", State::Completed), ("sre", State::Completed)]);
    let record = site.client.history(children[0].2).await.expect("on record");
    assert_eq!((&record.query["payload"]["query"], &record.query["parent"]), (&json!("test coverage"), &json!(ended.id)));
    assert_eq!((record.requester.as_str(), &record.query["path"]), ("context-manager", &json!(["alice", "context-manager"])));
    let result = answer.result.expect("a result");
    assert_eq!((&result["asked"][0]["agent"], &result["asked"][0]["id"]), (&json!("qa"), &json!(children[0].2)));

    let reports = site.client.history(ended.id).await.expect("on record").messages;
    let reports: Vec<_> = reports.iter().filter_map(|message| message.body["status"].as_str()).collect();
    assert!(reports.contains(&"asking qa: test coverage") && reports.contains(&"asking sre: error budget"), "{reports:?}");
    let drawn = site.run(&["history", "--tree", &ended.id.to_string()]);
    assert!(drawn.contains("├─ qa") && drawn.contains("└─ sre"), "{drawn}");
    drop(manager);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_expert_has_observed_itself_is_known_from_then_on() {
    let site = Site::new().await;
    site.expert("qa", QA, tells(json!([fact("test.coverage", 81, "qa")]))).await;
    let _manager = site.manager();
    let first = site.ask("test coverage").await;
    assert_eq!(children(&site.client, first.id).await.len(), 1);
    let second = site.ask("test coverage").await;
    assert_eq!((topic(&second, "test coverage")["status"].as_str(), children(&site.client, second.id).await.len()), (Some("known"), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expert_of_two_topics_is_asked_once() {
    let site = Site::new().await;
    let facts = json!([fact("test.coverage", 81, "qa"), fact("tests.flaky", 3, "qa")]);
    site.expert("qa", QA, tells(facts)).await;
    let _manager = site.manager();
    let ended = site.ask("Context needed: flaky tests, test coverage").await;
    assert_eq!(
        (topic(&ended, "flaky tests")["facts"][0]["value"].as_u64(), topic(&ended, "test coverage")["status"].as_str()),
        (Some(3), Some("known"))
    );
    let children = children(&site.client, ended.id).await;
    assert_eq!(children.len(), 1, "{children:?}");
    let record = site.client.status(children[0].2).await.expect("on record");
    assert_eq!(record.query["payload"]["query"], "Context needed: flaky tests; test coverage.");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expert_that_does_not_know_leaves_the_topic_unknown() {
    let site = Site::new().await;
    let shrugs = |task: Task| async move { Ok(Done { unknown: vec![task.text().to_owned()], ..Done::new("I have looked.") }) };
    site.expert("qa", QA, shrugs).await;
    let fails = |_: Task| async move { Err::<Done, _>(Fault::fail("no_data", "there is no data")) };
    site.expert("sre", SRE, fails).await;
    let _manager = site.manager();
    let ended = site.ask(ABOUT).await;
    let answer = ended.answer.expect("an answer");
    assert_eq!((ended.state, answer.unknown.len(), answer.facts.len()), (State::Completed, 3, 0), "{}", answer.delivery);
    assert!(answer.delivery.ends_with("3 unknown. Asked qa (completed), sre (failed)."), "{}", answer.delivery);
    assert_eq!(answer.result.expect("a result")["asked"][1]["problem"], "no_data");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expert_that_is_late_does_not_hold_up_the_answer() {
    let site = Site::new().await;
    let (late, _) = waits();
    site.expert("sre", SRE, late).await;
    site.expert("qa", QA, says("81 percent")).await;
    let _manager = site.manager();
    let mut query = site.query(ABOUT);
    query.timeout_ms = Some(4_000);
    let ended = site.client.ask(query).await.expect("posted").ended().await.expect("it ends");
    let answer = ended.answer.clone().unwrap_or_else(|| panic!("{:?}", ended.close));
    assert_eq!((ended.state, answer.unknown), (State::Completed, vec!["error budget".to_owned(), "growth projections".to_owned()]));
    assert_eq!(topic(&ended, "test coverage")["status"], "known");
    assert!(answer.delivery.ends_with("Asked qa (completed), sre (expired)."), "{}", answer.delivery);
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_that_wait_for_experts_do_not_hold_up_others() {
    let site = Site::new().await;
    let (handler, _gone) = waits();
    site.expert("sre", SRE, handler).await;
    let _manager = site.manager();
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(site.client.ask(site.query("error budget")).await.expect("posted"));
    }
    let ended = site.ask("growth projections").await;
    assert_eq!(ended.notification(), "Answered 0 of 1 topic: 0 known, 0 by evidence only; 1 unknown.");
    for asking in waiting {
        assert!(!site.client.status(asking.id()).await.expect("on record").state.is_terminal());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_ends_with_the_query() {
    let site = Site::new().await;
    let (handler, mut gone) = waits();
    site.expert("sre", SRE, handler).await;
    let _manager = site.manager();
    let asking = site.client.ask(site.query("error budget")).await.expect("posted");
    let id = asking.id();
    eventually_async("the expert is at work", || async {
        let children = children(&site.client, id).await;
        if children.iter().any(|(_, state, _)| *state == State::Accepted) { Ok(()) } else { Err(format!("{children:?}")) }
    })
    .await;
    site.client.cancel(id, None).await.expect("cancelled");
    assert_eq!(asking.ended().await.expect("it ends").state, State::Cancelled);
    gone.recv().await.expect("its handler was let go of");
    let children = children(&site.client, id).await;
    let record = site.client.status(children[0].2).await.expect("on record");
    assert_eq!((record.state, record.close.map(|close| close.code)), (State::Cancelled, Some("parent_ended".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_the_answer_is_not_asked() {
    let site = Site::new().await;
    // Each knows best itself, and asks the context manager all the same: as its requester, and further up.
    let asks = |task: Task| async move {
        let query = Query::new(task.agent().clone(), "get_test_context", "test coverage");
        let ended = task.ask(query).await?.ended().await?;
        let answer = ended.answer.map(|answer| (answer.agent.to_string(), answer.unknown));
        Ok(Done::new("asked").result(json!(answer)))
    };
    site.expert("qa", QA, asks).await;
    let _manager = site.manager();
    let mut query = site.query("hello");
    (query.request_type, query.target) = ("request".to_owned(), Some("qa".parse().expect("a name")));
    let ended = site.client.ask(query).await.expect("posted").ended().await.expect("it ends");
    assert_eq!(ended.answer.clone().and_then(|answer| answer.result), Some(json!(["context-manager", ["test coverage"]])), "{ended:?}");
    let tree = site.client.tree(ended.id).await.expect("a tree");
    assert_eq!(tree.branches.len(), 2, "qa, and the context manager below it: {tree:?}");

    // An expert that asks back does not find the context manager, which waits for it.
    let outer = site.ask("test coverage").await;
    let told = &topic(&outer, "test coverage")["facts"][0]["value"];
    assert_eq!((told, children(&site.client, outer.id).await.len()), (&json!("asked"), 2), "{outer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expert_that_may_cost_money_is_asked_only_where_that_is_allowed() {
    let site = Site::new().await;
    site.expert_with("qa", "llm", QA, says("81 percent")).await;
    let manager = site.manager();
    let ended = site.ask("test coverage").await;
    let refused = "Answered 0 of 1 topic: 0 known, 0 by evidence only; 1 unknown. Not asked, since that may cost money: qa.";
    assert_eq!((ended.notification(), children(&site.client, ended.id).await.len()), (refused, 0));
    drop(manager);

    site.write("agentbus.toml", "[delegation]\nmay_cost = [\"qa\"]\n");
    let _manager = site.manager();
    let ended = site.ask("test coverage").await;
    assert_eq!(topic(&ended, "test coverage")["facts"][0]["value"], "81 percent");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_context_manager_asks_others() {
    let site = Site::new().await;
    site.expert("qa", QA, says("81 percent")).await;
    site.write(".claude/agents/librarian.md", "---\nname: librarian\ndescription: Keeps books.\n---\n");
    // A file of its own, as it is published, takes nothing away from it.
    site.write(".claude/agents/context-manager.md", "---\nname: context-manager\ndescription: Knows all.\ntools: Read\n---\n\nYou know.\n");
    let _manager = site.manager();
    let mut query = site.query("test coverage");
    query.target = Some("librarian".parse().expect("a name"));
    let ended = site.client.ask(query).await.expect("posted").ended().await.expect("it ends");
    assert_eq!(
        (ended.notification(), children(&site.client, ended.id).await.len()),
        ("Answered 0 of 1 topic: 0 known, 0 by evidence only; 1 unknown.", 0)
    );

    let mut query = site.query("test coverage");
    query.target = None;
    let ended = site.client.ask(query).await.expect("posted").ended().await.expect("it ends");
    assert_eq!(ended.answer.as_ref().map(|answer| answer.agent.as_str()), Some("context-manager"));
    assert_eq!(children(&site.client, ended.id).await.len(), 1);

    site.write("agentbus.toml", "[agents.\"context-manager\"]\ndelegates = false\n");
    drop(_manager);
    let _manager = site.manager();
    let ended = site.ask("test coverage").await;
    assert_eq!(children(&site.client, ended.id).await.len(), 0, "where the owner of the bus does not want it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_an_expert() {
    let site = Site::new().await;
    let bus = "bus: {handler: exec, command: [sh, releases.sh]}";
    site.write(".claude/agents/release-keeper.md", &format!("---\nname: release-keeper\ndescription: {CALENDAR}\n{bus}\n---\n"));
    let fact = json!({ "type": "fact", "key": "release.date", "value": "2026-12-01", "source": "RELEASES.md" });
    let answer = json!({ "type": "answer", "delivery": "One is planned." });
    site.write("releases.sh", &format!("read query\necho '{fact}'\necho '{answer}'\n"));
    let _ = site.run(&["trust", "."]);
    let _manager = site.manager();
    let ended = site.ask("Context needed: release date, budget").await;
    let date = &topic(&ended, "release date")["facts"][0];
    assert_eq!((&date["value"], &date["observed_by"]), (&json!("2026-12-01"), &json!("release-keeper")));
    assert_eq!(date["source"], "RELEASES.md; told by the command: sh releases.sh");
    assert_eq!(ended.answer.map(|answer| answer.unknown), Some(vec!["budget".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_without_sub_queries_asks_nobody() {
    let site = Site::new().await;
    site.expert("qa", QA, says("81 percent")).await;
    let _manager = site.manager();
    for budget in [json!({ "queries": 0 }), json!({ "depth": 0 })] {
        let mut query = site.query("test coverage");
        query.budget = serde_json::from_value(budget).expect("a budget");
        let ended = site.client.ask(query).await.expect("posted").ended().await.expect("it ends");
        assert_eq!(ended.answer.as_ref().and_then(|answer| answer.result.as_ref()).map(|result| &result["asked"]), Some(&Value::Null));
        assert_eq!(children(&site.client, ended.id).await.len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_agents_only_those_are_told_that_are_asked_about() {
    let site = Site::new().await;
    site.write(".claude/agents/librarian.md", "---\nname: librarian\ndescription: Keeps books.\n---\n\n## Shelves and catalogues\n");
    let _manager = site.manager();
    let whole = site.client.agents().await.expect("the agents");
    let cards: Vec<_> = whole.iter().map(|one| (one.card.agent.as_str(), one.card.extra.contains_key("about"))).collect();
    assert_eq!(cards, [("context-manager", true), ("librarian", true), ("painter", false)]);
    let present = site.client.present(&["librarian", "nobody"].map(crate::bus::name)).await.expect("the agent");
    let told: Vec<_> = present.iter().map(|one| (one.card.agent.as_str(), one.card.extra.len(), one.instances.len())).collect();
    assert_eq!(told, [("librarian", 0, 1)]);
    assert_eq!(present[0].card.description, "Keeps books.");
}
