//! What is packed comes back as it was, in whatever order, however often, and however it was split.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;
use protocol::{State, message::Outcome};

use super::*;
use crate::testing::{Log, at, key, name};

fn page() -> impl Strategy<Value = Page> {
    let body = prop_oneof![prop::collection::vec(any::<u8>(), 0..200), Just(b"{\"a\":1.0}\n".to_vec())];
    (1..50_u64, 0..1_000_000_i64, "[a-z.*> \"\n]{0,12}", any::<bool>(), body).prop_map(|(seq, second, subject, replayed, body)| Page {
        seq,
        time: at(second),
        subject,
        replayed,
        body,
    })
}

/// Messages of one id: each sequence once, in order.
fn pages() -> impl Strategy<Value = Vec<Page>> {
    prop::collection::vec(page(), 0..20).prop_map(|mut pages| {
        pages.sort_by_key(|page| page.seq);
        pages.dedup_by_key(|page| page.seq);
        pages
    })
}

fn packed(mut pages: &[Page], most: usize) -> Vec<Vec<u8>> {
    let mut packs = Vec::new();
    while !pages.is_empty() {
        let (part, rest) = pages.split_at(fitting(pages, most));
        packs.push(Pack::Pages(part.to_vec()).to_bytes(key(0).id));
        pages = rest;
    }
    packs
}

fn union(packs: &[Vec<u8>]) -> Archived {
    let mut archived = Archived::default();
    for bytes in packs {
        let (id, pack) = Pack::parse(bytes).unwrap();
        assert_eq!(id, key(0).id);
        archived.add(pack);
    }
    archived
}

proptest! {
    #[test]
    fn what_is_packed_comes_back_as_it_was(pages in pages(), most in 1..2_000_usize) {
        let packs = packed(&pages, most);
        prop_assert_eq!(union(&packs).pages().cloned().collect::<Vec<_>>(), pages.clone());
        for pack in &packs {
            prop_assert!(pack.len() <= most + 600 || matches!(Pack::parse(pack), Ok((_, Pack::Pages(one))) if one.len() == 1));
        }
    }

    #[test]
    fn packs_that_are_there_twice_or_in_another_order_change_nothing(
        pages in pages(),
        sizes in prop::collection::vec(1..1_000_usize, 1..4),
        order in any::<prop::sample::Index>(),
    ) {
        // Each coordinator packs in its own way; the last one comes to its end.
        let mut packs: Vec<_> = sizes.iter().flat_map(|most| packed(&pages, *most)).collect();
        if !packs.is_empty() {
            let turn = order.index(packs.len());
            packs.rotate_left(turn);
        }
        prop_assert_eq!(union(&packs).pages().cloned().collect::<Vec<_>>(), pages);
    }

    #[test]
    fn no_bytes_upset_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Pack::parse(&bytes);
    }

    #[test]
    fn a_pack_that_was_cut_or_added_to_is_refused(pages in pages(), cut in 1..100_usize) {
        for mut bytes in packed(&pages, 1_000) {
            bytes.push(b'x');
            prop_assert!(Pack::parse(&bytes).is_err());
            bytes.truncate(bytes.len().saturating_sub(1 + cut));
            let read = Pack::parse(&bytes);
            prop_assert!(read.is_err(), "{read:?}");
        }
    }

    #[test]
    fn ranges_hold_what_they_were_made_of(seqs in prop::collection::btree_set(0..60_u64, 0..40)) {
        let ranges = ranges(seqs.iter().copied());
        prop_assert_eq!(ranges.iter().flat_map(|(from, to)| *from..=*to).collect::<Vec<_>>(), seqs.into_iter().collect::<Vec<_>>());
        prop_assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "none could be longer");
    }
}

fn tombstone(second: i64, by: &str, sequences: &[(u64, u64)]) -> Tombstone {
    Tombstone { at: at(second), by: name(by), sequences: sequences.to_vec() }
}

#[test]
fn the_first_erasing_counts_and_the_others_add_what_came_after() {
    let (first, second) = (tombstone(5, "me", &[(1, 4)]), tombstone(9, "me", &[(7, 7)]));
    for order in [[&first, &second, &first], [&second, &first, &second]] {
        let packs = order.map(|tombstone| Pack::Tombstone(tombstone.clone()).to_bytes(key(0).id));
        assert_eq!(union(&packs).erased(), Some(&tombstone(5, "me", &[(1, 4), (7, 7)])));
    }
}

#[test]
fn a_pack_can_be_read_without_us() {
    let page = Page { seq: 3, time: at(1), subject: "bus.x".to_owned(), replayed: false, body: b"{}".to_vec() };
    let bytes = Pack::Pages(vec![page]).to_bytes(key(0).id);
    let text =
        r#"{"id":"00000000-0000-7000-8000-000000000000","entries":[{"seq":3,"time":"1970-01-01T00:00:01Z","subject":"bus.x","size":2}]}"#;
    assert_eq!(String::from_utf8(bytes).unwrap(), format!("{text}\n{{}}"));
}

#[test]
fn an_id_stands_for_the_query_that_ended_under_it() {
    let mut log = Log::posted();
    log.assign(1, "i");
    assert_eq!(Looked::at(log.key.id, &log.entries), Looked::Nothing, "a query without an ending is no record");
    log.answer(1, "i", Outcome::Completed);
    log.cancel();
    let Looked::Ended { requester, content, end } = Looked::at(log.key.id, &log.entries) else { panic!("it has ended") };
    assert_eq!((requester, content), (name("me"), log.fold().posted().content));
    assert_eq!((end.seq, end.state), (3, State::Completed));
    assert_eq!(end.digest, log.entries[2].body.as_ref().unwrap().digest(), "the digest of what ended it");
    assert_eq!(Looked::at(key(1).id, &log.entries), Looked::Nothing);
}
