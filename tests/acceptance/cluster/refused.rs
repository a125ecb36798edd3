//! A refusal without a reason, as a cluster gives one now and then (9 of 737,000 compare-and-sets): the post
//! goes on, and its query is no conflict.
//!
//! The first refusals come from a stand-in, since a real one cannot be had when it is wanted; all else is real.

use testkit::NatsServer;

use super::*;

/// What the server says of a compare-and-set that lost.
fn refusal() -> serde_json::Value {
    json!({ "error": { "code": 400, "err_code": 10071, "description": "wrong last sequence: 0" }, "stream": "bus-ledger", "seq": 0 })
}

/// Posts a query that is refused so often before there is a ledger to take it.
async fn refused(times: usize) -> agentbus::Receipt {
    let server = NatsServer::start().await;
    let (alice, ledger) = (client(&server.url(), "alice").await, client(&server.url(), "ledger").await);
    let mut posts = ledger.connection().subscribe(alice.space().kind(Kind::Query)).await.expect("subscribed");
    let refusing = async {
        for time in 1..=times {
            let post = posts.next().await.expect("a post");
            let coordinator = if time == times { Some(crate::bus::coordinate(&server.url()).await) } else { None };
            ledger.connection().answer(post.reply.expect("it wants an answer"), &refusal()).await.expect("answered");
            if coordinator.is_some() {
                drop(posts);
                return coordinator;
            }
        }
        None
    };
    let (receipt, coordinator) = tokio::join!(alice.post(to_echo("hello")), refusing);
    let receipt = receipt.expect("it is no conflict");
    let record = alice.status(receipt.id).await.expect("the ledger has it");
    assert_eq!(record.seq, receipt.seq);
    drop(coordinator);
    receipt
}

#[tokio::test]
async fn a_post_that_is_refused_without_a_reason_is_posted_again() {
    let receipt = refused(1).await;
    assert!(!receipt.repeated, "{receipt:?}");
}

#[tokio::test]
async fn a_post_that_is_refused_twice_without_a_reason_looks_and_is_posted_again() {
    let receipt = refused(2).await;
    assert!(!receipt.repeated, "{receipt:?}");
}

#[tokio::test]
async fn a_post_to_a_ledger_without_a_leader_waits_for_one_where_a_coordinator_runs() {
    let server = NatsServer::start().await;
    let alice = client(&server.url(), "alice").await;
    let refused = alice.post(to_echo("hello")).await.expect_err("there is no ledger");
    assert_eq!(refused.code(), "no_ledger", "nobody else knows of one");

    // Somebody answers as a coordinator does, and the ledger is there only then.
    let stand_in = client(&server.url(), "stand-in").await;
    let mut calls = stand_in.connection().subscribe(alice.space().api("agents", "*")).await.expect("subscribed");
    let electing = async {
        let call = calls.next().await.expect("a call");
        let coordinator = crate::bus::coordinate(&server.url()).await;
        stand_in.connection().answer(call.reply.expect("it wants an answer"), &json!([])).await.expect("answered");
        coordinator
    };
    let (receipt, _coordinator) = tokio::join!(alice.post(to_echo("hello")), electing);
    assert!(!receipt.expect("it waited").repeated);
}
