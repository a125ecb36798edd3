//! A session asks: answers with their record, questions on the way, cancelling, and what it has to say itself.

use agentbus::{Kind, Start, State, Watch};
use serde_json::{Value, json};

use super::{World, session::Session};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_the_record_in_data_and_in_words() {
    let world = World::start().await;
    let mut session = Session::start(&world.url(), "alice").await;
    let result = session.call("ask", json!({ "text": "count to 3", "to": "counter", "tags": ["numbers"] })).await;
    let record = &result["structuredContent"];
    assert_eq!((&result["isError"], &record["state"]), (&json!(false), &json!("completed")), "{result}");
    assert_eq!((&record["requester"], &record["answer"]["result"]), (&json!("alice"), &json!({ "counted": 3 })));
    let text = result["content"][0]["text"].as_str().expect("words");
    assert!(text.contains("Counted to 3.") && text.contains("\"counted\": 3"), "{text}");

    let status = session.call("status", json!({ "id": record["id"] })).await;
    assert_eq!(&status["structuredContent"], record, "one shape for all");
    let history = session.call("history", json!({ "id": record["id"] })).await;
    let kinds: Vec<_> = history["structuredContent"]["messages"].as_array().expect("messages").iter().map(|m| m["kind"].clone()).collect();
    assert_eq!(kinds, ["query", "assign", "accept", "progress", "progress", "progress", "answer"].map(Value::from));
    let read = session.begin("resources/read", json!({ "uri": format!("agentbus://queries/{}", record["id"].as_str().unwrap()) })).await;
    let read = session.answer(read).await;
    let whole: Value = serde_json::from_str(read["result"]["contents"][0]["text"].as_str().expect("a text")).expect("JSON");
    assert_eq!(whole, history["structuredContent"]);
    let listed = session.call("list_queries", json!({ "state": "completed" })).await;
    assert_eq!(listed["structuredContent"]["queries"][0]["id"], record["id"]);
    assert_eq!(session.end().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_ending_is_an_error_with_a_code() {
    let world = World::start().await;
    let mut session = Session::start(&world.url(), "alice").await;
    assert_eq!(session.refused("ask", json!({ "text": "dance", "to": "counter" })).await, "no_such_word");
    assert_eq!(session.refused("ask", json!({ "text": "count", "to": "nobody-here" })).await, "no_agent");
    let late = session.refused("ask", json!({ "text": "wait", "to": "counter", "timeout_s": 1 })).await;
    assert_eq!(world.newest(State::Expired).await.to_string().len(), 36, "{late}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_cancelled_cancels_its_query() {
    let world = World::start().await;
    let mut session = Session::start(&world.url(), "alice").await;
    let call = session.calling("ask", json!({ "text": "wait", "to": "counter" })).await;
    session.told("counter: waiting").await;
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": call, "reason": "enough" } });
    session.send(cancel.clone()).await;
    session.send(cancel).await;
    let id = world.newest(State::Cancelled).await;
    session.is_well().await;
    // It is over: another cancel says so.
    assert_eq!(session.refused("cancel", json!({ "id": id })).await, "ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_leaves_its_query_running() {
    let world = World::start().await;
    let mut session = Session::start(&world.url(), "alice").await;
    let _ = session.calling("ask", json!({ "text": "wait", "to": "counter" })).await;
    session.told("counter: waiting").await;
    assert_eq!(session.end().await, Some(0));
    let id = world.newest(State::Working).await;

    let mut session = Session::start(&world.url(), "alice").await;
    let waited = session.call("wait_for_answer", json!({ "id": id, "wait_s": 0 })).await;
    assert_eq!(waited["structuredContent"], json!({ "id": id, "ended": false }));
    session.call("cancel", json!({ "id": id, "reason": "enough" })).await;
    assert_eq!(session.refused("wait_for_answer", json!({ "id": id })).await, "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_handed_to_the_session_and_replied_to() {
    let world = World::start().await;
    let mut session = Session::start(&world.url(), "alice").await;
    let asked = session.call("ask", json!({ "text": "confirm", "to": "counter" })).await;
    let found = &asked["structuredContent"];
    assert_eq!((&found["ended"], &found["question"]["text"]), (&json!(false), &json!("Are you sure?")), "{asked}");
    let id = found["id"].clone();
    assert_eq!(session.refused("reply", json!({ "id": id, "reply": "perhaps" })).await, "not_a_choice");
    let again = session.call("wait_for_answer", json!({ "id": id })).await;
    assert_eq!(again["structuredContent"]["question"], found["question"], "it is still open");
    session.call("reply", json!({ "id": id, "reply": "yes" })).await;
    let answer = session.call("wait_for_answer", json!({ "id": id })).await;
    assert_eq!(answer["structuredContent"]["answer"]["result"], "yes", "{answer}");
    assert_eq!(session.refused("reply", json!({ "id": id, "reply": "yes" })).await, "ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_says_is_said_in_its_name() {
    let world = World::start().await;
    let mut session = Session::start(&world.url(), "alice").await;
    session.call("set_fact", json!({ "key": "team.size", "value": 12, "source": "the org chart" })).await;
    let facts = session.call("get_facts", json!({ "key": "team" })).await;
    let fact = &facts["structuredContent"]["facts"][0];
    assert_eq!((&fact["value"], &fact["observed_by"], &fact["source"]), (&json!(12), &json!("alice"), &json!("the org chart")));
    assert_eq!(session.call("get_facts", json!({ "key": "tea" })).await["structuredContent"]["facts"], json!([]));

    session.call("report_progress", json!({ "status": "building", "progress": { "step": 2 } })).await;
    let report = said(&world, Kind::Progress).await;
    assert_eq!((&report["agent"], &report["status"], &report["progress"]), (&json!("alice"), &json!("building"), &json!({ "step": 2 })));
    session.call("notify_delivery", json!({ "text": "The first thing is done." })).await;
    let notice = said(&world, Kind::Notice).await;
    assert_eq!((&notice["agent"], &notice["delivery"]), (&json!("alice"), &json!("The first thing is done.")));

    let agents = session.call("list_agents", json!({ "contains": "count", "live": true })).await;
    assert_eq!(agents["structuredContent"]["agents"][0]["name"], "counter", "{agents}");
    let route = session.call("explain_route", json!({ "text": "count to 3", "to": "counter" })).await;
    assert_eq!((&route["structuredContent"]["agent"], &route["structuredContent"]["step"]), (&json!("counter"), &json!("target")));
}

/// The first message of this kind that stands in the ledger.
async fn said(world: &World, kind: Kind) -> Value {
    let watch = Watch { kind: Some(kind), start: Start::First, ..Watch::default() };
    let mut watcher = world.client.watch(watch).await.expect("the ledger");
    watcher.next().await.body.expect("a message").to_value()
}
