//! `dead`: what ended because nobody could do it, and what nobody could read.
//!
//! Which letters there are, the desk's book knows, and this file's own memory of what has left the book; what
//! stands in them is read from the ledger each time.

use std::collections::{BTreeMap, VecDeque};

use ledger::{Entry, Fold, Key};
use nats::{Call, Connection, Step};
use protocol::{DeadLetters, Kind, Problem, Record, Space, State, Unreadable};
use serde::Deserialize;

use super::{read, reply};
use crate::service::Service;

/// Unreadable messages that are remembered: the newest.
const UNREADABLE: usize = 256;

/// Dead queries that are remembered though the book has forgotten them: the newest.
const FORGOTTEN: usize = 1024;

/// Letters of a page, unless the caller wants fewer.
const PAGE: usize = 100;

#[derive(Default, Deserialize)]
struct Page {
    limit: Option<usize>,
    before: Option<u64>,
}

/// What a coordinator remembers for `dead`.
#[derive(Debug, Default)]
pub(crate) struct Dead {
    unreadable: VecDeque<Unreadable>,
    /// Queries that ended as dead since it started, by the sequence of their end.
    ended: BTreeMap<u64, (Key, u64)>,
}

impl Dead {
    /// Notes a message that nobody can read.
    pub(crate) fn unreadable(&mut self, step: &Step, space: &Space) {
        let Some(unreadable) = judge(step, space) else { return };
        let Unreadable { seq, subject, message, .. } = &unreadable;
        tracing::warn!(seq, subject, message, "a stored message that nobody can read; passed over");
        if self.unreadable.len() == UNREADABLE {
            self.unreadable.pop_front();
        }
        self.unreadable.push_back(unreadable);
    }

    /// Notes a query that has ended.
    pub(crate) fn ended(&mut self, fold: &Fold) {
        let Some(ended) = fold.ended().filter(|_| is_letter(fold)) else { return };
        self.ended.insert(ended.seq, (fold.key().clone(), fold.posted().seq));
        if self.ended.len() > FORGOTTEN {
            self.ended.pop_first();
        }
    }
}

/// Why nobody can read it, if so. A query that cannot be read is none of these: it has a record, and is rejected.
fn judge(step: &Step, space: &Space) -> Option<Unreadable> {
    match step {
        Step::PassedOver { seq, time, subject, reason, .. } => {
            Some(Unreadable { seq: *seq, time: *time, subject: subject.clone(), code: "bad_subject".to_owned(), message: reason.clone() })
        }
        Step::Entry(entry) if entry.subject.kind() != Kind::Query => {
            let Entry { seq, time, subject, body } = &**entry;
            let problem = Problem::from(body.as_ref().err()?.clone());
            Some(Unreadable { seq: *seq, time: *time, subject: subject.in_space(space), code: problem.code, message: problem.message })
        }
        _ => None,
    }
}

/// Whether a query belongs here: its attempts are spent, or it could not be read.
fn is_letter(fold: &Fold) -> bool {
    match fold.state() {
        State::Dead => true,
        State::Rejected => fold.posted().request_type.is_none(),
        _ => false,
    }
}

/// Answers with a page of letters, newest first, as many as fit into one message.
pub(super) fn dead(service: &Service, call: Call) {
    let page: Page = match call.payload().as_ref() {
        [] => Page::default(),
        payload => match read::parse(payload, "send nothing, or {\"limit\", \"before\"}") {
            Ok(page) => page,
            Err(problem) => return reply::<()>(service, call, Err(problem)),
        },
    };
    let (before, limit) = (page.before.unwrap_or(u64::MAX), page.limit.unwrap_or(PAGE).min(PAGE));
    let mut ended = service.dead.ended.clone();
    let letters = service.desk.book().folds().filter(|fold| is_letter(fold));
    ended.extend(letters.filter_map(|fold| Some((fold.ended()?.seq, (fold.key().clone(), fold.posted().seq)))));
    let wanted: Vec<_> = ended.into_iter().rev().filter(|(end, _)| *end < before).take(limit + 1).collect();
    // They stand on the first page only.
    let unreadable = if page.before.is_none() { service.dead.unreadable.iter().rev().cloned().collect() } else { Vec::new() };
    let connection = service.effects.connection.clone();
    service.effects.tasks.spawn(async move {
        let answer = gather(&connection, wanted, limit, unreadable).await;
        call.answer(answer.as_ref()).await;
    });
}

async fn gather(
    connection: &Connection,
    wanted: Vec<(u64, (Key, u64))>,
    limit: usize,
    unreadable: Vec<Unreadable>,
) -> Result<DeadLetters, Problem> {
    let mut room = connection.max_payload() / 2;
    let mut page = DeadLetters { unreadable, ..DeadLetters::default() };
    for (end, (key, seq)) in wanted {
        if page.letters.len() == limit {
            page.before = Some(end + 1);
            break;
        }
        let letter = match read::look_up(connection, key.id, &key.requester, seq).await {
            Ok(record) => stripped(record, room),
            // It was erased, or is past its retention.
            Err(problem) if problem.code != "unavailable" => continue,
            Err(problem) => return Err(problem),
        };
        let size = serde_json::to_vec(&letter).map_or(0, |text| text.len());
        if size > room && !page.letters.is_empty() {
            page.before = Some(end + 1);
            break;
        }
        room = room.saturating_sub(size);
        page.letters.push(letter);
    }
    Ok(page)
}

/// What tells why it died. A query's text that leaves no room for that can be read with `status`.
fn stripped(mut record: Record, room: usize) -> Record {
    record.messages.clear();
    record.decision = None;
    if record.query.to_string().len() > room {
        record.query = serde_json::Value::Null;
    }
    record
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_so_many_unreadable_messages_are_remembered() {
        let mut dead = Dead::default();
        for seq in 1..=UNREADABLE as u64 + 3 {
            let time = "2026-11-21T09:00:00Z".parse().unwrap();
            dead.unreadable(
                &Step::PassedOver { key: None, seq, time, subject: "junk".to_owned(), reason: "no id".to_owned() },
                &Space::default(),
            );
        }
        assert_eq!((dead.unreadable.len(), dead.unreadable.front().unwrap().seq), (UNREADABLE, 4));
    }
}
