//! A session serves: it waits for a request, works, asks back, answers; and what it leaves is given back.

use agentbus::{Asking, Query, State};
use serde_json::{Value, json};
use testkit::eventually_async;

use super::{World, session::Session};
use crate::bus::name;

/// Somebody asks the reviewer.
async fn ask(world: &World, text: &str) -> Asking {
    let mut query = Query::new(name("observer"), "review", text);
    query.target = Some(name("reviewer"));
    world.client.ask(query).await.expect("posted")
}

/// A session that serves as the reviewer, and is known.
async fn reviewer(world: &World) -> Session {
    let mut session = Session::start(&world.url(), "reviewer").await;
    let nothing = session.call("wait_for_request", json!({ "wait_s": 0 })).await;
    assert_eq!((&nothing["isError"], &nothing["structuredContent"]), (&json!(false), &json!({ "request": null })), "{nothing}");
    session
}

/// The request that it takes.
async fn taken(session: &mut Session) -> Value {
    let result = session.call("wait_for_request", json!({ "wait_s": 20 })).await;
    let request = result["structuredContent"]["request"].clone();
    assert!(request.is_object(), "{result}");
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_takes_a_request_asks_back_and_answers() {
    let world = World::start().await;
    let mut session = reviewer(&world).await;
    let asking = ask(&world, "Is this right?").await;
    let request = taken(&mut session).await;
    assert_eq!((&request["text"], &request["requester"]), (&json!("Is this right?"), &json!("observer")));
    let id = request["id"].clone();
    session.call("progress_request", json!({ "id": id, "status": "reading", "progress": { "files": 2 } })).await;

    let back = session.calling("ask_requester", json!({ "id": id, "text": "Which branch?" })).await;
    eventually_async("the question", || async {
        world.client.reply(asking.id(), None, "main".into()).await.map_err(|error| error.to_string())
    })
    .await;
    let back = session.answer(back).await;
    assert_eq!(back["result"]["structuredContent"]["reply"], "main", "{back}");

    let fact = json!({ "key": "review.lines", "value": 40, "source": "counted by hand" });
    let answer = json!({ "id": id, "delivery": "Reviewed.", "result": { "right": true }, "facts": [fact], "unknown": ["the author"] });
    session.call("answer_request", answer.clone()).await;
    assert_eq!(session.refused("answer_request", answer).await, "not_in_hand", "answered once");
    let ended = asking.ended().await.expect("it ends");
    let answer = ended.answer.expect("an answer");
    assert_eq!((ended.state, answer.delivery.as_str(), answer.result), (State::Completed, "Reviewed.", Some(json!({ "right": true }))));
    assert_eq!((answer.facts[0].observed_by.as_str(), answer.unknown.as_slice()), ("reviewer", ["the author".to_owned()].as_slice()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_released_or_left_behind_is_given_back() {
    let world = World::start().await;
    let mut session = reviewer(&world).await;
    let asking = ask(&world, "Is this right?").await;
    let first = taken(&mut session).await;
    session.call("release_request", json!({ "id": first["id"] })).await;
    assert_eq!(session.refused("progress_request", json!({ "id": first["id"], "status": "reading" })).await, "not_in_hand");
    let second = taken(&mut session).await;
    assert_eq!(second["id"], first["id"], "it can be taken again");
    assert_eq!(session.end().await, Some(0));

    let mut session = reviewer(&world).await;
    let third = taken(&mut session).await;
    assert_eq!(third["id"], first["id"]);
    let bad = json!({ "id": third["id"], "delivery": "I cannot.", "failed": { "code": "Not A Word" } });
    assert_eq!(session.refused("answer_request", bad).await, "bad_arguments");
    session.call("answer_request", json!({ "id": third["id"], "delivery": "I cannot.", "failed": { "code": "no_access" } })).await;
    let ended = asking.ended().await.expect("it ends");
    assert_eq!(
        (ended.state, ended.answer.and_then(|answer| answer.failure).map(|failure| failure.code)),
        (State::Failed, Some("no_access".into()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_too_large_for_a_message_is_kept_apart() {
    let world = World::start().await;
    let mut session = reviewer(&world).await;
    let asking = ask(&world, "Is this right?").await;
    let id = taken(&mut session).await["id"].clone();
    let long = "x".repeat(300 << 10);
    session.call("answer_request", json!({ "id": id, "delivery": "Reviewed at length.", "result": long })).await;
    let answer = asking.ended().await.expect("it ends").answer.expect("an answer");
    assert_eq!(answer.result, Some(json!(long)), "the SDK puts it back");
    let status = session.call("status", json!({ "id": id })).await;
    let text = status["content"][0]["text"].as_str().expect("words");
    assert!(text.contains("result.json, ") && text.contains("agentbus attachment ") && text.len() < 2000, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_cancelled_is_in_hand_no_more() {
    let world = World::start().await;
    let mut session = reviewer(&world).await;
    let asking = ask(&world, "Is this right?").await;
    let id = taken(&mut session).await["id"].clone();
    let back = session.calling("ask_requester", json!({ "id": id, "text": "Which branch?" })).await;
    asking.cancel(None).await.expect("cancelled");
    let ended = asking.ended().await.expect("it ends");
    assert_eq!(ended.state, State::Cancelled);
    let back = session.answer(back).await;
    assert_eq!(back["result"]["structuredContent"]["error"]["code"], "stopped", "{back}");
    assert_eq!(session.refused("progress_request", json!({ "id": id, "status": "reading" })).await, "stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_is_cancelled_takes_nothing() {
    let world = World::start().await;
    let mut session = reviewer(&world).await;
    let call = session.calling("wait_for_request", json!({ "wait_s": 600 })).await;
    session.is_well().await;
    session.send(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": call } })).await;
    session.is_well().await;
    let asking = ask(&world, "Is this right?").await;
    assert_eq!(taken(&mut session).await["id"], json!(asking.id()), "it was left for the next call");
}
