//! The archive stream: where records stand that have left the ledger, until their time is over.
//!
//! Owns the stream and the order in which things happen around it: what is packed is acknowledged here before
//! it may be removed from the ledger, and a tombstone stands before anything is erased. What a pack looks
//! like is said in [`ledger::Pack`]; what is moved, and when, is the coordinator's business. Whoever wants a
//! whole record reads the ledger first and the archive after it: then nothing that moves meanwhile is missed.
//!
//! The leader is asked, never a copy: an id is given out again only on its word that nothing is there.

use std::time::Duration;

use async_nats::{
    HeaderMap, HeaderValue,
    jetstream::{
        ErrorCode,
        context::CreateStreamErrorKind as Create,
        message::StreamMessage,
        stream::{Config, DiscardPolicy, PurgeErrorKind, RawMessageErrorKind, RetentionPolicy, StorageType, Stream},
    },
};
use ledger::{Archived, Looked, Pack, Page, Tombstone, fitting};
use protocol::{QueryId, VERSION};

use crate::{
    Connection, Error, Kind, Limits, Stored,
    append::{BUS_VERSION, EXPECTED_LAST},
    convert,
    election::elected,
    ledger::no_room,
};

/// How often a pack is tried whose id somebody else is writing under.
const TRIES: u32 = 8;

/// The archive of a bus. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Archive {
    connection: Connection,
}

/// What became of a packing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packed {
    /// The archive holds every page.
    Done,
    /// The record was erased meanwhile: nothing of it may be kept.
    Erased(Tombstone),
}

/// A packing that is under way.
#[derive(Debug)]
pub struct Packing {
    archive: Archive,
    id: QueryId,
    /// The last message of the archive under the id, as far as we know.
    last: u64,
}

/// A message of the archive, and where it stands there.
type Found = (u64, Pack);

impl Archive {
    /// The archive of the bus that the connection belongs to, for reading. There may be none: then it is empty.
    #[must_use]
    pub const fn of(connection: Connection) -> Self {
        Self { connection }
    }

    /// Opens the archive; makes it if there is none, for at most `limits.max_bytes`. It drops what it has held
    /// for `keep`.
    ///
    /// # Errors
    /// `storage_full` where the disk has no room for it, `ledger_settings`, `unavailable`.
    pub async fn open(connection: Connection, limits: Limits, keep: Duration) -> Result<Self, Error> {
        let wanted = config(&connection, limits, keep);
        elected(|| async {
            let made = connection.js.get_or_create_stream(wanted.clone()).await;
            let stream = made.map_err(|error| match error.kind() {
                Create::JetStream(cause) => no_room("the archive", wanted.max_bytes, &cause).unwrap_or_else(|| {
                    let overlaps = cause.error_code() == ErrorCode::STREAM_SUBJECT_OVERLAP;
                    let kind = if overlaps { Kind::LedgerSettings } else { Kind::Unavailable };
                    Error::new(kind, format!("the archive: {cause}"))
                }),
                _ => Error::new(Kind::Unavailable, format!("the archive: {error}")),
            })?;
            let is = stream.cached_info().config.clone();
            if is.max_age == wanted.max_age {
                return Ok(());
            }
            let updated = connection.js.update_stream(Config { max_age: wanted.max_age, ..is }).await;
            updated.map(drop).map_err(|error| Error::new(Kind::Unavailable, format!("the archive: {error}")))
        })
        .await?;
        Ok(Self::of(connection))
    }

    /// What the archive holds of an id.
    ///
    /// # Errors
    /// `unavailable`, or `garbled` where something else than packs stands there.
    pub async fn read(&self, id: QueryId) -> Result<Archived, Error> {
        let mut archived = Archived::default();
        self.found(id).await?.into_iter().for_each(|(_, pack)| archived.add(pack));
        Ok(archived)
    }

