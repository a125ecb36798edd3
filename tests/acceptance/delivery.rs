//! The way of a query: from its requester through the ledger to its agent and back.

use agentbus::{Agent, Done, Event, Fault, Query, State, Task};
use serde_json::json;

use crate::bus::{TestBus, name};

fn echo() -> impl agentbus::Handler {
    |task: Task| async move {
        let mut progress = agentbus::protocol::Extra::new();
        progress.insert("read".to_owned(), json!(1));
        task.progress("reading", progress).await?;
        Ok(Done::new("Echoed.").result(json!({ "text": task.text() })))
    }
}

#[tokio::test]
async fn a_query_goes_to_its_agent_and_its_answer_comes_back() {
    let bus = TestBus::start().await;
    let (_agent, _serving) = bus.serve(Agent::new(name("echo")).answers("get_*"), echo()).await;
    let client = bus.client("alice").await;

    let mut asking = client.ask(Query::new(name("alice"), "get_echo", "hello")).await.expect("posted");
    let mut statuses = Vec::new();
    let ended = loop {
        match asking.next().await.expect("it goes on") {
            Event::Progress(progress) => statuses.push(progress.status),
            Event::Ended(ended) => break ended,
            Event::Accepted(agent) => assert_eq!(agent, name("echo")),
            Event::Question(question) => panic!("nothing is asked: {question:?}"),
        }
    };

    assert_eq!(ended.state, State::Completed);
    assert_eq!(statuses, ["reading"]);
    assert_eq!(ended.answer.as_ref().and_then(|answer| answer.result.clone()), Some(json!({ "text": "hello" })));
    let record = client.history(asking.id()).await.expect("it is on record");
    assert_eq!(record.state, State::Completed);
    let kinds: Vec<_> = record.messages.iter().map(|message| message.kind.as_str()).collect();
    assert_eq!(kinds, ["query", "assign", "accept", "progress", "answer"]);
    assert_eq!(record.decision.expect("it was routed").agent, Some(name("echo")));
}

/// The kinds of a query's messages, in ledger order.
async fn messages(client: &agentbus::Bus, to: &str, text: &str) -> Vec<agentbus::Kind> {
    let mut query = Query::new(name("alice"), "request", text);
    query.target = Some(name(to));
    let ended = client.ask(query).await.expect("posted").ended().await.expect("it ends");
    assert_eq!(ended.state, State::Completed, "{}", ended.notification());
    let record = client.history(ended.id).await.expect("it is on record");
    assert_eq!(record.attempts.len(), 1);
    assert!(record.attempts[0].accepted_at.is_some(), "its answer shows that it was taken");
    record.messages.iter().map(|message| message.kind).collect()
}

/// Knows one answer by heart.
struct ByHeart;

impl agentbus::Handler for ByHeart {
    fn handle(&self, _: Task) -> futures::future::BoxFuture<'static, Result<Done, Fault>> {
        Box::pin(async { Ok(Done::new("Worked out.")) })
    }

    fn at_once(&self, query: &Query) -> Option<Done> {
        (query.payload.query == "known").then(|| Done::new("By heart."))
    }
}

#[tokio::test]
async fn an_answer_that_needs_no_work_spares_the_acceptance() {
    use agentbus::Kind::{Accept, Answer, Assign, Query};
    let bus = TestBus::start().await;
    let (_agent, _serving) = bus.serve(Agent::new(name("pupil")), ByHeart).await;
    let client = bus.client("alice").await;
    assert_eq!(messages(&client, "pupil", "known").await, [Query, Assign, Answer]);
    assert_eq!(messages(&client, "pupil", "new").await, [Query, Assign, Accept, Answer]);
}

#[tokio::test]
async fn an_attempt_that_asks_for_another_gets_one_and_the_last_failure_is_told() {
    let bus = TestBus::start().await;
    let fail = |task: Task| async move { Err::<Done, _>(Fault::retry("no_luck", format!("attempt {} had no luck", task.attempt()))) };
    let (_agent, _serving) = bus.serve(Agent::new(name("unlucky")), fail).await;
    let client = bus.client("alice").await;

    let mut query = Query::new(name("alice"), "request", "try");
    query.target = Some(name("unlucky"));
    query.attempts = Some(2);
    let ended = client.ask(query).await.expect("posted").ended().await.expect("it ends");

    assert_eq!(ended.state, State::Dead);
    assert!(ended.notification().contains("attempt 2 had no luck"), "{}", ended.notification());
    let record = client.status(ended.id).await.expect("it is on record");
    assert_eq!(record.attempts.len(), 2);
}

