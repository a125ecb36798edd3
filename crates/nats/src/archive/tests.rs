//! The archive against a real server: what is moved is found again, and what is erased is not.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use ledger::{Pack, Page, Tombstone};
use protocol::{Kind as Message, QueryId, Subject, To};

use super::*;
use crate::{Ledger, tests::Bench};

const LIMITS: Limits = Limits { max_bytes: 64 << 20, replicas: 1 };
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A bus with nothing on it.
async fn bus(bench: &Bench) -> (Connection, Archive) {
    let connection = bench.connect("archivist").await;
    Ledger::open(connection.clone(), LIMITS).await.unwrap();
    (connection.clone(), Archive::open(connection, LIMITS, DAY).await.unwrap())
}

/// Stores these bodies under one id, and returns its pages.
async fn stored(connection: &Connection, id: QueryId, bodies: &[Vec<u8>]) -> Vec<Page> {
    let subject = Subject::new(Message::Query, id, "me".parse().unwrap(), To::Any).unwrap();
    for body in bodies {
        connection.append_bytes(&subject, body.clone(), None).await.unwrap();
    }
    connection.pages(id, 1, u64::MAX).await.unwrap()
}

fn bodies() -> Vec<Vec<u8>> {
    // What a codec may get wrong: no text, no JSON, JSON that others would write otherwise, line feeds, nothing.
    vec![vec![0, 255, 254, b'\n'], b"{\"a\":1.0,\"a\":1e2}\n".to_vec(), Vec::new(), b"\n\n{}".to_vec()]
}

fn tombstone(pages: &[Page]) -> Tombstone {
    let sequences = pages.iter().map(|page| (page.seq, page.seq)).collect();
    Tombstone { at: jiff::Timestamp::UNIX_EPOCH, by: "me".parse().unwrap(), sequences }
}

async fn moved(connection: &Connection, archive: &Archive, id: QueryId, pages: Vec<Page>) {
    let last = pages.last().unwrap().seq;
    assert_eq!(archive.packing(id).add(pages).await.unwrap(), Packed::Done);
    archive.remove_from_ledger(id, last).await.unwrap();
    assert_eq!(connection.pages(id, 1, last).await.unwrap(), []);
}

async fn read(archive: &Archive, id: QueryId) -> Vec<Page> {
    archive.read(id).await.unwrap().pages().cloned().collect()
}

#[tokio::test]
async fn what_is_moved_is_found_again_byte_by_byte() {
    let bench = Bench::start().await;
    let (connection, archive) = bus(&bench).await;
    let (id, other) = (QueryId::mint(), QueryId::mint());
    assert_eq!(read(&archive, id).await, []);
    let pages = stored(&connection, id, &bodies()).await;
    let stays = stored(&connection, other, &[b"{}".to_vec()]).await;
    moved(&connection, &archive, id, pages.clone()).await;
    assert_eq!(read(&archive, id).await, pages);
    assert_eq!(connection.pages(other, 1, u64::MAX).await.unwrap(), stays, "nobody else's is touched");
    // What comes later under the id is a pack of its own.
    let late = stored(&connection, id, &[b"late".to_vec()]).await;
    let whole: Vec<Page> = archive.whole(id, 1).await.unwrap().pages().cloned().collect();
    assert_eq!(whole, [pages, late.clone()].concat());
    moved(&connection, &archive, id, late).await;
    assert_eq!(read(&archive, id).await, whole);
}

#[tokio::test]
async fn a_record_of_any_size_is_moved() {
    let bench = Bench::start().await;
    let (connection, archive) = bus(&bench).await;
    let id = QueryId::mint();
    // The largest that the ledger takes, and no text; and more than one reading brings.
    let mut bodies = vec![vec![0_u8; connection.max_body()]; 6];
    bodies.extend(vec![b"{}".to_vec(); 600]);
    let pages = stored(&connection, id, &bodies).await;
    assert_eq!(pages.len(), 606);
    let (some, next) = connection.some_pages(id, 1, u64::MAX).await.unwrap();
    assert!(some.len() < 10 && next == Some(some.last().unwrap().seq + 1), "it is read in parts");
    moved(&connection, &archive, id, pages.clone()).await;
    assert_eq!(read(&archive, id).await, pages);
}

