//! What the archive holds: records that have ended, as they were stored, byte by byte.
//!
//! Owns the format of a *pack* (one message of the archive) and of a *tombstone*, and how packs add up
//! to a record. Every pack stands for itself: a record is the union of all packs under its id, each
//! message once, in the order of its sequence. So a pack that was written twice, as by two coordinators or
//! around a crash, changes nothing, and a message that comes later is simply one more pack.
//!
//! Must never interpret a body, or write it otherwise than it was stored. Next: [`crate::Desk`], which
//! says what is archived and when.

use std::collections::BTreeMap;

use jiff::Timestamp;
use protocol::{End, Message, Name, QueryId, State};
use serde::{Deserialize, Serialize};

use crate::{Book, Content, Entry};

/// A message as the ledger stored it, whatever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its sequence in the ledger.
    pub seq: u64,
    /// When the server stored it.
    pub time: Timestamp,
    /// Its subject, which need not be one of the bus.
    pub subject: String,
    /// Whether it carried the mark of a stored message that somebody sent again.
    pub replayed: bool,
    /// Its body.
    pub body: Vec<u8>,
}

/// One message of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pack {
    /// Messages of one id.
    Pages(Vec<Page>),
    /// The record of the id was erased.
    Tombstone(Tombstone),
}

/// What is left of a record that was erased: nothing of what it said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// When it was erased.
    pub at: Timestamp,
    /// Who wanted it.
    pub by: Name,
    /// The sequences that its messages had, as ranges with both ends.
    pub sequences: Vec<(u64, u64)>,
}

/// The first line of a pack. The bodies stand after it, one after the other.
#[derive(Serialize, Deserialize)]
struct Index {
    id: QueryId,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    entries: Vec<Line>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    erased: Option<Tombstone>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    seq: u64,
    time: Timestamp,
    subject: String,
    /// Bytes of its body.
    size: usize,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    replayed: bool,
}

/// Why bytes are no pack.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a pack of the archive: {0}")]
pub struct BadPack(String);

impl BadPack {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "bad_pack"
    }
}

impl Pack {
    /// The pack as it is stored.
    #[must_use]
    pub fn to_bytes(&self, id: QueryId) -> Vec<u8> {
        let (pages, erased) = match self {
            Self::Pages(pages) => (pages.as_slice(), None),
            Self::Tombstone(tombstone) => ([].as_slice(), Some(tombstone.clone())),
        };
        let line = |page: &Page| {
            let Page { seq, time, replayed, .. } = *page;
            Line { seq, time, subject: page.subject.clone(), size: page.body.len(), replayed }
        };
        let index = Index { id, entries: pages.iter().map(line).collect(), erased };
        // An index holds nothing that JSON cannot.
        let mut bytes = serde_json::to_vec(&index).unwrap_or_default();
        bytes.push(b'\n');
        pages.iter().for_each(|page| bytes.extend_from_slice(&page.body));
        bytes
    }

    /// Reads a pack, and whose it is.
    ///
    /// # Errors
    /// `bad_pack`: it is none.
    pub fn parse(bytes: &[u8]) -> Result<(QueryId, Self), BadPack> {
        let mut halves = bytes.splitn(2, |byte| *byte == b'\n');
        let (Some(index), Some(mut bodies)) = (halves.next(), halves.next()) else {
            return Err(BadPack("it has no index".to_owned()));
        };
        let Index { id, entries, erased } = serde_json::from_slice(index).map_err(|error| BadPack(error.to_string()))?;
        if let Some(tombstone) = erased {
            return Ok((id, Self::Tombstone(tombstone)));
        }
        let mut pages = Vec::with_capacity(entries.len());
        for Line { seq, time, subject, size, replayed } in entries {
            let (body, rest) = bodies.split_at_checked(size).ok_or_else(|| BadPack("a body is cut off".to_owned()))?;
            pages.push(Page { seq, time, subject, replayed, body: body.to_vec() });
            bodies = rest;
        }
        if bodies.is_empty() { Ok((id, Self::Pages(pages))) } else { Err(BadPack("there is more than its index says".to_owned())) }
    }
}

