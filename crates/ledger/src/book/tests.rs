//! Who owns an id, and what stands under a guard.

#![allow(clippy::unwrap_used)]

use protocol::{Extra, Kind, Message, To, Verdict, message::Progress, message::Query};

use crate::{
    Key,
    testing::{Log, junk, name},
};

#[test]
fn an_id_belongs_to_who_came_first() {
    let mut log = Log::posted();
    let hers = Ok(Message::Query(Query::new(name("her"), "request", "Mine!")));
    assert_eq!(log.write(Kind::Query, "her", To::Any, hers), Verdict::Conflict);
    let (me, her) = (&log.key, Key { id: log.key.id, requester: name("her") });
    assert!(!log.book.get(me).unwrap().is_conflict() && log.book.get(&her).unwrap().is_conflict());
    assert_eq!(log.book.find(me.id, &name("her")).unwrap().key(), &her, "her own");
    assert_eq!(log.book.find(me.id, &name("it")).unwrap().key(), me, "the owner's");
}

#[test]
fn whatever_stands_under_the_guard_counts_for_it() {
    let mut log = Log::posted();
    assert_eq!(log.fold().guard(), 1);
    log.assign(1, "i");
    assert_eq!(log.fold().guard(), 2);
    log.accept(1, "i");
    assert_eq!(log.fold().guard(), 2, "what the agent writes does not stand there");
    log.write(Kind::Reply, "me", To::One(name("a")), Err(junk()));
    assert_eq!(log.fold().guard(), 4, "junk does");
    let progress = Progress {
        agent: name("me"),
        status: "busy".to_owned(),
        progress: None,
        attempt: None,
        instance: None,
        defaulted: None,
        extra: Extra::new(),
    };
    log.write(Kind::Progress, "me", To::All, Ok(Message::Progress(progress)));
    assert_eq!(log.fold().guard(), 5, "and what belongs to no query");
    log.book.passed_over(&log.key, 6);
    assert_eq!((log.fold().guard(), log.book.last()), (6, 6), "and what has no subject of the bus");
}

#[test]
fn what_no_query_came_before_is_an_orphan() {
    let mut log = Log::empty();
    assert_eq!(log.cancel(), Verdict::Orphan);
    assert_eq!(log.accept(1, "i"), Verdict::Orphan);
    assert!(log.book.get(&log.key).is_none());
}

#[test]
fn an_entry_is_applied_once() {
    let mut log = Log::posted();
    log.assign(1, "i");
    let assign = log.entries.last().unwrap();
    assert_eq!(log.book.apply(assign).verdict, Verdict::Duplicate);
    assert_eq!(log.fold().attempts().len(), 1);
}
