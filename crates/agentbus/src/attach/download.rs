//! From an attachment to its bytes, and from an answer to its result. Each piece is checked, and the whole.

use futures::{StreamExt, stream};
use protocol::{
    Checksum, Summing,
    message::{Answer, Attachment},
    schema,
};
use serde_json::Value;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::{AT_ONCE, AttachmentError, LARGEST, piece};
use crate::{Bus, Error};

impl Bus {
    /// The bytes of an attachment, of which there may be 64 MiB; for more, see [`Bus::save`].
    ///
    /// # Errors
    /// `attachment_missing`, `attachment_damaged`, `attachment_too_large`; `no_coordinator`, `unavailable` after 20 s.
    pub async fn fetch(&self, attachment: &Attachment) -> Result<Vec<u8>, Error> {
        self.fetch_within(attachment, LARGEST).await
    }

    /// The same with a limit of one's own, in bytes.
    ///
    /// # Errors
    /// As [`Bus::fetch`].
    pub async fn fetch_within(&self, attachment: &Attachment, limit: u64) -> Result<Vec<u8>, Error> {
        let Attachment { name, size, .. } = attachment;
        if *size > limit {
            return Err(AttachmentError::TooLarge { name: name.clone(), size: *size, limit }.into());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(*size).unwrap_or_default());
        self.save(attachment, &mut bytes).await?;
        Ok(bytes)
    }

    /// Writes an attachment to a file or the like, a few pieces in memory at a time. What was written before an error
    /// is not the attachment: write to a name of its own, and give it the right one after that.
    ///
    /// # Errors
    /// As [`Bus::fetch`]; `attachment_file` when it cannot be written.
    pub async fn save(&self, attachment: &Attachment, to: &mut (impl AsyncWrite + Unpin + Send)) -> Result<(), Error> {
        let name = &attachment.name;
        let failed = |error| AttachmentError::file(name, &error);
        if let Some(data) = inline(attachment) {
            to.write_all(&data?).await.map_err(failed)?;
            return Ok(to.flush().await.map_err(failed)?);
        }
        let Some(id) = attachment.record.filter(|_| !attachment.pieces.is_empty()) else {
            return Err(AttachmentError::damaged(name, "its message has neither its bytes nor where they are").into());
        };
        let (mut summing, mut size) = (Summing::default(), 0);
        let wanted = attachment.pieces.iter().copied().map(|checksum| piece::get(self, attachment, id, checksum));
        let mut pieces = stream::iter(wanted).buffered(AT_ONCE);
        while let Some(bytes) = pieces.next().await.transpose()? {
            size += bytes.len() as u64;
            if size > attachment.size {
                break;
            }
            summing.add(&bytes);
            to.write_all(&bytes).await.map_err(failed)?;
        }
        whole(attachment, size, summing.finish())?;
        Ok(to.flush().await.map_err(failed)?)
    }

    /// The `result` of an answer, wherever it is.
    ///
    /// # Errors
    /// As [`Bus::fetch`]; `attachment_damaged` where it is no JSON.
    pub async fn result(&self, answer: &Answer) -> Result<Option<Value>, Error> {
        let Some(at) = answer.result_at.as_ref().filter(|_| answer.result.is_none()) else { return Ok(answer.result.clone()) };
        let bytes = self.fetch(at).await?;
        let value = schema::json(&bytes).map_err(|invalid| AttachmentError::damaged(&at.name, invalid.to_string()))?;
        Ok(Some(value))
    }

    /// Puts the result back into an answer.
    pub(crate) async fn restore(&self, answer: &mut Option<Box<Answer>>) -> Result<(), Error> {
        if let Some(answer) = answer.as_mut().filter(|answer| answer.result_at.is_some()) {
            answer.result = self.result(answer).await?;
        }
        Ok(())
    }
}

/// The bytes that travel in the message, checked.
pub(super) fn inline(attachment: &Attachment) -> Option<Result<Vec<u8>, AttachmentError>> {
    let data = attachment.data()?;
    Some(data.map_err(|why| AttachmentError::damaged(&attachment.name, why)).and_then(|data| {
        whole(attachment, data.len() as u64, Checksum::of(&data))?;
        Ok(data)
    }))
}

/// Whether that is all of it and nothing else.
fn whole(attachment: &Attachment, size: u64, digest: Checksum) -> Result<(), AttachmentError> {
    if size == attachment.size && digest == attachment.digest {
        return Ok(());
    }
    let why = format!("{size} bytes with {digest} are there, and {} with {} are meant", attachment.size, attachment.digest);
    Err(AttachmentError::damaged(&attachment.name, why))
}