impl Page {
    /// About how many bytes it takes in a pack.
    const fn size(&self) -> usize {
        self.body.len() + self.subject.len() + 128
    }
}

/// How many of these pages the next pack takes, at least one: as many as fit into `most` bytes.
#[must_use]
pub fn fitting(pages: &[Page], most: usize) -> usize {
    let mut size = 0;
    let fits = |page: &&Page| {
        size += page.size();
        size <= most
    };
    pages.iter().take_while(fits).count().max(1).min(pages.len())
}

/// Sequences, ascending, as ranges with both ends.
#[must_use]
pub fn ranges(sequences: impl IntoIterator<Item = u64>) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for seq in sequences {
        match ranges.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(seq) => *end = seq,
            _ => ranges.push((seq, seq)),
        }
    }
    ranges
}

/// Everything that is stored of one id: in the archive, or in archive and ledger together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archived {
    pages: BTreeMap<u64, Page>,
    erased: Option<Tombstone>,
}

impl Archived {
    /// Adds a pack. In which order packs come, and how often, makes no difference.
    pub fn add(&mut self, pack: Pack) {
        match pack {
            Pack::Pages(pages) => pages.into_iter().for_each(|page| self.add_page(page)),
            Pack::Tombstone(tombstone) => self.bury(tombstone),
        }
    }

    /// Adds a message.
    pub fn add_page(&mut self, page: Page) {
        self.pages.insert(page.seq, page);
    }

    /// The first erasing counts; later ones only add the sequences of what came after it.
    fn bury(&mut self, tombstone: Tombstone) {
        let Some(erased) = &mut self.erased else {
            self.erased = Some(tombstone);
            return;
        };
        let mut sequences = std::mem::take(&mut erased.sequences);
        sequences.extend_from_slice(&tombstone.sequences);
        sequences.sort_unstable();
        sequences.dedup();
        if tombstone.at < erased.at {
            *erased = tombstone;
        }
        erased.sequences = sequences;
    }

    /// The messages, in ledger order.
    pub fn pages(&self) -> impl Iterator<Item = &Page> {
        self.pages.values()
    }

    /// Whether the message of this sequence is among them.
    #[must_use]
    pub fn holds(&self, seq: u64) -> bool {
        self.pages.contains_key(&seq)
    }

    /// That the record was erased, if it was. Then nothing else counts.
    #[must_use]
    pub const fn erased(&self) -> Option<&Tombstone> {
        self.erased.as_ref()
    }

    /// Whether there is no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }
}

/// What the archive knows of an id that somebody posts under.
#[derive(Clone, Debug, PartialEq)]
pub enum Looked {
    /// Nothing: the id is free.
    Nothing,
    /// A query that has ended.
    Ended {
        /// Whose it was.
        requester: Name,
        /// What it was.
        content: Content,
        /// How it ended.
        end: End,
    },
    /// Its record was erased, and the id is not given out again.
    Erased(Tombstone),
    /// The archive cannot be read now.
    Unknown,
}

impl Looked {
    /// What these messages, in ledger order, say of the query that owns `id`. A query without an ending is
    /// no record: what went before it has been dropped.
    #[must_use]
    pub fn at(id: QueryId, entries: &[Entry]) -> Self {
        let mut book = Book::default();
        for entry in entries {
            book.apply(entry);
        }
        let Some((fold, ended)) = book.owner(id).and_then(|fold| Some((fold, fold.ended()?))) else { return Self::Nothing };
        let last = entries.iter().find(|entry| entry.seq == ended.seq);
        let digest = last.and_then(|entry| entry.body.as_ref().ok()).map(Message::digest).unwrap_or_default();
        let state: State = ended.state;
        let end = End { id, seq: ended.seq, state, digest };
        Self::Ended { requester: fold.key().requester.clone(), content: fold.posted().content, end }
    }
}

#[cfg(test)]
mod tests;
