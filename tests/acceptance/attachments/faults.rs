//! What goes wrong: pieces that are gone or changed, a server that dies, a store that is full, callers that are wrong.

use std::time::Duration;

use agentbus::{Agent, Attachment, Done, Query, QueryId, State, Task};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use nats::{Blobs, Unclaimed};
use protocol::{Checksum, DIGEST_HEADER, RECORD_HEADER, message::MAX_PIECE};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{bytes, echo, query};
use crate::bus::{TestBus, name};

/// Puts a large file beside a query.
async fn stored(client: &agentbus::Bus, sent: &[u8]) -> Query {
    let mut query = query(&[]);
    client.attach(&mut query, "0", sent).await.expect("stored");
    query
}

#[tokio::test]
async fn a_piece_that_is_gone_is_told_and_nothing_is_made_of_the_rest() {
    let bus = TestBus::start().await;
    let (_agent, _serving) = bus.serve(Agent::new(name("echo")), echo).await;
    let client = bus.client("alice").await;
    let query = stored(&client, &bytes(1, 2 << 20)).await;
    let id = query.id.expect("an id");
    assert_eq!(Blobs::of(client.connection().clone()).erase(id).await.expect("removed behind our back"), 4);
    assert_eq!(client.fetch(&query.attachments[0]).await.expect_err("it is gone").code(), "attachment_missing");
    let ended = client.ask(query).await.expect("posted").ended().await.expect("it ends");
    let failure = ended.answer.and_then(|answer| answer.failure).expect("a failure");
    assert_eq!((ended.state, failure.code.as_str()), (State::Failed, "attachment_missing"));
}

#[tokio::test]
async fn a_piece_that_somebody_changed_is_told() {
    let bus = TestBus::start().await;
    let client = bus.client("alice").await;
    let query = stored(&client, &bytes(2, 2 << 20)).await;
    let (id, attachment) = (query.id.expect("an id"), &query.attachments[0]);
    let store = Blobs::of(client.connection().clone());
    store.erase(id).await.expect("removed");
    for (checksum, seed) in attachment.pieces.iter().zip(10..) {
        store.put(id, checksum, &bytes(seed, MAX_PIECE).into()).await.expect("put in its place");
    }
    assert_eq!(client.fetch(attachment).await.expect_err("other bytes").code(), "attachment_damaged");
    let mut intact = Vec::new();
    store.verify(true, |piece| intact.push(piece.is_intact)).await.expect("the store is read");
    assert_eq!(intact, [false; 4]);
    // Who still has it puts it right.
    let mut again = Query { attachments: Vec::new(), ..query.clone() };
    client.attach(&mut again, "0", bytes(2, 2 << 20).as_slice()).await.expect("stored");
    assert_eq!(client.fetch(attachment).await.expect("it is whole").len(), 2 << 20);
    intact.clear();
    store.verify(true, |piece| intact.push(piece.is_intact)).await.expect("the store is read");
    assert_eq!(intact, [true; 4], "what was damaged is gone");

    // Each piece is right, and the whole is not what was meant.
    let whole = stored(&client, &bytes(3, 2 << 20)).await.attachments.remove(0);
    for wrong in [
        Attachment { digest: Checksum::of(b"other"), ..whole.clone() },
        Attachment { size: whole.size - 1, ..whole.clone() },
        Attachment { size: whole.size + 1, ..whole.clone() },
        Attachment { pieces: whole.pieces.iter().rev().copied().collect(), ..whole.clone() },
        Attachment { pieces: Vec::new(), ..whole.clone() },
        Attachment { record: None, ..whole.clone() },
        Attachment { data: Some("AAAA".to_owned()), ..whole.clone() },
        Attachment { data: Some("no base64".to_owned()), ..whole.clone() },
    ] {
        assert_eq!(client.fetch(&wrong).await.expect_err("damaged").code(), "attachment_damaged", "{wrong:?}");
    }
    let elsewhere = Attachment { record: Some(QueryId::mint()), ..whole.clone() };
    assert_eq!(client.fetch(&elsewhere).await.expect_err("not there").code(), "attachment_missing");
    assert_eq!(client.fetch_within(&whole, 1 << 20).await.expect_err("more than is wanted").code(), "attachment_too_large");
    assert_eq!(client.fetch(&whole).await.expect("its bytes"), bytes(3, 2 << 20));
}

