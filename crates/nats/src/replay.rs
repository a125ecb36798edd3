//! What happened on the bus, in order and without a gap, wherever it is kept by now.
//!
//! The ledger's messages come in order from its [`Reader`]; what was moved to the archive before it was read is put
//! in where it belongs. What is in neither is reported as missed, where that can be known: only a replay of
//! everything knows that a sequence is missing.
//!
//! Why nothing slips through: a message leaves the ledger only after the archive has it, so whatever is
//! missing before a message that has just been read is in the archive by then. Why the order holds: what
//! is put in stands before a message that the ledger's reader has reached, or before the end that it has reached.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use ledger::{Entry, Pack, Page};
use protocol::QueryId;

use crate::{
    Connection, Error, Kind, Reader, Start, Step, ledger as stream,
    packs::{self, Packs},
};

/// Messages that are read from the ledger before the archive is asked whether it has some between them.
const BATCH: usize = 256;

/// Bytes of archived messages that are kept until it is their turn: 32 MiB. For more, the archive is read again.
const ROOM: usize = 32 << 20;

/// Bytes that an archived message takes beside its body, roughly.
const OVERHEAD: usize = 256;

/// How long to wait before the archive is tried again.
const AGAIN: std::time::Duration = std::time::Duration::from_millis(200);

/// What a replay comes upon.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// The next message.
    Entry(Box<Entry>),
    /// These sequences, with both ends, are in neither ledger nor archive: erased, or past their retention.
    Missed {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
}

/// Everything under some filters, from a place in the past on.
#[derive(Debug)]
pub struct Replay {
    connection: Connection,
    reader: Reader,
    filters: Vec<String>,
    /// The last sequence that is done with; none before the first of a replay that began at a time.
    done: Option<u64>,
    /// Nothing older is wanted.
    since: Option<Timestamp>,
    /// What was read from the ledger. None stands for a message that is none of the bus.
    queue: VecDeque<(u64, Option<Box<Entry>>)>,
    /// Whether the archive was asked after the last of these was read.
    asked: bool,
    /// The end of the ledger when the replay began, until that has been reached and the archive asked.
    end: Option<u64>,
    archive: Option<Archive>,
}

/// What was found in the archive, and is still to come.
#[derive(Debug)]
struct Archive {
    packs: Packs,
    found: BTreeMap<u64, (Option<Box<Entry>>, usize)>,
    size: usize,
    /// From this sequence on, there was no room for what was found.
    known_to: u64,
}

impl Connection {
    /// The last sequence that the ledger has given out.
    ///
    /// # Errors
    /// `no_ledger` or `unavailable`.
    pub async fn last_sequence(&self) -> Result<u64, Error> {
        Ok(stream::info(self).await?.state.last_sequence)
    }
}

impl Replay {
    /// Opens a replay of what stands under `filters`; of everything if there are none. `since`: when the message was
    /// stored before which nothing is wanted, if that is known: it spares reading the whole archive.
    ///
    /// # Errors
    /// `no_ledger` or `unavailable`.
    pub async fn open(connection: Connection, start: Start, since: Option<Timestamp>, filters: Vec<String>) -> Result<Self, Error> {
        let end = stream::info(&connection).await?.state.last_sequence;
        let reader = Reader::open(connection.clone(), start, filters.clone()).await?;
        let (done, since) = match start {
            Start::First => (Some(0), since),
            Start::Seq(seq) => (Some(seq.saturating_sub(1)), since),
            Start::Time(at) => (None, Some(at)),
            Start::Now => (Some(reader.position().saturating_sub(1)), since),
        };
        let packs = Packs::new(connection.clone(), since);
        let archive = Archive { packs, found: BTreeMap::new(), size: 0, known_to: u64::MAX };
        // Who begins now has nothing to look for.
        let (archive, end) = if start == Start::Now { (None, None) } else { (Some(archive), Some(end)) };
        Ok(Self { connection, reader, filters, done, since, queue: VecDeque::new(), asked: false, end, archive })
    }

