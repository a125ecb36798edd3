//! From a file to an attachment: in the message while it is small, else piece by piece.
//!
//! The same bytes give the same attachment, whenever and however often they are sent: so the same query with the same
//! files is the same query.

use futures::{StreamExt, stream::FuturesUnordered};
use nats::Blobs;
use protocol::{Checksum, QueryId, Summing, message::Attachment};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{AT_ONCE, AttachmentError, piece};
use crate::{Bus, Error};

/// The most pieces that an attachment may have: a reference to more would fill a message.
const MOST: usize = 8192;

/// Reads a file to its end. What has at most `room` bytes stays in memory and is put into the message; the pieces
/// of anything else are stored under `id`.
pub(super) async fn upload(
    bus: &Bus,
    id: QueryId,
    name: String,
    mut file: impl AsyncRead + Unpin + Send,
    room: usize,
) -> Result<Attachment, Error> {
    let head = fill(&mut file, room + 1).await.map_err(|error| AttachmentError::file(&name, &error))?;
    if head.len() <= room {
        return Ok(Attachment::inline(name, &head));
    }
    let mut file = std::io::Cursor::new(head).chain(file);
    let largest = Blobs::largest(bus.connection());
    let (mut pieces, mut size, mut summing, mut under_way) = (Vec::new(), 0, Summing::default(), FuturesUnordered::new());
    loop {
        let bytes = fill(&mut file, largest).await.map_err(|error| AttachmentError::file(&name, &error))?;
        if bytes.is_empty() {
            break;
        }
        size += bytes.len() as u64;
        if pieces.len() == MOST {
            let limit = (MOST * largest) as u64;
            return Err(AttachmentError::TooLarge { name, size, limit }.into());
        }
        summing.add(&bytes);
        let checksum = Checksum::of(&bytes);
        pieces.push(checksum);
        under_way.push(piece::put(bus, id, bytes.into(), checksum));
        if under_way.len() == AT_ONCE {
            under_way.next().await.transpose()?;
        }
    }
    while under_way.next().await.transpose()?.is_some() {}
    Ok(Attachment { size, digest: summing.finish(), data: None, pieces, record: Some(id), ..Attachment::inline(name, &[]) })
}

/// The next so many bytes; fewer at the end.
async fn fill(file: &mut (impl AsyncRead + Unpin + Send), size: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(size as u64).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        io::Result,
        pin::Pin,
        task::{Context, Poll},
    };

    use futures::FutureExt;
    use proptest::prelude::*;
    use tokio::io::ReadBuf;

    use super::*;

    /// A file that gives no more than so many bytes at once.
    struct Slow<'a>(&'a [u8], usize);

    impl AsyncRead for Slow<'_> {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<Result<()>> {
            let (now, later) = self.0.split_at(self.1.min(room.remaining()).min(self.0.len()));
            room.put_slice(now);
            self.0 = later;
            Poll::Ready(Ok(()))
        }
    }

    proptest! {
        #[test]
        fn pieces_are_full_but_the_last_and_make_up_the_whole(
            bytes in prop::collection::vec(any::<u8>(), 0..5000), size in 1_usize..700, at_once in 1_usize..900, head in 0_usize..600,
        ) {
            let mut file = Slow(&bytes, at_once);
            let begin = fill(&mut file, head).now_or_never().unwrap().unwrap();
            let mut file = std::io::Cursor::new(begin).chain(file);
            let mut pieces = Vec::new();
            loop {
                let piece = fill(&mut file, size).now_or_never().unwrap().unwrap();
                if piece.is_empty() {
                    break;
                }
                pieces.push(piece);
            }
            prop_assert_eq!(pieces.len(), bytes.len().div_ceil(size));
            prop_assert!(pieces.iter().rev().skip(1).all(|piece| piece.len() == size));
            prop_assert_eq!(pieces.concat(), bytes);
        }
    }
}
