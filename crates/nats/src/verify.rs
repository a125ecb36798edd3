//! Whether everything that was ever stored is still accounted for: reads the whole ledger, then the whole archive.
//!
//! It counts sequences; what the messages mean is the caller's business, who is given each of them. The ledger is
//! read first: what moves meanwhile is then found in the archive, and nothing in between is called missing.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use ledger::Pack;
use protocol::QueryId;
use serde_json::Value;

use crate::{Connection, Error, Kind, Packs, Reader, Start, Step, ledger as stream};

/// How long the ledger may say nothing while there is more to read.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sequences of one word of the account.
const WORD: u64 = 64;

/// Which sequences are accounted for. It takes a bit for each, and a few bytes for every 64.
#[derive(Debug, Default)]
pub struct Account {
    /// The last sequence that the ledger has given out.
    pub last: u64,
    /// Messages that the ledger holds.
    pub stored: u64,
    /// Messages that the archive holds, or that were erased.
    pub archived: u64,
    /// Places in the archive at which no pack stands.
    pub bad_packs: Vec<u64>,
    words: HashMap<u64, u64>,
    /// When the last message of each word was stored that is still there.
    times: BTreeMap<u64, Timestamp>,
    /// For how long the archive keeps what it holds; none if it keeps everything, or there is none.
    keep: Option<SignedDuration>,
    /// Whether the archive has dropped something.
    has_dropped: bool,
}

/// A range of sequences, with both ends, that neither ledger nor archive holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
    /// Whether it is as old as what the archive has dropped by now: then nothing is wrong with it.
    pub is_expired: bool,
}

impl Connection {
    /// Reads the ledger up to what is its end now, and calls `each` with every message in order.
    ///
    /// # Errors
    /// `no_ledger`, `unavailable`.
    pub async fn verify_ledger(&self, mut each: impl FnMut(&Step)) -> Result<Account, Error> {
        let state = stream::info(self).await?.state;
        let mut account = Account { last: state.last_sequence, ..Account::default() };
        if state.messages == 0 {
            return Ok(account);
        }
        let mut reader = Reader::open(self.clone(), Start::First, Vec::new()).await?;
        while reader.position() <= account.last && !reader.is_caught_up() {
            let read = tokio::time::timeout(PATIENCE, reader.advance()).await;
            let step = read.map_err(|_| Error::new(Kind::Unavailable, "the ledger says nothing more, though there is more of it"))?;
            let (seq, time) = match &step {
                Step::Entry(entry) => (entry.seq, entry.time),
                Step::PassedOver { seq, time, .. } => (*seq, *time),
                Step::Nothing => continue,
            };
            account.stored += 1;
            account.note(seq, time);
            each(&step);
        }
        Ok(account)
    }

    /// Reads the archive up to what is its end now, notes what it accounts for, and calls `each` with every pack.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn verify_archive(&self, account: &mut Account, mut each: impl FnMut(QueryId, &Pack)) -> Result<(), Error> {
        let Some(described) = self.stream(&self.space().archive()).await? else { return Ok(()) };
        let keep = described.config.get("max_age").and_then(Value::as_i64).filter(|age| *age > 0);
        account.keep = keep.map(SignedDuration::from_nanos);
        account.has_dropped = described.count("first_seq") > 1;
        let mut packs = Packs::new(self.clone(), None);
        packs
            .read(|seq, _, pack| match pack {
                Some((id, pack)) => {
                    account.pack(&pack);
                    each(id, &pack);
                }
                None => account.bad_packs.push(seq),
            })
            .await
    }
}

impl Account {
    fn pack(&mut self, pack: &Pack) {
        match pack {
            Pack::Pages(pages) => {
                for page in pages {
                    self.archived += u64::from(self.note(page.seq, page.time));
                }
            }
            Pack::Tombstone(tombstone) => {
                for (from, to) in &tombstone.sequences {
                    for seq in *from..=(*to).min(self.last) {
                        self.archived += u64::from(self.set(seq));
                    }
                }
            }
        }
    }

    fn note(&mut self, seq: u64, time: Timestamp) -> bool {
        let latest = self.times.entry(seq / WORD).or_insert(time);
        *latest = (*latest).max(time);
        self.set(seq)
    }

    /// Marks a sequence; returns whether it was not marked before.
    fn set(&mut self, seq: u64) -> bool {
        let word = self.words.entry(seq / WORD).or_default();
        let bit = 1 << (seq % WORD);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// The ranges that nothing accounts for, as far as the ledger reached when it was read.
    #[must_use]
    pub fn gaps(&self, now: Timestamp) -> Vec<Gap> {
        let missing = (0..=self.last / WORD).flat_map(|word| {
            let bits = self.words.get(&word).copied().unwrap_or_default();
            // Whole words are passed over at once.
            let missing = if bits == u64::MAX { 0..0 } else { 0..WORD };
            missing.filter(move |bit| bits >> bit & 1 == 0).map(move |bit| word * WORD + bit)
        });
        let missing = missing.filter(|seq| *seq > 0 && *seq <= self.last);
        let gap = |(from, to)| Gap { from, to, is_expired: self.is_expired(from, now) };
        ledger::ranges(missing).into_iter().map(gap).collect()
    }

    /// Whether a sequence is so old that the archive may have dropped it. It was stored after the nearest earlier
    /// message that is still there, as far as that is known.
    fn is_expired(&self, seq: u64, now: Timestamp) -> bool {
        let Some(keep) = self.keep else { return false };
        match self.times.range(..seq / WORD).next_back() {
            Some((_, before)) => now.duration_since(*before) >= keep,
            None => self.has_dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or_default()
    }

    #[test]
    fn what_is_neither_here_nor_there_is_a_gap() {
        let mut account = Account { last: 200, ..Account::default() };
        (1..=200).filter(|seq| !(70..=72).contains(seq) && *seq != 200).for_each(|seq| assert!(account.note(seq, at(0))));
        let ranges = |account: &Account| account.gaps(at(0)).iter().map(|gap| (gap.from, gap.to)).collect::<Vec<_>>();
        assert_eq!(ranges(&account), [(70, 72), (200, 200)]);
        assert!(account.set(71) && !account.set(71));
        assert_eq!(ranges(&account), [(70, 70), (72, 72), (200, 200)]);
    }

    #[test]
    fn what_is_older_than_the_archive_keeps_is_expired() {
        let mut account = Account { last: 1000, keep: Some(SignedDuration::from_secs(100)), ..Account::default() };
        (1..=1000).filter(|seq| *seq != 500 && *seq != 900).for_each(|seq| assert!(account.note(seq, at(seq as i64))));
        let expired = |now| account.gaps(at(now)).iter().map(|gap| gap.is_expired).collect::<Vec<_>>();
        assert_eq!((expired(540), expired(650), expired(1100)), (vec![false, false], vec![true, false], vec![true, true]));
    }
}
