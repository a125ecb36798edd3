//! Attachments, and results that are too large for a message.
//!
//! Small ones travel in their message. Of a large one the message has the checksums, and its pieces go through the
//! coordinator's API, one after the other: nothing here holds more than a few of them, whatever the size. What is read
//! is always checked, each piece and the whole; nobody is ever given part of a file for all of it.
//!
//! Reading order: `piece` (one in or out), `upload`, `download`, `fitting` (what a message can carry).

mod download;
mod fitting;
mod piece;
mod upload;

use protocol::{
    Checksum,
    message::{Attachment, MAX_INLINE, Query},
};
use tokio::io::AsyncRead;

pub(crate) use self::piece::may_pass;
use crate::{Bus, Error, QueryId, Task};

/// The largest attachment that [`Bus::fetch`] reads into memory, and the largest `result`: 64 MiB.
pub const LARGEST: u64 = 64 << 20;

/// How many pieces of one attachment are under way at once.
const AT_ONCE: usize = 4;

/// What can be wrong with an attachment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttachmentError {
    /// A piece is not kept, or not any more.
    #[error("{name}: its piece {piece} is not there")]
    Missing {
        /// The attachment.
        name: String,
        /// The piece.
        piece: Checksum,
    },
    /// What is kept is not what its reference says.
    #[error("{name} is damaged: {why}")]
    Damaged {
        /// The attachment.
        name: String,
        /// How that shows.
        why: String,
    },
    /// It is larger than what is taken or given at once.
    #[error("{name} has {size} bytes, and at most {limit} can be used here")]
    TooLarge {
        /// The attachment.
        name: String,
        /// Its bytes; those that were seen, where its end was not.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Two of one message have the same name.
    #[error("two attachments are called {name}")]
    Twice {
        /// The name.
        name: String,
    },
    /// The file behind it cannot be read or written.
    #[error("{name}: {why}")]
    File {
        /// The attachment.
        name: String,
        /// What the system says.
        why: String,
    },
}

impl AttachmentError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "attachment_missing",
            Self::Damaged { .. } => "attachment_damaged",
            Self::TooLarge { .. } => "attachment_too_large",
            Self::Twice { .. } => "attachment_twice",
            Self::File { .. } => "attachment_file",
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "It was erased with its record, or is past its time: agentbus verify tells what else is missing.",
            Self::Damaged { .. } => "Nothing of it was used. Ask whoever sent it to send it again.",
            Self::TooLarge { .. } => "Write it to a file instead (agentbus attachment ID NAME -o FILE), or send it in parts.",
            Self::Twice { .. } => "Give each attachment of a message a name of its own.",
            Self::File { .. } => "See that the file can be read, or its folder written.",
        }
    }

    fn damaged(name: &str, why: impl Into<String>) -> Self {
        Self::Damaged { name: name.to_owned(), why: why.into() }
    }

    fn file(name: &str, why: &std::io::Error) -> Self {
        Self::File { name: name.to_owned(), why: why.to_string() }
    }
}

impl Bus {
    /// Puts a file beside a query that is to be posted. A small one is put into the query; of a large one the pieces are
    /// stored as they are read, with a few of them in memory. The query gets an id, if it has none, under which they are kept.
    ///
    /// ```no_run
    /// # async fn example(bus: agentbus::Bus) -> Result<(), Box<dyn std::error::Error>> {
    /// use agentbus::Query;
    ///
    /// let mut query = Query::new(bus.name().clone(), "summarise_report", "What does it say?");
    /// bus.attach(&mut query, "report.pdf", tokio::fs::File::open("report.pdf").await?).await?;
    /// let ended = bus.ask(query).await?.ended().await?;
    /// for attachment in ended.answer.iter().flat_map(|answer| &answer.attachments) {
    ///     let bytes = bus.fetch(attachment).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `attachment_file` when it cannot be read, `attachment_too_large`; `storage_full`, `erased`, `no_coordinator`,
    /// `unavailable`: after 20 s, and the same may be tried again with the same id.
    pub async fn attach(&self, query: &mut Query, name: impl Into<String>, file: impl AsyncRead + Unpin + Send) -> Result<(), Error> {
        let id = *query.id.get_or_insert_with(QueryId::mint);
        let inline: u64 = query.attachments.iter().filter(|one| one.data.is_some()).map(|one| one.size).sum();
        let room = MAX_INLINE.saturating_sub(usize::try_from(inline).unwrap_or(usize::MAX));
        let attachment = upload::upload(self, id, name.into(), file, room).await?;
        query.attachments.push(attachment);
        Ok(())
    }
}

impl Task {
    /// What goes with the query in hand.
    #[must_use]
    pub fn attachments(&self) -> &[Attachment] {
        &self.query().attachments
    }

    /// The bytes of an attachment: see [`Bus::fetch`].
    ///
    /// # Errors
    /// As there.
    pub async fn fetch(&self, attachment: &Attachment) -> Result<Vec<u8>, Error> {
        self.bus().fetch(attachment).await
    }

    /// Writes an attachment to a file or the like: see [`Bus::save`].
    ///
    /// # Errors
    /// As there.
    pub async fn save(&self, attachment: &Attachment, to: &mut (impl tokio::io::AsyncWrite + Unpin + Send)) -> Result<(), Error> {
        self.bus().save(attachment, to).await
    }

    /// Stores a file that is to go with the answer, a few pieces in memory at a time: give what this returns to
    /// [`crate::Done::attachment`]. What is in memory anyway can go to [`crate::Done::attach`] as it is.
    ///
    /// # Errors
    /// As [`Bus::attach`].
    pub async fn attach(&self, name: impl Into<String>, file: impl AsyncRead + Unpin + Send) -> Result<Attachment, Error> {
        upload::upload(self.bus(), self.id(), name.into(), file, MAX_INLINE).await
    }
}