    /// What ledger and archive together hold of an id. `from`: a place in the ledger at the record's first message,
    /// or before it.
    ///
    /// # Errors
    /// As [`Archive::read`], and `no_ledger`.
    pub async fn whole(&self, id: QueryId, from: u64) -> Result<Archived, Error> {
        let pages = self.connection.pages(id, from, u64::MAX).await?;
        let mut whole = self.read(id).await?;
        pages.into_iter().for_each(|page| whole.add_page(page));
        Ok(whole)
    }

    /// What the archive knows of an id that somebody posts under.
    ///
    /// # Errors
    /// As [`Archive::read`].
    pub async fn look(&self, id: QueryId) -> Result<Looked, Error> {
        let archived = self.read(id).await?;
        if let Some(tombstone) = archived.erased() {
            return Ok(Looked::Erased(tombstone.clone()));
        }
        let entries: Vec<_> = archived.pages().filter_map(|page| self.connection.entry(page)).collect();
        Ok(Looked::at(id, &entries))
    }

    /// Begins to pack what stands under an id.
    #[must_use]
    pub fn packing(&self, id: QueryId) -> Packing {
        Packing { archive: self.clone(), id, last: 0 }
    }

    /// Removes what stands in the ledger under an id up to a sequence. Only after all of it was packed.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn remove_from_ledger(&self, id: QueryId, upto: u64) -> Result<(), Error> {
        let ledger = self.stream(self.connection.space().ledger()).await?;
        // The server removes what stands before the sequence that it is told.
        let purge = ledger.purge().filter(self.connection.space().record(id)).sequence(upto.saturating_add(1));
        purge.await.map(drop).map_err(|error| match error.kind() {
            PurgeErrorKind::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_NOT_FOUND => Error::new(Kind::NoLedger, cause),
            _ => Error::new(Kind::Unavailable, error),
        })
    }

    /// Sets a tombstone. From then on nobody packs anything more under the id, and nobody reads what is there.
    ///
    /// # Errors
    /// `storage_full`, `unavailable`.
    pub async fn bury(&self, id: QueryId, tombstone: Tombstone) -> Result<(), Error> {
        let subject = self.connection.space().archived(id);
        self.connection.store(subject, headers(), Pack::Tombstone(tombstone).to_bytes(id)).await.map(drop)
    }

    /// Overwrites these messages of the ledger, in this order, and every pack of the id. Only after [`Archive::bury`].
    /// It takes the server some milliseconds for each message.
    ///
    /// # Errors
    /// `unavailable`: part of it may be done; the rest may be done again.
    pub async fn erase(&self, id: QueryId, in_ledger: &[u64]) -> Result<(), Error> {
        let ledger = self.stream(self.connection.space().ledger()).await?;
        for seq in in_ledger {
            overwrite(&ledger, *seq).await?;
        }
        let archive = self.stream(self.connection.space().archive()).await?;
        for (seq, pack) in self.found(id).await? {
            if matches!(pack, Pack::Pages(_)) {
                overwrite(&archive, seq).await?;
            }
        }
        Ok(())
    }

    /// Writes a pack, if nothing stands under its id after `last`.
    async fn write(&self, id: QueryId, pack: &Pack, last: u64) -> Result<Stored, Error> {
        let bytes = pack.to_bytes(id);
        self.connection.fits(bytes.len())?;
        let mut headers = headers();
        headers.insert(EXPECTED_LAST, HeaderValue::from(last));
        self.connection.store(self.connection.space().archived(id), headers, bytes).await
    }

    /// Everything that stands under an id, in the order in which it was written.
    async fn found(&self, id: QueryId) -> Result<Vec<Found>, Error> {
        let stream = self.stream(self.connection.space().archive()).await?;
        let subject = self.connection.space().archived(id);
        let (mut found, mut next) = (Vec::new(), 1);
        loop {
            let message = match stream.get_first_raw_message_by_subject(&subject, next).await {
                Ok(message) => message,
                Err(error) => match error.kind() {
                    RawMessageErrorKind::NoMessageFound => return Ok(found),
                    RawMessageErrorKind::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_NOT_FOUND => return Ok(found),
                    _ => return Err(Error::new(Kind::Unavailable, error)),
                },
            };
            next = message.sequence.saturating_add(1);
            found.push((message.sequence, open(id, &message)?));
        }
    }

    async fn stream(&self, name: String) -> Result<Stream<()>, Error> {
        self.connection.js.get_stream_no_info(name).await.map_err(|error| Error::new(Kind::Unavailable, error))
    }
}

