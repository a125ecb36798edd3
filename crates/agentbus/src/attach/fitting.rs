//! What a message can carry: what is too large for it is moved out, before it is sent.

use std::collections::BTreeSet;

use protocol::{
    Message, QueryId,
    message::{Answer, Attachment, MAX_INLINE, Query},
};
use serde_json::Value;

use super::{AttachmentError, LARGEST, download::inline, upload::upload};
use crate::{Bus, Error};

/// What the result of an answer is called where it does not travel with it.
const RESULT: &str = "result.json";

impl Bus {
    /// A query as it can be posted under this id.
    pub(crate) async fn fit_query(&self, id: QueryId, mut query: Query) -> Result<Query, Error> {
        if query.attachments.is_empty() {
            return Ok(query);
        }
        let mut attachments = std::mem::take(&mut query.attachments);
        let rest = Message::Query(query.clone()).to_bytes().len();
        self.fit(id, &mut attachments, rest).await?;
        Ok(Query { attachments, ..query })
    }

    /// Makes an answer one that can be sent: a result whose text is longer than 256 KiB goes by reference.
    pub(crate) async fn fit_answer(&self, id: QueryId, answer: &mut Answer) -> Result<(), Error> {
        if let Some(text) = answer.result.as_ref().and_then(long) {
            if text.len() as u64 > LARGEST {
                let (name, size) = (RESULT.to_owned(), text.len() as u64);
                return Err(AttachmentError::TooLarge { name, size, limit: LARGEST }.into());
            }
            let at = upload(self, id, RESULT.to_owned(), text.as_slice(), 0).await?;
            (answer.result_at, answer.result) = (Some(at.media_type("application/json")), None);
        }
        if answer.attachments.is_empty() {
            return Ok(());
        }
        let mut attachments = std::mem::take(&mut answer.attachments);
        let rest = Message::Answer(Box::new(answer.clone())).to_bytes().len();
        let fitted = self.fit(id, &mut attachments, rest).await;
        answer.attachments = attachments;
        fitted
    }

    /// Moves out the largest until the others fit in. `rest`: the bytes of the message without them.
    async fn fit(&self, id: QueryId, attachments: &mut [Attachment], rest: usize) -> Result<(), Error> {
        let mut names = BTreeSet::new();
        for attachment in attachments.iter() {
            if !names.insert(attachment.name.as_str()) {
                return Err(AttachmentError::Twice { name: attachment.name.clone() }.into());
            }
            inline(attachment).transpose()?;
        }
        // Base64 takes four bytes for three; a KiB is more than the rest of a small attachment takes.
        let left = self.connection().max_body().saturating_sub(rest + attachments.len() * 1024);
        let room = MAX_INLINE.min(left / 4 * 3) as u64;
        let mut order: Vec<&mut Attachment> = attachments.iter_mut().filter(|one| one.data.is_some()).collect();
        // The sort is stable: the same attachments are moved out each time.
        order.sort_by_key(|one| std::cmp::Reverse(one.size));
        let mut all: u64 = order.iter().map(|one| one.size).sum();
        for attachment in order {
            if all <= room {
                break;
            }
            let Some(bytes) = inline(attachment).transpose()? else { continue };
            let moved = upload(self, id, attachment.name.clone(), bytes.as_slice(), 0).await?;
            all = all.saturating_sub(attachment.size);
            (attachment.data, attachment.pieces, attachment.record) = (moved.data, moved.pieces, moved.record);
        }
        Ok(())
    }
}

/// The text of a result that is too long to travel.
fn long(result: &Value) -> Option<Vec<u8>> {
    serde_json::to_vec(result).ok().filter(|text| text.len() > MAX_INLINE)
}