    /// What comes next. Waits until there is something; while the server is away, it waits for that. Safe to cancel.
    pub async fn next(&mut self) -> Seen {
        loop {
            if self.queue.is_empty() {
                if let Some(seen) = self.at_the_end().await {
                    return seen;
                }
                self.fill().await;
                continue;
            }
            if let Some(seen) = self.step().await {
                return seen;
            }
        }
    }

    /// Whether something can be given out without waiting for the ledger.
    pub fn is_ready(&mut self) -> bool {
        if self.queue.is_empty() {
            self.take_ready();
        }
        !self.queue.is_empty()
    }

    /// Whether everything that the server knew of when it sent the last message has been given out.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.reader.is_caught_up() && self.queue.is_empty()
    }

    /// How many sequences of the ledger are still to come, as the server says now; with a filter, that is the most it can be.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn behind(&self) -> Result<u64, Error> {
        let last = stream::info(&self.connection).await?.state.last_sequence;
        let next = self.queue.front().map_or(self.reader.position(), |(seq, _)| *seq);
        Ok((last + 1).saturating_sub(next))
    }

    /// The head of the queue, or what belongs before it.
    async fn step(&mut self) -> Option<Seen> {
        let head = self.queue.front()?.0;
        if self.done.is_some_and(|done| head <= done) {
            self.queue.pop_front();
            return None;
        }
        let follows = self.done.is_some_and(|done| head == done + 1);
        if !follows {
            self.ask().await;
            if let Some(found) = self.archived_before(head).await {
                return self.give(found.0, found.1, false);
            }
        }
        if !follows && self.skips_to(head) {
            return self.missed(head);
        }
        let (seq, entry) = self.queue.pop_front()?;
        self.archive.iter_mut().for_each(|archive| archive.forget(seq));
        self.give(seq, entry, true)
    }

    fn give(&mut self, seq: u64, entry: Option<Box<Entry>>, stored: bool) -> Option<Seen> {
        // What the archive has is looked for by sequence; its time may be before the one that is wanted.
        let wanted = stored || self.done.is_some() || entry.as_ref().is_none_or(|entry| self.since.is_none_or(|since| entry.time >= since));
        if !wanted {
            return None;
        }
        self.done = Some(seq);
        entry.map(Seen::Entry)
    }

    /// Whether sequences are left out before this one. With a filter, that says nothing.
    fn skips_to(&self, head: u64) -> bool {
        self.filters.is_empty() && self.done.is_some_and(|done| done + 1 < head)
    }

    fn missed(&mut self, head: u64) -> Option<Seen> {
        let from = self.done? + 1;
        self.done = Some(head - 1);
        Some(Seen::Missed { from, to: head - 1 })
    }

    /// At the end of what was there when the replay began, what the archive has after the ledger's last message.
    async fn at_the_end(&mut self) -> Option<Seen> {
        let end = self.end.filter(|_| self.reader.is_caught_up())?;
        self.ask().await;
        if let Some((seq, entry)) = self.archived_before(end + 1).await {
            if self.skips_to(seq) {
                self.archive.iter_mut().for_each(|archive| archive.put_back(seq, entry.clone()));
                return self.missed(seq);
            }
            return self.give(seq, entry, false);
        }
        self.end = None;
        None
    }

    /// Waits for a message of the ledger, and takes what else is there.
    async fn fill(&mut self) {
        let step = self.reader.advance().await;
        self.push(step);
        self.take_ready();
    }

    fn take_ready(&mut self) {
        while self.queue.len() < BATCH {
            let Some(sealed) = self.reader.ready() else { break };
            if let Some(sealed) = sealed {
                self.push(sealed.open());
            }
        }
    }

    fn push(&mut self, step: Step) {
        match step {
            Step::Entry(entry) => self.queue.push_back((entry.seq, Some(entry))),
            Step::PassedOver { seq, .. } => self.queue.push_back((seq, None)),
            Step::Nothing => return,
        }
        self.asked = false;
    }

    /// Learns what the archive has, unless that was done since the last message was read.
    async fn ask(&mut self) {
        let done = self.done.unwrap_or_default();
        let filters = &self.filters;
        while let Some(archive) = self.archive.as_mut().filter(|_| !self.asked) {
            match archive.look(done, filters).await {
                Ok(()) => self.asked = true,
                Err(error) if error.kind() == Kind::Forbidden => {
                    tracing::warn!(%error, "the archive may not be read; what has been moved there is not shown");
                    self.archive = None;
                }
                Err(error) => {
                    tracing::debug!(%error, "the archive cannot be read now; trying again");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// The first archived message that is still to come and stands before `head`.
    async fn archived_before(&mut self, head: u64) -> Option<(u64, Option<Box<Entry>>)> {
        loop {
            let archive = self.archive.as_mut()?;
            if let Some(found) = archive.take_before(head) {
                return Some(found);
            }
            if archive.known_to >= head {
                return None;
            }
            // There was no room for all: what has been given out has made some.
            archive.rewind();
            self.asked = false;
            self.ask().await;
        }
    }
}

impl Archive {
    /// Reads what is new in the archive.
    async fn look(&mut self, done: u64, filters: &[String]) -> Result<(), Error> {
        if !self.packs.has_grown().await? {
            return Ok(());
        }
        let Self { packs, found, size, known_to } = self;
        let space = packs.space().clone();
        let mut keep = |page: &Page| {
            let wanted = page.seq > done && page.seq < *known_to && !found.contains_key(&page.seq);
            if !wanted || !matches(filters, &page.subject) {
                return;
            }
            let bytes = page.body.len() + OVERHEAD;
            *size += bytes;
            let entry = match packs::step(&space, page) {
                Step::Entry(entry) => Some(entry),
                _ => None,
            };
            found.insert(page.seq, (entry, bytes));
            while *size > ROOM && found.len() > 1 {
                let Some((seq, (_, bytes))) = found.pop_last() else { break };
                *size -= bytes;
                *known_to = seq;
            }
        };
        // Each page is kept at once, so that nothing is lost if this is cancelled half-way.
        let each = |_, _, pack: Option<(QueryId, Pack)>| {
            if let Some((_, Pack::Pages(pages))) = pack {
                pages.iter().for_each(&mut keep);
            }
        };
        packs.read(each).await
    }

    fn take_before(&mut self, head: u64) -> Option<(u64, Option<Box<Entry>>)> {
        let first = self.found.first_entry().filter(|first| *first.key() < head)?;
        let (seq, (entry, size)) = first.remove_entry();
        self.size = self.size.saturating_sub(size);
        Some((seq, entry))
    }

    fn put_back(&mut self, seq: u64, entry: Option<Box<Entry>>) {
        self.found.insert(seq, (entry, 0));
    }

    fn forget(&mut self, seq: u64) {
        if let Some((_, size)) = self.found.remove(&seq) {
            self.size = self.size.saturating_sub(size);
        }
    }

    fn rewind(&mut self) {
        self.packs.rewind();
        self.known_to = u64::MAX;
    }
}

/// Whether a subject is among those that some filter takes; all are, if there is none.
fn matches(filters: &[String], subject: &str) -> bool {
    filters.is_empty() || filters.iter().any(|filter| takes(filter, subject))
}

/// Whether a subject filter (`*` for one token, `>` for the rest) takes a subject.
fn takes(filter: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for wanted in filter.split('.') {
        match (wanted, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(token)) if wanted == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::takes;

    #[test]
    fn a_filter_takes_what_the_server_would_give() {
        assert!(takes("bus.*.7.>", "bus.query.7.a.b") && takes("bus.query.*.*.*", "bus.query.7.a.b"));
        assert!(!takes("bus.query.*.*", "bus.query.7.a.b") && !takes("bus.query.7.>", "bus.query.7") && !takes("a", "b"));
    }
}
