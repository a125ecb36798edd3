//! Scripts about delivery: repetitions, poison, progress out of place, races between cancel and completion.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use super::{PATIENCE, Site, expect};
use crate::{
    plain::{Ask, Plain, Sent},
    random::Random,
};

/// Publishes until the ledger has taken or refused it: a fault may be under way.
async fn post(plain: &Plain, ask: &Ask) -> Result<Sent, String> {
    let until = tokio::time::Instant::now() + PATIENCE;
    let mut unsure = false;
    loop {
        match plain.post(ask).await {
            // After something unknown, it is the same query that stands there.
            Sent::Taken if unsure => return Ok(Sent::Stored(0)),
            sent @ (Sent::Stored(_) | Sent::Taken) => return Ok(sent),
            sent if tokio::time::Instant::now() > until => return Err(format!("{} was not stored: {sent:?}", ask.id)),
            sent => {
                unsure |= matches!(sent, Sent::Unknown(_));
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// F12: the same id three times is one execution with one answer; other content and other requesters are refused.
pub(super) async fn duplicates(site: &Site, times: u64) -> Result<(), String> {
    let (alice, bob) = (site.plain("dup-alice").await, site.plain("dup-bob").await);
    for _ in 0..times {
        let ask = Ask::new("worker", "echo once");
        post(&alice, &ask).await?;
        let posted_again = join_all((0..2).map(|_| post(&alice, &ask))).await;
        for sent in posted_again {
            expect(sent? == Sent::Taken, || format!("{}: the same id was stored again", ask.id))?;
        }
        let first = alice.ended(&ask.id, PATIENCE).await?;
        // Past the guard, as a client that knows nothing of it: the fold has to see that it is the same.
        let raw = alice.subject("query", &ask.id, alice.me(), &ask.to);
        let other = Ask { text: "echo other".to_owned(), ..ask.clone() };
        let stranger = bob.subject("query", &ask.id, bob.me(), &ask.to);
        stored(&alice, raw.clone(), &other.body(alice.me())).await?;
        stored(&bob, stranger, &ask.body(bob.me())).await?;
        let refused = own_ending(&bob, &ask.id).await?;
        expect(refused["state"] == "rejected" && refused["close"]["code"] == "conflict", || format!("another requester's id: {refused}"))?;
        let again = alice.ended(&ask.id, PATIENCE).await?;
        expect(first["end_seq"] == again["end_seq"] && first["answer"] == again["answer"], || format!("{first} became {again}"))?;
        expect(first["attempts"] == again["attempts"], || format!("it was done again: {again}"))?;
    }
    Ok(())
}

/// The end of one's own query under an id that is another's: until it has been read, the other one is shown.
async fn own_ending(plain: &Plain, id: &str) -> Result<Value, String> {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let record = plain.ended(id, PATIENCE).await?;
        if record["requester"] == plain.me() {
            return Ok(record);
        }
        expect(tokio::time::Instant::now() < until, || format!("{id} of {} was not read: {record}", plain.me()))?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Publishes without a guard until it is stored.
async fn stored(plain: &Plain, subject: String, body: &Value) -> Result<u64, String> {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        match plain.publish(subject.clone(), body.to_string(), None).await {
            Sent::Stored(seq) => return Ok(seq),
            sent if tokio::time::Instant::now() > until => return Err(format!("{subject} was not stored: {sent:?}")),
            _ => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// F13: a query that kills whoever works on it is dead after its attempts, with a reason for each; others live.
pub(super) async fn poison(site: &Site, times: u64) -> Result<(), String> {
    let plain = site.plain("poisoner").await;
    for _ in 0..times {
        let (poison, healthy) = (Ask::new("worker", "abort"), Ask::new("worker", "echo healthy"));
        post(&plain, &poison).await?;
        let others = plain.ask(&healthy, PATIENCE).await?;
        expect(others["state"] == "completed", || format!("others are affected: {others}"))?;
        let record = plain.ended(&poison.id, PATIENCE).await?;
        expect(record["state"] == "dead", || format!("the poison is not dead: {record}"))?;
        let attempts = record["attempts"].as_array().cloned().unwrap_or_default();
        let crashed = attempts.iter().filter(|attempt| attempt["failure"]["code"] == "killed_by_signal").count();
        // A fault that is under way at the same time may take an attempt without leaving a reason.
        expect(attempts.len() >= 3 && crashed >= 1, || format!("its attempts say too little: {record}"))?;
        let words = record["close"]["message"].as_str().unwrap_or_default().to_owned();
        expect(words.contains("killed_by_signal") || words.contains("signal"), || format!("the notification has no reason: {words}"))?;
    }
    Ok(())
}

/// F20: progress that is late, repeated, of nobody's attempt or after the end is kept and changes nothing.
pub(super) async fn late_progress(site: &Site, times: u64) -> Result<(), String> {
    let (plain, worker) = (site.plain("late").await, site.plain("worker").await);
    for _ in 0..times {
        let ask = Ask::new("worker", "progress 3");
        let before = plain.ask(&ask, PATIENCE).await?;
        let report = |attempt: u64, instance: &Value| json!({ "agent": "worker", "attempt": attempt, "instance": instance, "status": "late", "progress": { "n": 1 } });
        let own = &before["attempts"][0]["instance"];
        for body in [report(1, own), report(1, own), report(9, own), report(1, &json!("nobody"))] {
            stored(&worker, worker.subject("progress", &ask.id, "worker", plain.me()), &body).await?;
        }
        let late = json!({ "agent": "worker", "attempt": 1, "instance": own, "outcome": "failed", "delivery": "No.",
                           "failure": { "code": "late", "message": "late" } });
        stored(&worker, worker.subject("answer", &ask.id, "worker", plain.me()), &late).await?;
        let after = plain.history(&ask.id).await?;
        expect(before["state"] == after["state"] && before["end_seq"] == after["end_seq"], || format!("{before} became {after}"))?;
        let late = after["messages"].as_array().map_or(0, |all| all.iter().filter(|message| message["verdict"] == "late").count());
        expect(late >= 5, || format!("what came late is not counted: {after}"))?;
    }
    Ok(())
}

/// F21: a cancel that races against the completion: one ending, and whoever loses is told which.
pub(super) async fn races(site: &Site, random: &mut Random, times: u64) -> Result<(), String> {
    let plain = site.plain("racer").await;
    let delays: Vec<u64> = (0..times).map(|_| random.below(120)).collect();
    for some in delays.chunks(8) {
        for raced in join_all(some.iter().map(|delay| race(&plain, *delay))).await {
            raced?;
        }
    }
    Ok(())
}

async fn race(plain: &Plain, delay_ms: u64) -> Result<(), String> {
    let ask = Ask::new("worker", "sleep 30");
    post(plain, &ask).await?;
    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    let told = plain.call("cancel", json!({ "id": ask.id })).await;
    let record = plain.ended(&ask.id, PATIENCE).await?;
    let state = record["state"].as_str().unwrap_or_default().to_owned();
    expect(["completed", "cancelled"].contains(&state.as_str()), || format!("neither cancelled nor completed: {record}"))?;
    if let Ok(told) = told
        && told["error"]["code"] == "ended"
    {
        let words = told["error"]["message"].as_str().unwrap_or_default();
        expect(words.contains(&state), || format!("it ended as {state}, and the loser was told: {told}"))?;
    }
    let again = plain.ended(&ask.id, PATIENCE).await?;
    expect(again["end_seq"] == record["end_seq"] && again["state"] == record["state"], || format!("two endings: {record} and {again}"))
}

/// F32: of several agents that are asked at once one fails or nobody has its name; the answer names each part.
pub(super) async fn partial(site: &Site, times: u64) -> Result<(), String> {
    let plain = site.plain("gatherer").await;
    for turn in 0..times {
        let (text, state) = if turn % 2 == 0 { ("echo part", "completed") } else { ("fail", "failed") };
        let ask = Ask::new("worker,nobody", text);
        post(&plain, &ask).await?;
        let record = plain.ended(&ask.id, PATIENCE).await?;
        let parts = record["answer"]["parts"].as_array().cloned().unwrap_or_default();
        let told: Vec<_> = parts.iter().map(|part| (part["agent"].as_str(), part["state"].as_str())).collect();
        let whole = [(Some("worker"), Some(state)), (Some("nobody"), Some("unroutable"))];
        // Under other faults an agent's attempts may all be spent.
        let spent = [(Some("worker"), Some("dead")), (Some("nobody"), Some("unroutable"))];
        expect(told == whole || told == spent, || format!("{}: {told:?}", ask.id))?;
        let ended = if told == whole { state } else { "failed" };
        expect(record["state"] == ended, || format!("{} is {}, and its parts are {told:?}", ask.id, record["state"]))?;
    }
    Ok(())
}
