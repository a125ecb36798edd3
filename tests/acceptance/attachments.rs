//! Attachments and large answers: there and back bit by bit, and every way in which one can be missing, damaged,
//! too large or not allowed.

mod faults;
mod files;

use agentbus::{Agent, Attachment, AttachmentError, Bus, Done, Query, QueryId, State, Task};
use nats::{Archive, Blobs};
use serde_json::json;

use crate::bus::{TestBus, coordinate_with, name, quick};

/// Bytes without any pattern, the same for the same seed.
pub(crate) fn bytes(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..size.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(size);
    bytes
}

/// A query to the agent `echo` that has these attachments, `0`, `1` and so on.
pub(crate) fn query(attachments: &[&[u8]]) -> Query {
    let mut query = Query::new(name("alice"), "request", "Say it again.");
    query.target = Some(name("echo"));
    query.attempts = Some(1);
    attachments.iter().zip(0..).fold(query, |query, (bytes, at)| query.attach(Attachment::inline(at.to_string(), bytes)))
}

/// Gives back what it was given, each attachment under its own name.
pub(crate) async fn echo(task: Task) -> Result<Done, agentbus::Fault> {
    let mut done = Done::new("Said again.");
    for attachment in task.attachments() {
        done = done.attach(&attachment.name, &task.fetch(attachment).await?);
    }
    Ok(done)
}

/// Waits for its answer, and returns what its attachments hold.
async fn answered(client: &Bus, query: Query) -> Vec<Vec<u8>> {
    let ended = client.ask(query).await.expect("posted").ended().await.expect("it ends");
    assert_eq!(ended.state, State::Completed, "{}", ended.notification());
    let mut all = Vec::new();
    for attachment in &ended.answer.expect("an answer").attachments {
        all.push(client.fetch(attachment).await.expect("its bytes"));
    }
    all
}

#[tokio::test]
async fn what_is_attached_arrives_bit_by_bit_and_comes_back() {
    let bus = TestBus::start().await;
    let (_agent, _serving) = bus.serve(Agent::new(name("echo")), echo).await;
    let client = bus.client("alice").await;
    let sent = [0, 1, 300 << 10, 5 << 20, (512 << 10) + 1].map(|size| bytes(size as u64, size));
    let sent: Vec<&[u8]> = sent.iter().map(Vec::as_slice).collect();
    assert_eq!(answered(&client, query(&sent)).await, sent);

    let ended = client.list(None, None, 9).await.expect("a list");
    let record = client.status(ended[0].id).await.expect("its record");
    let posted: Query = serde_json::from_value(record.query).expect("a query");
    let travels: Vec<bool> = posted.attachments.iter().map(|one| one.data.is_some()).collect();
    assert_eq!(travels, [true, true, false, false, false], "only what is small travels in the message");
    assert!(posted.attachments.iter().filter(|one| one.data.is_none()).all(|one| one.record == Some(record.id)));
}

#[tokio::test]
async fn a_file_of_64_mib_goes_through_a_few_pieces_at_a_time() {
    let bus = TestBus::with_limit(512 << 20).await;
    let streams = |task: Task| async move {
        let attachment = &task.attachments()[0];
        let (mut writer, reader) = tokio::io::duplex(1 << 20);
        // The writer goes when all is written: then the reader is at its end.
        let saving = async { task.save(attachment, &mut writer).await.map(|()| drop(writer)) };
        let (saved, sent) = tokio::join!(saving, task.attach("large.bin", reader));
        saved?;
        Ok(Done::new("Said again.").attachment(sent?))
    };
    let (_agent, _serving) = bus.serve(Agent::new(name("echo")), streams).await;
    let client = bus.client("alice").await;
    let sent = bytes(64, 64 << 20);
    let mut large = query(&[]);
    client.attach(&mut large, "large.bin", sent.as_slice()).await.expect("stored");
    assert_eq!(large.attachments[0].pieces.len(), 128);
    assert!(answered(&client, large).await == [sent], "it came back changed");
}

#[tokio::test]
async fn a_large_result_is_put_back_for_readers_and_the_record_has_its_place() {
    let bus = TestBus::start().await;
    let lines = |task: Task| async move {
        let count: usize = task.text().parse().expect("a number");
        Ok(Done::new("Listed.").result(json!((0..count).map(|line| format!("line {line} of them")).collect::<Vec<_>>())))
    };
    let (_agent, _serving) = bus.serve(Agent::new(name("lister")).answers("list_*"), lines).await;
    let client = bus.client("alice").await;
    let ask = async |lines: usize| {
        let query = Query::new(name("alice"), "list_lines", lines.to_string());
        client.ask(query).await.expect("posted").ended().await.expect("it ends")
    };

    let small = ask(100).await.answer.expect("an answer");
    assert!(small.result_at.is_none() && small.result.is_some());
    let ended = ask(20_000).await;
    let large = ended.answer.expect("an answer");
    assert_eq!(large.result.as_ref().and_then(|result| result.as_array()).map(Vec::len), Some(20_000));
    assert_eq!(large.result.expect("a result")[19_999], json!("line 19999 of them"));

    let stored = client.status(ended.id).await.expect("its record").answer.expect("an answer");
    let at = stored.result_at.as_ref().expect("where it is");
    assert!(stored.result.is_none() && at.size > 400_000, "{at:?}");
    assert_eq!(client.result(&stored).await.expect("it is there").expect("a result")[1], json!("line 1 of them"));
    let followed = client.follow(ended.id).await.expect("it is known").ended().await.expect("it has ended");
    assert!(followed.answer.is_some_and(|answer| answer.result.is_some()), "whoever asks later gets it, too");
}