impl Packing {
    /// Packs messages, in ledger order. Returns when the archive has acknowledged them all. What it holds already
    /// is not written again.
    ///
    /// # Errors
    /// `storage_full`: the archive takes nothing more; `unavailable`. Part of it may be written, which does no harm.
    pub async fn add(&mut self, mut pages: Vec<Page>) -> Result<Packed, Error> {
        // Half of what a message may be: there are readers who get it in another coding.
        let most = self.archive.connection.max_payload() / 2;
        let mut tries = 0;
        while !pages.is_empty() {
            let rest = pages.split_off(fitting(&pages, most));
            let part = Pack::Pages(pages);
            match self.archive.write(self.id, &part, self.last).await? {
                Stored::At(seq) => (self.last, pages) = (seq, rest),
                Stored::Refused if tries < TRIES => {
                    tries += 1;
                    let archived = match self.catch_up().await? {
                        Ok(archived) => archived,
                        Err(tombstone) => return Ok(Packed::Erased(tombstone)),
                    };
                    let Pack::Pages(part) = part else { break };
                    pages = part.into_iter().chain(rest).filter(|page| !archived.holds(page.seq)).collect();
                }
                Stored::Refused => return Err(Error::new(Kind::Unavailable, "others write under the same id of the archive")),
            }
        }
        Ok(Packed::Done)
    }

    /// Something stands there that we did not write: a coordinator has packed it too, or this comes after its
    /// record; or there is a tombstone.
    async fn catch_up(&mut self) -> Result<Result<Archived, Tombstone>, Error> {
        let found = self.archive.found(self.id).await?;
        self.last = found.last().map_or(0, |(seq, _)| *seq);
        let mut archived = Archived::default();
        found.into_iter().for_each(|(_, pack)| archived.add(pack));
        Ok(archived.erased().cloned().map_or(Ok(archived), Err))
    }
}

/// What a message of the archive is, if it is what it says.
fn open(id: QueryId, message: &StreamMessage) -> Result<Pack, Error> {
    let garbled = |why: &dyn std::fmt::Display| Error::new(Kind::Garbled, format!("message {} of the archive: {why}", message.sequence));
    if convert::is_replayed(Some(&message.headers)) {
        return Err(garbled(&"a stored message, sent again"));
    }
    match Pack::parse(&message.payload) {
        Ok((whose, pack)) if whose == id => Ok(pack),
        Ok((whose, _)) => Err(garbled(&format!("it is of the id {whose}"))),
        Err(error) => Err(garbled(&error)),
    }
}

/// Removes a message so that its bytes are overwritten on the server's disk. One that is gone is fine.
pub(crate) async fn overwrite(stream: &Stream<()>, seq: u64) -> Result<(), Error> {
    let Err(error) = stream.delete_message(seq).await else { return Ok(()) };
    // The server says by a text only that there is none, so it is asked.
    match stream.get_raw_message(seq).await.map_err(|error| error.kind()) {
        Err(RawMessageErrorKind::NoMessageFound) => Ok(()),
        _ => Err(Error::new(Kind::Unavailable, error)),
    }
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(BUS_VERSION, VERSION);
    headers
}

fn config(connection: &Connection, limits: Limits, keep: Duration) -> Config {
    let space = connection.space();
    Config {
        name: space.archive(),
        description: Some(format!("agentbus: records of the bus '{space}' that are over")),
        subjects: vec![space.all_archived()],
        retention: RetentionPolicy::Limits,
        // What is full takes nothing more; what was kept stays for as long as was promised.
        discard: DiscardPolicy::New,
        max_bytes: i64::try_from(limits.max_bytes).unwrap_or(i64::MAX),
        max_age: keep,
        storage: StorageType::File,
        num_replicas: limits.replicas,
        duplicate_window: Duration::from_millis(100),
        allow_direct: true,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests;