#[tokio::test]
async fn what_two_coordinators_pack_is_there_once() {
    let bench = Bench::start().await;
    let (connection, archive) = bus(&bench).await;
    let id = QueryId::mint();
    let pages = stored(&connection, id, &vec![vec![b'x'; 300_000]; 5]).await;
    let (mut one, mut two) = (archive.packing(id), archive.packing(id));
    let (one, two) = futures::join!(one.add(pages.clone()), two.add(pages.clone()));
    assert_eq!((one.unwrap(), two.unwrap()), (Packed::Done, Packed::Done));
    assert_eq!(read(&archive, id).await, pages);
    // As after a crash before anything was removed.
    assert_eq!(archive.packing(id).add(pages.clone()).await.unwrap(), Packed::Done);
    let packs = archive.found(id).await.unwrap();
    let counts: Vec<usize> = packs.iter().map(|(_, pack)| if let Pack::Pages(pages) = pack { pages.len() } else { 0 }).collect();
    assert_eq!(counts.iter().sum::<usize>(), 5, "{counts:?}: nothing is written twice");
}

#[tokio::test]
async fn what_is_erased_leaves_a_tombstone_and_takes_nothing_more() {
    let bench = Bench::start().await;
    let (connection, archive) = bus(&bench).await;
    let (id, body) = (QueryId::mint(), b"{\"secret\":\"do not keep\"}");
    let pages = stored(&connection, id, &[body.to_vec(), body.to_vec()]).await;
    // As after a crash: one is in both.
    assert_eq!(archive.packing(id).add(pages[..1].to_vec()).await.unwrap(), Packed::Done);
    let seqs: Vec<u64> = pages.iter().map(|page| page.seq).collect();
    let grave = tombstone(&pages);
    archive.bury(id, grave.clone()).await.unwrap();
    assert!(archive.read(id).await.unwrap().erased().is_some() && bench.holds(b"do not keep"), "the order is that of safety");
    archive.erase(id, &seqs).await.unwrap();
    archive.erase(id, &seqs).await.unwrap();
    assert!(!bench.holds(b"do not keep"), "not even on the disk");
    let left = archive.whole(id, 1).await.unwrap();
    assert!(left.is_empty() && left.erased() == Some(&grave), "{left:?}");
    assert_eq!(archive.look(id).await.unwrap(), Looked::Erased(grave.clone()));
    // A coordinator that had read it before packs it no more.
    assert_eq!(archive.packing(id).add(pages).await.unwrap(), Packed::Erased(grave));
    assert!(archive.read(id).await.unwrap().is_empty());
}

#[tokio::test]
async fn only_what_is_stored_nowhere_counts_as_removed() {
    let bench = Bench::start().await;
    let (connection, archive) = bus(&bench).await;
    let id = QueryId::mint();
    let guard = connection.space().guard(id, &"me".parse().unwrap());
    let pages = stored(&connection, id, &bodies()).await;
    let last = pages.last().unwrap().seq;
    assert!(!connection.is_removed(&guard, last).await.unwrap());
    moved(&connection, &archive, id, pages).await;
    assert!(connection.is_removed(&guard, last).await.unwrap());
    let late = stored(&connection, id, &[b"{}".to_vec()]).await;
    assert!(connection.is_removed(&guard, last).await.unwrap());
    assert!(!connection.is_removed(&guard, late[0].seq).await.unwrap());
}

#[tokio::test]
async fn the_retention_time_is_that_of_the_last_start() {
    let bench = Bench::start().await;
    let (connection, _) = bus(&bench).await;
    Archive::open(connection.clone(), LIMITS, 2 * DAY).await.unwrap();
    let stream = connection.js.get_stream(connection.space().archive()).await.unwrap();
    let config = &stream.cached_info().config;
    assert_eq!((config.max_age, config.discard), (2 * DAY, DiscardPolicy::New));
    // A bus without an archive has nothing archived.
    let elsewhere = bench.connect("nobody").await;
    elsewhere.js.delete_stream(elsewhere.space().archive()).await.unwrap();
    assert_eq!(Archive::of(elsewhere).look(QueryId::mint()).await.unwrap(), Looked::Nothing);
}