#[tokio::test]
async fn the_same_file_under_the_same_id_is_the_same_query() {
    let bus = TestBus::start().await;
    let client = bus.client("alice").await;
    let (one, other, id) = (bytes(1, 600 << 10), bytes(2, 600 << 10), QueryId::mint());
    let with = |file: &[u8]| Query { id: Some(id), ..query(&[file, b"note"]) };
    assert!(!client.post(with(&one)).await.expect("posted").repeated);
    assert!(client.post(with(&one)).await.expect("posted again").repeated);
    assert_eq!(client.post(with(&other)).await.expect_err("another file").code(), "conflict");
    let mut streamed = Query { id: Some(id), ..query(&[]) };
    client.attach(&mut streamed, "0", one.as_slice()).await.expect("stored");
    client.attach(&mut streamed, "1", b"note".as_slice()).await.expect("stored");
    assert!(client.post(streamed).await.expect("posted again").repeated, "however it is sent");
    let twice = query(&[b"note"]).attach(Attachment::inline("0", b"other"));
    assert_eq!(client.post(twice).await.expect_err("two of one name").code(), "attachment_twice");
    let elsewhere = query(&[]).attach(Attachment::inline("../note", b"note"));
    assert_eq!(client.post(elsewhere).await.expect_err("a path").code(), "schema_violation");
}

#[tokio::test]
async fn those_who_are_asked_at_once_get_it_and_erasing_removes_it_with_the_parts() {
    let bus = TestBus::start().await;
    let mut serving = Vec::new();
    for agent in ["first", "second"] {
        serving.push(bus.serve(Agent::new(name(agent)), echo).await);
    }
    let client = bus.client("alice").await;
    let sent = bytes(7, 400 << 10);
    let gather = serde_json::from_value(json!({ "to": ["first", "second"] })).expect("whom to ask");
    let gathered = Query { target: None, gather: Some(gather), ..query(&[&sent]) };
    let ended = client.ask(gathered).await.expect("posted").ended().await.expect("it ends");
    let answer = ended.answer.expect("an answer");
    assert!(answer.parts.len() == 2 && answer.parts.iter().all(|part| part.omitted), "{answer:?}");
    let mut kept = Vec::new();
    for part in &answer.parts {
        let own = client.status(part.id).await.expect("its record").answer.expect("an answer");
        assert!(client.fetch(&own.attachments[0]).await.expect("its bytes") == sent);
        kept.push(own.attachments[0].clone());
    }

    let erased = client.erase(ended.id).await.expect("erased");
    assert_eq!(erased["pieces"], json!(1), "{erased}");
    for attachment in &kept {
        let error = client.fetch(attachment).await.expect_err("it is gone");
        assert!(matches!(error, agentbus::Error::Attachment(AttachmentError::Missing { .. })), "{error}");
    }
    let mut pieces = 0;
    Blobs::of(client.connection().clone()).verify(false, |_| pieces += 1).await.expect("the store is read");
    assert_eq!(pieces, 0);
    let mut late = Query { id: Some(ended.id), ..query(&[]) };
    assert_eq!(client.attach(&mut late, "late", sent.as_slice()).await.expect_err("its record was erased").code(), "erased");
    Blobs::of(client.connection().clone()).verify(false, |_| pieces += 1).await.expect("the store is read");
    assert_eq!(pieces, 0, "and nothing is left of it");
}

#[tokio::test]
async fn what_an_archived_record_refers_to_is_still_there() {
    let server = testkit::NatsServer::start().await;
    let mut options = quick();
    options.retention.hot = jiff::SignedDuration::from_secs(1);
    let bus = TestBus { coordinator: coordinate_with(&server.url(), options).await, server };
    let (_agent, _serving) = bus.serve(Agent::new(name("echo")), echo).await;
    let client = bus.client("alice").await;
    let sent = bytes(3, 700 << 10);
    let ended = client.ask(query(&[&sent])).await.expect("posted").ended().await.expect("it ends");
    testkit::eventually_async("the record is in the archive alone", || async {
        let pages = client.connection().pages(ended.id, 1, u64::MAX).await.map_err(|error| error.to_string())?;
        let archived = Archive::of(client.connection().clone()).read(ended.id).await.map_err(|error| error.to_string())?;
        if pages.is_empty() && archived.pages().count() > 0 { Ok(()) } else { Err(pages.len().to_string()) }
    })
    .await;
    let long_after = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(49);
    let store = Blobs::of(client.connection().clone());
    assert_eq!(nats::Unclaimed::new(store).sweep(Some(long_after)).await.expect("looked"), 0);
    let record = client.status(ended.id).await.expect("its record");
    let posted: Query = serde_json::from_value(record.query).expect("a query");
    for attachment in posted.attachments.iter().chain(&record.answer.expect("an answer").attachments) {
        assert!(client.fetch(attachment).await.expect("its bytes") == sent);
    }
}
