//! Bad input: each has a clear reason and an ended record; nothing hangs, nothing is lost.

use agentbus::{Agent, Done, Kind, Query, QueryId, Record, State, Task};
use nats::Expect;
use protocol::{Subject, To};
use serde_json::json;
use testkit::eventually_async;

use crate::bus::{TestBus, name};

async fn ended(client: &agentbus::Bus, id: QueryId) -> Record {
    eventually_async("the end of the query", || async {
        match client.status(id).await {
            Ok(record) if record.state.is_terminal() => Ok(record),
            other => Err(other.map(|record| record.state).map_err(|error| error.to_string())),
        }
    })
    .await
}

#[tokio::test]
async fn a_query_that_is_none_is_rejected_with_the_place_and_the_reason() {
    let bus = TestBus::start().await;
    let client = bus.client("alice").await;
    let valid = json!({"requesting_agent": "alice", "request_type": "request", "payload": {"query": "hello"}});
    let with = |field: &str, value: serde_json::Value| {
        let mut body = valid.clone();
        body[field] = value;
        body.to_string().into_bytes()
    };
    let cases: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("empty", b"".to_vec(), "", "malformed_json"),
        ("truncated", valid.to_string().into_bytes().split_at(20).0.to_vec(), "", "malformed_json"),
        ("no UTF-8", b"{\"requesting_agent\": \"\xff\"}".to_vec(), "", "malformed_json"),
        ("BOM", [b"\xef\xbb\xbf".as_slice(), valid.to_string().as_bytes()].concat(), "", "malformed_json"),
        ("deep", "[".repeat(10_000).into_bytes(), "", "malformed_json"),
        ("NaN", b"{\"a\": NaN}".to_vec(), "", "malformed_json"),
        ("huge number", b"{\"a\": 1e999}".to_vec(), "", "malformed_json"),
        ("no object", b"[]".to_vec(), "", "schema_violation"),
        ("no question", with("payload", json!({})), "/payload/query", "schema_violation"),
        ("wrong type", with("request_type", json!(7)), "/request_type", "schema_violation"),
        ("somebody else", with("requesting_agent", json!("bob")), "/requesting_agent", "schema_violation"),
        ("hostile name", with("target", json!("a.*.>\r\n")), "/target", "schema_violation"),
        ("too long a deadline", with("timeout_ms", json!(604_800_001)), "/timeout_ms", "schema_violation"),
        ("gather", with("gather", json!({"all": true, "top": 2})), "/gather", "gather_unclear"),
    ];
    for (what, bytes, pointer, code) in cases {
        let id = QueryId::mint();
        let subject = Subject::new(Kind::Query, id, name("alice"), To::Any).expect("a subject");
        client.connection().append_bytes(&subject, bytes, None).await.expect("the ledger takes bytes");
        let record = ended(&client, id).await;
        let close = record.close.expect("a close");
        assert_eq!((record.state, close.code.as_str()), (State::Rejected, code), "{what}: {}", close.message);
        assert_eq!(close.pointer.as_deref(), (code != "unsupported" || !pointer.is_empty()).then_some(pointer), "{what}");
        assert!(!close.message.is_empty() && close.message.len() < 1000, "{what}: {}", close.message);
    }
}