#[tokio::test]
async fn a_query_that_no_agent_may_answer_is_unroutable_with_a_hint() {
    let bus = TestBus::start().await;
    let (_agent, _serving) = bus.serve(Agent::new(name("mysql-expert")), echo()).await;
    let client = bus.client("alice").await;

    let mut query = Query::new(name("alice"), "request", "hello");
    query.target = Some(name("mysql-exprt"));
    let ended = client.ask(query).await.expect("posted").ended().await.expect("it ends");

    assert_eq!(ended.state, State::Unroutable);
    let hint = ended.close.and_then(|close| close.hint).expect("a hint");
    assert!(hint.contains("mysql-expert"), "{hint}");
}

#[tokio::test]
async fn an_ending_is_learnt_however_many_other_letters_come() {
    let bus = TestBus::start().await;
    let (_agent, _serving) = bus.serve(Agent::new(name("echo")).answers("*"), echo()).await;
    let client = bus.client("alice").await;
    let id = client.ask(Query::new(name("alice"), "request", "hello")).await.expect("posted").ended().await.expect("it ends").id;

    // Its end was signalled before anybody followed it, and now somebody writes to it without end.
    let mut following = client.follow(id).await.expect("it is on record");
    let noise = json!({"agent": "noisy", "status": "shouting"}).to_string().into_bytes();
    let to_alice =
        protocol::Subject::new(agentbus::Kind::Progress, id, name("noisy"), protocol::To::One(name("alice"))).expect("a subject");
    let noisy = bus.client("noisy").await;
    for _ in 0..50 {
        noisy.connection().append_bytes(&to_alice, noise.clone(), None).await.expect("stored");
    }
    client.connection().sentinel().await.expect("delivered");
    let first = following.next().await.expect("an event");
    assert!(matches!(&first, Event::Ended(ended) if ended.state == State::Completed), "{first:?}");
}

#[tokio::test]
async fn an_answer_that_nobody_could_read_ends_its_query_as_failed() {
    let bus = TestBus::start().await;
    let deep = |levels: usize| (0..levels).fold(serde_json::Value::from(1), |inner, _| serde_json::json!([inner]));
    let (_agent, _serving) =
        bus.serve(Agent::new(name("deep")), move |_: Task| async move { Ok(Done::new("Here it is.").result(deep(80))) }).await;
    let client = bus.client("alice").await;
    let mut query = Query::new(name("alice"), "request", "How deep is it?");
    query.target = Some(name("deep"));
    let ended = client.ask(query).await.expect("it is posted").ended().await.expect("it ends");
    assert_eq!(ended.state, State::Failed);
    let failure = ended.answer.and_then(|answer| answer.failure).expect("why it failed");
    assert!(failure.code == "invalid_answer" && failure.message.contains("64 levels"), "{failure:?}");
}

#[tokio::test]
async fn an_answer_with_a_bill_that_makes_no_sense_is_an_answer_all_the_same() {
    let bus = TestBus::start().await;
    let bills = |_: Task| async move {
        let usage = serde_json::from_value(serde_json::json!({ "input_tokens": u64::MAX, "output_tokens": 7 })).expect("a bill");
        Ok(Done { usage: Some(usage), ..Done::new("Here it is.") })
    };
    let (_agent, _serving) = bus.serve(Agent::new(name("dear")), bills).await;
    let client = bus.client("alice").await;
    let query = Query { target: Some(name("dear")), ..Query::new(name("alice"), "request", "What does it cost?") };
    let ended = client.ask(query).await.expect("it is posted").ended().await.expect("it ends");
    assert_eq!(ended.state, State::Completed);
    let usage = ended.answer.and_then(|answer| answer.usage).expect("the rest of the bill");
    assert_eq!((usage.input_tokens, usage.output_tokens), (None, Some(7)));
}