#[tokio::test]
async fn a_result_that_is_gone_is_an_error_of_the_asker_and_the_ending_stays() {
    let bus = TestBus::start().await;
    let long = |_: Task| async { Ok(Done::new("Written.").result(json!("x".repeat(300 << 10)))) };
    let (_agent, _serving) = bus.serve(Agent::new(name("echo")), long).await;
    let client = bus.client("alice").await;
    let ended = client.ask(query(&[])).await.expect("posted").ended().await.expect("it ends");
    assert!(ended.answer.is_some_and(|answer| answer.result.is_some()));
    Blobs::of(client.connection().clone()).erase(ended.id).await.expect("removed behind our back");
    let error = client.follow(ended.id).await.expect("it is known").ended().await.expect_err("its result is gone");
    assert_eq!(error.code(), "attachment_missing");
    assert_eq!(client.status(ended.id).await.expect("its record").state, State::Completed);
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_of_an_upload_is_waited_for() {
    let mut bus = TestBus::start().await;
    let (_agent, _serving) = bus.serve(Agent::new(name("echo")), echo).await;
    let client = bus.client("alice").await;
    let sent = bytes(4, 6 << 20);
    let (begin, rest) = sent.split_at(3 << 20);
    let (mut writer, reader) = tokio::io::duplex(64 << 10);
    let mut asked = query(&[]);
    let uploading = client.attach(&mut asked, "0", reader);
    let killing = async {
        writer.write_all(begin).await.expect("read");
        bus.server.restart().await;
        writer.write_all(rest).await.expect("read");
        drop(writer);
    };
    let (uploaded, ()) = tokio::join!(uploading, killing);
    uploaded.expect("stored all the same");
    let ended = client.ask(asked).await.expect("posted").ended().await.expect("it ends");
    let back = client.fetch(&ended.answer.expect("an answer").attachments[0]).await.expect("its bytes");
    assert!(back == sent, "it came back changed");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_to_its_end_is_not_posted() {
    let bus = TestBus::start().await;
    let client = bus.client("alice").await;
    let folder = tempfile::tempdir().expect("a folder");
    let folder = tokio::fs::File::open(folder.path()).await.expect("a folder can be opened");
    let mut asked = query(&[]);
    assert_eq!(client.attach(&mut asked, "0", folder).await.expect_err("no file").code(), "attachment_file");
    assert!(asked.attachments.is_empty());
}

#[tokio::test]
async fn a_full_store_is_told_and_what_is_small_still_goes() {
    let bus = TestBus::with_limit(8 << 20).await;
    let grown: &[u8] = bytes(5, 2 << 20).leak();
    let grows = move |task: Task| async move {
        let size = task.text().parse().unwrap_or_default();
        Ok(Done::new("Grown.").attach("grown", grown.get(..size).unwrap_or_default()))
    };
    let (_agent, _serving) = bus.serve(Agent::new(name("echo")), grows).await;
    let client = bus.client("alice").await;
    let mut large = query(&[]);
    let error = client.attach(&mut large, "0", bytes(6, 8 << 20).as_slice()).await.expect_err("there is room for 4 MiB");
    assert_eq!(error.code(), "storage_full");
    assert!(error.hint().is_some_and(|hint| hint.contains("Erase")), "{error:?}");
    let ask = async |size: usize| {
        let mut query = query(&[]);
        query.payload.query = size.to_string();
        client.ask(query).await.expect("posted").ended().await.expect("it ends")
    };
    assert_eq!(ask(200 << 10).await.state, State::Completed);
    // What was worked out is not thrown away: it waits for room.
    let mut grown = query(&[]);
    grown.payload.query = (2 << 20).to_string();
    let asking = client.ask(grown).await.expect("posted");
    let id = asking.id();
    testkit::eventually_async("it is in hand", || async {
        let state = client.status(id).await.map_err(|error| error.to_string())?.state;
        if matches!(state, State::Accepted | State::Working) { Ok(()) } else { Err(state.to_string()) }
    })
    .await;
    let bounds = client.connection().stream(&client.space().blobs()).await.expect("asked").expect("it is there");
    assert!(bounds.count("bytes") <= 4 << 20, "{bounds:?}");
    // What was put before it was full went under an id that was never posted.
    let freed = Blobs::of(client.connection().clone()).erase(large.id.expect("an id")).await.expect("freed");
    assert!(freed > 0);
    assert_eq!(asking.ended().await.expect("it ends").state, State::Completed);
}

#[tokio::test]
async fn what_was_stored_for_a_query_that_never_came_is_dropped_after_two_days() {
    let bus = TestBus::start().await;
    let (_agent, _serving) = bus.serve(Agent::new(name("echo")), echo).await;
    let client = bus.client("alice").await;
    let (claimed, broken) = (stored(&client, &bytes(9, 1 << 20)).await, stored(&client, &bytes(10, 1 << 20)).await);
    client.ask(claimed.clone()).await.expect("posted").ended().await.expect("it ends");
    let store = Blobs::of(client.connection().clone());
    let ids = async || {
        let mut ids = Vec::new();
        store.verify(false, |piece| ids.push(piece.id)).await.expect("the store is read");
        ids.dedup();
        ids
    };
    let mut unclaimed = Unclaimed::new(store.clone());
    let in_hours = |hours| Timestamp::now() + SignedDuration::from_hours(hours);
    assert_eq!(unclaimed.sweep(None).await.expect("looked"), 0);
    assert_eq!(unclaimed.sweep(Some(in_hours(47))).await.expect("looked"), 0, "its query may still come");
    assert_eq!(unclaimed.sweep(Some(in_hours(49))).await.expect("looked"), 1);
    assert_eq!(ids().await, [claimed.id.expect("an id")]);
    assert_eq!(client.fetch(&broken.attachments[0]).await.expect_err("it is gone").code(), "attachment_missing");
}

#[tokio::test]
async fn the_api_takes_only_pieces_that_are_what_they_say() {
    let bus = TestBus::start().await;
    let client = bus.client("alice").await;
    let (id, piece) = (QueryId::mint().to_string(), b"piece");
    let right = Checksum::of(piece).to_string();
    let put = async |headers: &[(&str, String)], piece: &'static [u8]| {
        let subject = client.space().api("attach", "alice");
        let answer = client.connection().request_bytes(subject, headers, Bytes::from_static(piece), Duration::from_secs(5)).await;
        serde_json::from_slice::<Value>(&answer.expect("an answer")).expect("JSON")
    };
    let headers = |id: &str, digest: &str| [(RECORD_HEADER, id.to_owned()), (DIGEST_HEADER, digest.to_owned())];
    assert_eq!(put(&headers(&id, &right), piece).await, json!({ "record": id, "digest": right }));
    assert_eq!(put(&headers(&id, &right), piece).await, json!({ "record": id, "digest": right }), "twice is once");
    for (headers, piece, code) in [
        (&headers(&id, &right)[..], &b"other"[..], "attachment_damaged"),
        (&headers(&id, &Checksum::of(b"").to_string()), b"", "attachment_damaged"),
        (&headers("bus.>", &right), piece, "schema_violation"),
        (&headers(&id, "sha256:bus.>"), piece, "schema_violation"),
        (&headers(&id, &right)[..1], piece, "schema_violation"),
        (&[], piece, "schema_violation"),
    ] {
        assert_eq!(put(headers, piece).await["error"]["code"], json!(code));
    }
    let large = bytes(8, MAX_PIECE + 1).leak();
    let refused = put(&headers(&id, &Checksum::of(large).to_string()), large).await;
    assert_eq!(refused["error"]["code"], json!("payload_too_large"));
    let mut kept = Vec::new();
    Blobs::of(client.connection().clone()).verify(true, |piece| kept.push((piece.id.to_string(), piece.is_intact))).await.expect("read");
    assert_eq!(kept, [(id, true)]);
}
