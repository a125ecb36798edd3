//! The coordinator's API as a plain NATS client sees it.

use std::time::Duration;

use agentbus::{Agent, Done, QueryId, Task};
use serde_json::{Value, json};

use crate::bus::{TestBus, name};

async fn call(client: &agentbus::Bus, endpoint: &str, body: impl Into<Vec<u8>>) -> Value {
    let subject = client.space().api(endpoint, &client.name().token());
    let answer = client.connection().request_within(subject, body.into(), Duration::from_secs(20)).await.expect("an answer");
    serde_json::from_slice(&answer.payload).expect("JSON")
}

#[tokio::test]
async fn a_plain_request_gets_its_answer() {
    let bus = TestBus::start().await;
    let echo = |task: Task| async move { Ok(Done::new("Echoed.").result(json!(task.text()))) };
    let (_agent, _serving) = bus.serve(Agent::new(name("echo")).answers("get_*"), echo).await;
    let client = bus.client("alice").await;
    let query = json!({"requesting_agent": "alice", "request_type": "get_echo", "payload": {"query": "hello"}}).to_string();

    let record = call(&client, "ask", query.clone()).await;
    assert_eq!((&record["state"], &record["answer"]["result"]), (&json!("completed"), &json!("hello")), "{record:#}");

    let posted = call(&client, "post", query.clone()).await;
    let id = posted["id"].as_str().expect("an id").to_owned();
    let status = call(&client, "status", id.clone()).await;
    assert_eq!(status["id"], json!(id));
    let listed = call(&client, "list", "").await;
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed:#}");
    let decision = call(&client, "route", query.clone()).await;
    assert_eq!((&decision["agent"], &decision["step"]), (&json!("echo"), &json!("registration")), "{decision:#}");
    let agents = call(&client, "agents", "").await;
    assert_eq!(agents[0]["card"]["agent"], json!("echo"));
    assert_eq!(agents[0]["instances"].as_array().map(Vec::len), Some(1));

    let mut again: Value = serde_json::from_str(&query).expect("JSON");
    again["id"] = json!(id);
    let repeated = call(&client, "post", again.to_string()).await;
    assert_eq!(
        (&repeated["seq"], &repeated["repeated"]),
        (&posted["seq"], &json!(true)),
        "the id that it got names the same query: {repeated:#}"
    );
    again["payload"]["query"] = json!("goodbye");
    assert_eq!(call(&client, "post", again.to_string()).await["error"]["code"], json!("conflict"));
}

#[tokio::test]
async fn what_cannot_be_answered_says_why() {
    let bus = TestBus::start().await;
    let client = bus.client("alice").await;
    let wrong = json!({"requesting_agent": "alice", "request_type": "x", "payload": {}}).to_string();

    let asked = call(&client, "ask", wrong.clone()).await;
    assert_eq!((&asked["state"], &asked["close"]["pointer"]), (&json!("rejected"), &json!("/payload/query")), "{asked:#}");
    let posted = call(&client, "post", wrong).await;
    assert_eq!(
        (&posted["error"]["code"], &posted["error"]["pointer"]),
        (&json!("schema_violation"), &json!("/payload/query")),
        "{posted:#}"
    );
    assert_eq!(call(&client, "status", QueryId::mint().to_string()).await["error"]["code"], json!("not_found"));
    assert_eq!(call(&client, "status", "nonsense").await["error"]["code"], json!("malformed_json"));
    assert_eq!(call(&client, "list", "{\"state\": \"nowhere\"}").await["error"]["code"], json!("schema_violation"));
    assert_eq!(call(&client, "cancel", json!({"id": QueryId::mint()}).to_string()).await["error"]["code"], json!("not_found"));
    let garbage = call(&client, "ask", "\u{feff}{").await;
    assert_eq!((&garbage["state"], &garbage["close"]["code"]), (&json!("rejected"), &json!("malformed_json")));
}

#[tokio::test]
async fn nothing_is_answered_to_a_subject_that_is_no_inbox() {
    let bus = TestBus::start().await;
    let client = bus.client("alice").await;
    let forged = client.space().end(&name("bob"), QueryId::mint());
    let mut bobs = client.connection().subscribe(client.space().ends(&name("bob"))).await.expect("subscribed");
    client.connection().publish_with_reply(client.space().api("agents", "alice"), forged, Vec::new()).await.expect("sent");
    // The API has seen the call above when it answers this one, which came after it.
    call(&client, "agents", "").await;
    client.connection().sentinel().await.expect("delivered");
    assert!(tokio::time::timeout(Duration::ZERO, bobs.next()).await.is_err(), "the coordinator wrote for somebody else");
}
