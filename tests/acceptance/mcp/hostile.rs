//! What goes wrong: senseless messages, too large ones, and a NATS that is away at the start, goes during a call, and comes back.

use serde_json::json;
use testkit::{NatsServer, Process, agentbus, kill};

use super::{World, session::Session};
use crate::bus::coordinate;

#[tokio::test(flavor = "multi_thread")]
async fn senseless_messages_are_refused_and_change_nothing() {
    let world = World::start().await;
    let mut session = Session::start(&world.url(), "alice").await;
    for line in ["", "{", "null", "[]", "\u{0}\u{1}", r#"{"jsonrpc":"2.0"}"#, r#"{"jsonrpc":"2.0","id":null,"method":7}"#, "ask everything"]
    {
        session.raw(line).await;
    }
    session.is_well().await;
    let id = session.begin("tools/dance", json!({})).await;
    assert_eq!(session.answer(id).await["error"]["code"], -32601);
    let id = session.begin("tools/call", json!({ "name": "dance", "arguments": {} })).await;
    assert_eq!(session.answer(id).await["error"]["code"], -32602);
    let id = session.begin("resources/read", json!({ "uri": "agentbus://queries/../../etc" })).await;
    assert_eq!(session.answer(id).await["error"]["code"], -32002);

    for (tool, arguments) in [
        ("ask", json!({})),
        ("ask", json!({ "text": 7 })),
        ("ask", json!({ "text": "count", "to": "not a name" })),
        ("ask", json!({ "text": "count", "tpyo": true })),
        ("status", json!({ "id": "7" })),
        ("set_fact", json!({ "key": "bus.*.>", "value": 1, "source": "x" })),
    ] {
        assert_eq!(session.refused(tool, arguments).await, "bad_arguments");
    }
    assert_eq!(session.refused("ask", json!({ "text": "" })).await, "schema_violation");
    session.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_and_the_session_goes_on() {
    let world = World::start().await;
    let mut session = Session::start(&world.url(), "alice").await;
    let large = "x".repeat(9 << 20);
    assert_eq!(session.refused("notify_delivery", json!({ "text": large })).await, "payload_too_large");
    // More than a line may have: it is thrown away unread.
    session.raw(&"x".repeat(17 << 20)).await;
    session.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_so_many_calls_at_once_and_no_more() {
    let world = World::start().await;
    let mut session = Session::start(&world.url(), "alice").await;
    session.call("wait_for_request", json!({ "wait_s": 0 })).await;
    let mut calls = Vec::new();
    for _ in 0..64 {
        calls.push(session.calling("wait_for_request", json!({ "wait_s": 600 })).await);
    }
    assert_eq!(session.refused("list_agents", json!({})).await, "too_many_calls");
    for call in &calls {
        session.send(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": call } })).await;
    }
    session.is_well().await;
    assert_eq!(session.call("list_agents", json!({})).await["isError"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_is_not_there_yet_is_unavailable_and_then_is_used() {
    let mut server = NatsServer::start().await;
    kill(server.pid());
    let mut session = Session::start(&server.url(), "alice").await;
    for (tool, arguments) in [("list_agents", json!({})), ("ask", json!({ "text": "count to 3" })), ("wait_for_request", json!({}))] {
        assert_eq!(session.refused(tool, arguments).await, "unavailable");
    }
    server.restart().await;
    let _coordinator = coordinate(&server.url()).await;
    let facts = loop {
        let facts = session.call("get_facts", json!({})).await;
        if facts["isError"] == false {
            break facts;
        }
        assert_eq!(facts["structuredContent"]["error"]["code"], "unavailable", "it is still said for a moment");
    };
    assert_eq!(facts["structuredContent"]["facts"], json!([]));
    assert_eq!(session.end().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_may_be_killed_and_come_back_during_a_call() {
    let mut world = World::start().await;
    let mut session = Session::start(&world.url(), "alice").await;
    let call = session.calling("ask", json!({ "text": "confirm", "to": "counter" })).await;
    let asked = session.answer(call).await;
    let id = asked["result"]["structuredContent"]["id"].clone();
    session.call("reply", json!({ "id": id, "reply": "yes" })).await;
    let waiting = session.calling("ask", json!({ "text": "wait", "to": "counter", "timeout_s": 600 })).await;
    session.told("counter: waiting").await;

    kill(world.bus.server.pid());
    let away = session.call("list_agents", json!({})).await;
    assert_eq!(away["structuredContent"]["error"]["code"], "unavailable", "{away}");
    world.bus.server.restart().await;

    let found = world.newest(agentbus::State::Working).await;
    world.client.status(found).await.expect("the bus is back");
    session.call("cancel", json!({ "id": found })).await;
    let ended = session.answer(waiting).await;
    assert_eq!(ended["result"]["structuredContent"]["state"], "cancelled", "{ended}");
    session.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_stops_and_starts_elsewhere_is_followed_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let up = || {
        let up = Process::start(agentbus(folder.path()).arg("up"));
        let _ = up.says("Ctrl-C drains");
        up
    };
    let first = up();
    let (mut alice, mut reviewer) = (Session::within(folder.path(), "alice").await, Session::within(folder.path(), "reviewer").await);
    reviewer.call("wait_for_request", json!({ "wait_s": 0 })).await;
    let asked = alice.calling("ask", json!({ "text": "Is this right?", "to": "reviewer" })).await;
    alice.told("is posted").await;

    first.signal("TERM");
    assert_eq!(first.finish().code, Some(0));
    // Not another bus that happens to run at the default address.
    assert_eq!(alice.refused("list_agents", json!({})).await, "unavailable");
    let _second = up();
    let request = loop {
        let taken = reviewer.call("wait_for_request", json!({ "wait_s": 20 })).await;
        if taken["isError"] == false {
            break taken["structuredContent"]["request"].clone();
        }
        assert_eq!(taken["structuredContent"]["error"]["code"], "unavailable", "it is still said for a moment");
    };
    assert_eq!(request["text"], "Is this right?");
    reviewer.call("answer_request", json!({ "id": request["id"], "delivery": "It is." })).await;
    let answer = alice.answer(asked).await;
    assert_eq!(answer["result"]["structuredContent"]["answer"]["delivery"], "It is.", "{answer}");
}
