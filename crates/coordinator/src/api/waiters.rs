//! Callers of `ask` that wait for a query to end.

use std::collections::HashMap;

use ledger::Key;
use nats::Call;
use protocol::Problem;

use super::{read, reply};
use crate::service::Service;

/// Calls that may wait at the same time, over all queries.
const MOST: usize = 10_000;

/// The calls that wait.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    calls: HashMap<Key, Vec<Call>>,
    count: usize,
}

/// A call waits for the end of a query that was stored at `seq`; it may have ended by now. One that was read and
/// is not known any more is in the archive.
pub(crate) fn waits(service: &mut Service, key: Key, seq: u64, call: Call) {
    let book = service.desk.book();
    if book.get(&key).map_or(book.last() >= seq, |fold| fold.ended().is_some()) {
        return read::record(service, call, &key, false, None);
    }
    if service.waiters.count >= MOST {
        let problem = Problem::new("busy", format!("{MOST} calls wait already; the query {} is in the ledger", key.id));
        return reply::<()>(service, call, Err(problem.hint("Ask for its status later.")));
    }
    service.waiters.count += 1;
    service.waiters.calls.entry(key).or_default().push(call);
}

/// A query has ended: answers whoever waits for it.
pub(crate) fn ended(service: &mut Service, key: &Key) {
    for call in service.waiters.calls.remove(key).unwrap_or_default() {
        service.waiters.count = service.waiters.count.saturating_sub(1);
        read::record(service, call, key, false, None);
    }
}

/// The coordinator stops: whoever waits is told, and can ask again.
pub(crate) fn dismiss(service: &mut Service) {
    for (key, calls) in std::mem::take(&mut service.waiters.calls) {
        for call in calls {
            let problem = Problem::new("unavailable", format!("this coordinator stops; the query {} is in the ledger", key.id));
            reply::<()>(service, call, Err(problem.hint("Ask for its status: another coordinator answers, or the next one.")));
        }
    }
}