#[tokio::test]
async fn one_id_is_one_query() {
    let bus = TestBus::start().await;
    let echo = |task: Task| async move { Ok(Done::new("Echoed.").result(json!(task.text()))) };
    let (_agent, _serving) = bus.serve(Agent::new(name("echo")).answers("*"), echo).await;
    let (alice, bob) = (bus.client("alice").await, bus.client("bob").await);
    let query = |from: &str, text: &str, id| {
        let mut query = Query::new(name(from), "request", text);
        query.id = Some(id);
        query
    };
    let id = QueryId::mint();

    let first = alice.ask(query("alice", "hello", id)).await.expect("posted");
    let seq = first.receipt().seq;
    let answer = first.ended().await.expect("it ends").answer;
    let again = alice.ask(query("alice", "hello", id)).await.expect("the same query");
    assert!(again.receipt().repeated && again.receipt().seq == seq);
    assert_eq!(again.ended().await.expect("it has ended").answer, answer);
    assert_eq!(alice.ask(query("alice", "other", id)).await.expect_err("another content").code(), "conflict");
    // What went out without an id may be sent again under the one that it got.
    let minted = alice.post(Query::new(name("alice"), "request", "minted")).await.expect("posted");
    let again = alice.post(query("alice", "minted", minted.id)).await.expect("the same query");
    assert_eq!((again.seq, again.repeated), (minted.seq, true));
    assert_eq!(bob.ask(query("bob", "hello", id)).await.expect_err("another requester").code(), "conflict");

    // Past the compare-and-set, as a plain client may do it: the second requester gets an ending of his own.
    let subject = Subject::new(Kind::Query, id, name("bob"), To::Any).expect("a subject");
    let body = json!({"requesting_agent": "bob", "request_type": "request", "payload": {"query": "hello"}});
    bob.connection().append_bytes(&subject, body.to_string().into_bytes(), None).await.expect("stored");
    let refused = eventually_async("bob's ending", || async {
        let record = bob.status(id).await.map_err(|error| error.to_string())?;
        if record.requester == name("bob") && record.state.is_terminal() { Ok(record) } else { Err(record.state.to_string()) }
    })
    .await;
    assert_eq!(refused.close.expect("a close").code, "conflict");
    assert_eq!(alice.status(id).await.expect("hers").state, State::Completed);
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_sent() {
    let bus = TestBus::start().await;
    let client = bus.client("alice").await;
    for size in [client.connection().max_body() + 1, 8 << 20, 64 << 20] {
        let refused = client.post(Query::new(name("alice"), "request", "x".repeat(size))).await.expect_err("too large");
        assert_eq!(refused.code(), "payload_too_large");
    }
    let fits = "x".repeat(client.connection().max_body() - 200);
    let ended = client.ask(Query::new(name("alice"), "request", fits)).await.expect("it fits").ended().await.expect("it ends");
    assert_eq!(ended.state, State::Unroutable);
}

#[tokio::test]
async fn a_message_past_the_guard_is_refused_and_leaves_no_trace() {
    let bus = TestBus::start().await;
    let client = bus.client("alice").await;
    let receipt = client.post(Query::new(name("alice"), "request", "hello")).await.expect("posted");
    let record = ended(&client, receipt.id).await;
    let subject = Subject::new(Kind::Query, receipt.id, name("alice"), To::Any).expect("a subject");
    let expect = Expect { filter: client.space().guard(receipt.id, &name("alice")), last: receipt.seq };
    let refused = client.connection().append_bytes(&subject, b"{}".to_vec(), Some(&expect)).await.expect("an answer");
    assert_eq!(refused, nats::Stored::Refused);
    assert_eq!(ended(&client, receipt.id).await, record);
}

#[tokio::test]
async fn junk_under_a_querys_guard_does_not_hold_it_up() {
    let bus = TestBus::start().await;
    let echo = |task: Task| async move { Ok(Done::new("Echoed.").result(json!(task.text()))) };
    let (_agent, serving) = bus.serve(Agent::new(name("echo")), echo).await;
    serving.drain(std::time::Duration::from_secs(5)).await;
    let client = bus.client("alice").await;
    let mut query = Query::new(name("alice"), "request", "hello");
    query.target = Some(name("echo"));
    let asking = client.ask(query).await.expect("posted");
    // No kind is sent from a requester to 'any' but a query: these are nobody's messages, but they are stored.
    for kind in ["reply", "cancel", "close"] {
        let subject = format!("bus.{kind}.{}.alice.any", asking.id());
        client.connection().publish_with_reply(subject, "_INBOX.nobody".to_owned(), b"junk".to_vec()).await.expect("sent");
    }
    client.connection().sentinel().await.expect("stored");
    let (_agent, _serving) = bus.serve(Agent::new(name("echo")), echo).await;
    assert_eq!(asking.ended().await.expect("it ends").state, State::Completed);
}

#[tokio::test]
async fn a_ledger_that_is_full_says_so_and_still_ends_what_it_holds() {
    let bus = TestBus::with_limit(2_000_000).await;
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let open = gate.clone();
    let gated = move |_: Task| {
        let gate = open.clone();
        async move {
            let _permit = gate.acquire().await;
            Ok(Done::new("Done.").result(json!("y".repeat(50_000))))
        }
    };
    let (_agent, _serving) = bus.serve(Agent::new(name("worker")), gated).await;
    let client = bus.client("alice").await;
    let to_worker = |timeout_ms| {
        let mut query = Query::new(name("alice"), "request", "hello");
        (query.target, query.timeout_ms) = (Some(name("worker")), timeout_ms);
        query
    };
    let answered = client.ask(to_worker(None)).await.expect("there is room");
    let expires = client.ask(to_worker(Some(3_000))).await.expect("there is room");
    let mut big = agentbus::protocol::Extra::new();
    big.insert("big".to_owned(), json!("x".repeat(100_000)));
    let refused = loop {
        if let Err(error) = client.report("flooding", big.clone()).await {
            break error;
        }
    };
    assert_eq!(refused.code(), "storage_full");
    assert!(refused.hint().is_some());

    assert_eq!(expires.ended().await.expect("it ends").state, State::Expired);
    gate.add_permits(9);
    assert_eq!(answered.ended().await.expect("it ends").state, State::Completed);
    // The reserve is for what ends queries: the server itself takes no new ones meanwhile.
    let late = client.ask(to_worker(None)).await.expect_err("no new query is stored");
    assert_eq!(late.code(), "storage_full");
    let notice = client.notify("A thing is done.").await.expect_err("nor is a notice");
    assert_eq!(notice.code(), "storage_full");
    let plain = client
        .connection()
        .request("agentbus.post.alice".to_owned(), br#"{"requesting_agent":"alice","request_type":"x","payload":{"query":"y"}}"#.to_vec());
    let told = plain.await.expect("the API answers");
    assert!(String::from_utf8_lossy(&told.payload).contains("storage_full"), "{told:?}");
}

#[tokio::test]
async fn an_answer_that_was_not_stored_is_never_called_final() {
    let bus = TestBus::start().await;
    let forging = |task: Task| async move {
        // Core subscribers see it, and the ledger refuses it: nothing with this expectation is ever stored.
        let assign = task.assignment();
        let forged = json!({"agent": "forger", "attempt": assign.attempt, "instance": assign.instance, "outcome": "completed", "delivery": "Forged."});
        let subject = Subject::new(Kind::Answer, task.id(), name("forger"), To::One(task.requester().clone())).expect("a subject");
        let never = Expect { filter: task.bus().space().record(task.id()), last: u64::MAX };
        let refused = task.bus().connection().append_bytes(&subject, forged.to_string().into_bytes(), Some(&never)).await;
        assert_eq!(refused.ok(), Some(nats::Stored::Refused));
        Ok(Done::new("Stored."))
    };
    let (_agent, _serving) = bus.serve(Agent::new(name("forger")).answers("*"), forging).await;
    let client = bus.client("alice").await;
    let ended = client.ask(Query::new(name("alice"), "request", "hello")).await.expect("posted").ended().await.expect("it ends");
    assert_eq!(ended.notification(), "Stored.");
}

#[tokio::test]
async fn a_heartbeat_in_anothers_name_changes_nothing() {
    let bus = TestBus::start().await;
    let echo = |task: Task| async move { Ok(Done::new("Echoed.").result(json!(task.text()))) };
    let (_agent, serving) = bus.serve(Agent::new(name("victim")).answers("*"), echo).await;
    let client = bus.client("alice").await;
    let forged = json!({
        "agent": "victim", "owner": "bus", "session": serving.instance(), "instance_id": serving.instance(),
        "ts": "2026-01-01T00:00:00Z", "interval_s": 3600.0, "capacity": 0, "leases": [],
    });
    let subject = client.space().heartbeat(&name("evil"), serving.instance());
    client.connection().publish_with_reply(subject, "_INBOX.nobody".to_owned(), forged.to_string().into_bytes()).await.expect("sent");
    client.connection().sentinel().await.expect("delivered");
    let agents = client.agents().await.expect("the agents");
    assert_eq!(agents[0].instances[0].capacity, 1);
    let asking = client.ask(Query::new(name("alice"), "request", "hello")).await.expect("posted");
    assert_eq!(asking.ended().await.expect("it ends").state, State::Completed);
}
