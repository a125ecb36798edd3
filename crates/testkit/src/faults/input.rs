//! Scripts about what a client should not send: too much, malformed, against the schema, under hostile or
//! colliding names and ids.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{PATIENCE, Site, expect};
use crate::{
    plain::{Ask, Plain, Sent, mint},
    random::Random,
};

/// The server's limit for a payload, in bytes: its own default, as in the embedded server.
const LIMIT: usize = 1 << 20;

/// Publishes bytes under a subject until the ledger has them.
async fn stored(plain: &Plain, subject: &str, bytes: &[u8]) -> Result<u64, String> {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        match plain.publish(subject.to_owned(), bytes.to_vec(), None).await {
            Sent::Stored(seq) => return Ok(seq),
            sent if tokio::time::Instant::now() > until => return Err(format!("{subject} was not stored: {sent:?}")),
            _ => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// F14: what is too large is refused, and the connection and its subscriptions live on; from a raw socket it
/// costs only that connection.
pub(super) async fn too_large(site: &Site) -> Result<(), String> {
    let plain = site.plain("large").await;
    let ended = Ask::new("worker", "echo before");
    plain.ask(&ended, PATIENCE).await?;
    for size in [LIMIT + 1, 8 << 20, 64 << 20] {
        let subject = plain.subject("query", &mint(), plain.me(), "worker");
        let sent = plain.publish(subject, vec![b'x'; size], None).await;
        expect(matches!(sent, Sent::Refused(..)), || format!("{size} bytes were not refused: {sent:?}"))?;
    }
    let after = plain.ask(&Ask::new("worker", "echo after"), PATIENCE).await?;
    expect(after["state"] == "completed", || format!("the connection does not live on: {after}"))?;
    // Past any library: the server ends the connection of whoever announces too much.
    let mut raw = TcpStream::connect(("127.0.0.1", site.port)).await.map_err(|error| error.to_string())?;
    let subject = plain.subject("query", &mint(), plain.me(), "worker");
    let announced = format!("CONNECT {{\"verbose\":false}}\r\nPUB {subject} {}\r\n", LIMIT + 1);
    raw.write_all(announced.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut told = Vec::new();
    let _ = timeout(Duration::from_secs(10), raw.read_to_end(&mut told)).await;
    let told = String::from_utf8_lossy(&told).into_owned();
    expect(told.contains("Maximum Payload"), || format!("the server said: {told}"))?;
    let after = plain.ask(&Ask::new("worker", "echo still"), PATIENCE).await?;
    expect(after["state"] == "completed", || format!("the bus does not live on: {after}"))
}

/// F15: malformed bytes end as rejected, and the bus goes on.
pub(super) async fn malformed(site: &Site, random: &mut Random, times: u64) -> Result<(), String> {
    let plain = site.plain("garbler").await;
    let valid = Ask::new("worker", "echo x").body(plain.me()).to_string().into_bytes();
    let mut cases: Vec<Vec<u8>> = [
        &b""[..],
        b"{",
        b"{\"requesting_agent\": \"\xff\"}",
        b"\xef\xbb\xbf{}",
        b"{\"a\": NaN}",
        b"{\"a\": 1e999}",
        b"{\"requesting_agent\":\"garbler\",\"requesting_agent\":\"other\"}",
        b"[]",
        b"null",
        b"\x00\x00",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    cases.push(vec![b'['; 10_000]);
    cases.extend((0..times).map(|_| damage(&valid, random)));
    for some in cases.chunks(32) {
        let sent = some.iter().map(|bytes| reject(&plain, bytes));
        for told in join_all(sent).await {
            told?;
        }
    }
    Ok(())
}

/// A valid query with something wrong in it: cut short, or bytes changed, doubled or left out.
fn damage(valid: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = valid.to_vec();
    for _ in 0..=random.below(4) {
        let at = usize::try_from(random.below(bytes.len() as u64)).unwrap_or_default();
        match random.below(4) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, u8::try_from(random.below(256)).unwrap_or_default()),
            2 if !bytes.is_empty() => drop(bytes.remove(at)),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    bytes
}

/// Sends bytes as a query. They end as rejected, or, where the damage did none, some other way: but they end.
async fn reject(plain: &Plain, bytes: &[u8]) -> Result<(), String> {
    let id = mint();
    stored(plain, &plain.subject("query", &id, plain.me(), "worker"), bytes).await?;
    let record = plain.ended(&id, PATIENCE).await.map_err(|why| format!("{why}: {:?}", String::from_utf8_lossy(bytes)))?;
    let said = record["close"]["message"].as_str().unwrap_or_default();
    let is_json = serde_json::from_slice::<Value>(bytes).is_ok();
    expect(is_json || (record["state"] == "rejected" && !said.is_empty()), || format!("{bytes:?} ended as {record}"))
}

/// F16: what breaks the schema is rejected with the place and the reason.
pub(super) async fn violations(site: &Site) -> Result<(), String> {
    let plain = site.plain("violator").await;
    let valid = |field: &str, value: Value| {
        let mut body = Ask::new("worker", "echo x").body("violator");
        if let Some(body) = body.as_object_mut() {
            body.remove("id");
            body.insert(field.to_owned(), value);
        }
        body
    };
    let cases = [
        (valid("payload", json!({})), "/payload/query"),
        (valid("payload", json!({ "query": 7 })), "/payload/query"),
        (valid("request_type", json!("")), "/request_type"),
        (valid("requesting_agent", json!("bob")), "/requesting_agent"),
        (valid("timeout_ms", json!(-1)), "/timeout_ms"),
        (valid("timeout_ms", json!(604_800_001_u64)), "/timeout_ms"),
        (valid("attempts", json!(0)), "/attempts"),
        (valid("priority", json!("urgent")), "/priority"),
        (valid("context_tags", json!([""])), "/context_tags/0"),
    ];
    for (body, place) in cases {
        let id = mint();
        stored(&plain, &plain.subject("query", &id, plain.me(), "worker"), body.to_string().as_bytes()).await?;
        let record = plain.ended(&id, PATIENCE).await?;
        let told = record["close"]["pointer"] == place && record["close"]["message"].as_str().is_some_and(|words| words.contains(place));
        expect(record["state"] == "rejected" && told, || format!("{place}: {}", record["close"]))?;
    }
    // Fields of another version are no violation, and are kept.
    let mut later = Ask::new("worker", "echo later");
    later.id = mint();
    let mut body = later.body(plain.me());
    body["version_of_tomorrow"] = json!({ "a": [1] });
    stored(&plain, &plain.subject("query", &later.id, plain.me(), "worker"), body.to_string().as_bytes()).await?;
    let record = plain.ended(&later.id, PATIENCE).await?;
    expect(record["state"] == "completed" && record["query"]["version_of_tomorrow"] == json!({ "a": [1] }), || format!("{record}"))
}

/// F18: hostile names in fields are rejected, and the API answers to no hostile caller.
pub(super) async fn hostile(site: &Site) -> Result<(), String> {
    let plain = site.plain("hostile").await;
    let long = "a".repeat(10_000);
    let names = ["*", ">", ".", "..", "a.*", "$JS", "a b", "a\r\nPUB x 0\r\n", "a\0b", "a\u{202e}b", "/", "../x", "a/b", "", &long];
    for name in names {
        let id = mint();
        let mut body = Ask::new("worker", "echo x").body(plain.me());
        body["id"] = json!(id);
        body["target"] = json!(name);
        stored(&plain, &plain.subject("query", &id, plain.me(), "any"), body.to_string().as_bytes()).await?;
        let record = plain.ended(&id, PATIENCE).await?;
        expect(record["state"] == "rejected", || format!("the target {name:?} ended as {record}"))?;
    }
    for id in ["../../x", "*", "00000000-0000-0000-0000", &long] {
        let told = plain.call("status", json!({ "id": id })).await?;
        expect(told["error"]["code"].is_string(), || format!("status of {id:?}: {told}"))?;
    }
    let odd = ["=", "a=b", "-a", "a\u{202e}", "any", "all", "coordinator"];
    for caller in odd {
        let request = plain.client().request(format!("agentbus.status.{caller}"), mint().into());
        let answer = timeout(Duration::from_secs(10), request).await.map_err(|late| late.to_string())?;
        let answer = answer.map_err(|error| format!("{caller:?}: {error}"))?;
        let told: Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
        expect(told["error"]["code"].is_string(), || format!("the caller {caller:?} was told {told}"))?;
    }
    Ok(())
}

/// F28: an id that is empty, malformed, repeated or another's: refused or minted, never merged.
pub(super) async fn identities(site: &Site) -> Result<(), String> {
    let (carol, dave) = (site.plain("id-carol").await, site.plain("id-dave").await);
    for (id, code) in [("", "an empty id"), ("no-uuid", "no UUID"), ("0190A0A0-0000-7000-8000-000000000001", "upper case")] {
        let told = answered(&carol, with_id(&carol, id)).await?;
        expect(told["error"]["code"].is_string(), || format!("{code} was taken: {told}"))?;
    }
    let mut bare = with_id(&carol, "x");
    if let Some(bare) = bare.as_object_mut() {
        bare.remove("id");
    }
    let (one, other) = (answered(&carol, bare.clone()).await?, answered(&carol, bare).await?);
    expect(one["id"].is_string() && one["id"] != other["id"], || format!("ids are minted: {one} {other}"))?;
    // Two requesters, one id, at the same moment: one of them wins, the other one is told.
    let (ask, mine, hers) = both(&carol, &dave).await;
    let stored = [&mine, &hers].iter().filter(|sent| matches!(sent, Sent::Stored(_))).count();
    expect(stored == 1, || format!("one id was stored {stored} times: {mine:?} {hers:?}"))?;
    let winner = if matches!(mine, Sent::Stored(_)) { &carol } else { &dave };
    let record = winner.ended(&ask.id, PATIENCE).await?;
    expect(record["requester"] == winner.me() && record["state"] == "completed", || format!("{record}"))?;
    // The id in the body is not the one in the subject.
    let id = mint();
    stored_mismatch(&carol, &id).await
}

/// What the API answers to a post. Another fault may keep it away for a while.
async fn answered(plain: &Plain, body: Value) -> Result<Value, String> {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        match plain.call("post", body.clone()).await {
            Ok(told) if told["error"]["code"] != "unavailable" => return Ok(told),
            told if tokio::time::Instant::now() > until => return Err(format!("a post was not answered: {told:?}")),
            _ => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// Two post under one id at once, until it is known of both what became of it: nobody knows while a server is away.
async fn both(one: &Plain, other: &Plain) -> (Ask, Sent, Sent) {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let ask = Ask::new("worker", "echo mine");
        let (first, second) = tokio::join!(one.post(&ask), other.post(&ask));
        let is_known = ![&first, &second].iter().any(|sent| matches!(sent, Sent::Unknown(_)));
        if is_known || tokio::time::Instant::now() > until {
            return (ask, first, second);
        }
    }
}

fn with_id(plain: &Plain, id: &str) -> Value {
    let mut body = Ask::new("worker", "echo id").body(plain.me());
    body["id"] = json!(id);
    body
}

async fn stored_mismatch(plain: &Plain, id: &str) -> Result<(), String> {
    let body = with_id(plain, &mint()).to_string();
    stored(plain, &plain.subject("query", id, plain.me(), "worker"), body.as_bytes()).await?;
    let record = plain.ended(id, PATIENCE).await?;
    expect(record["state"] == "rejected" && record["close"]["pointer"] == "/id", || format!("{record}"))
}
