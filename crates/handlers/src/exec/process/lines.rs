//! Lines of a pipe, bounded: how long one may be, and how much may come in all.

use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest line that is taken whole, in bytes: 1 MiB, since an answer stands on one line and no
/// message of the bus is larger.
pub(crate) const MAX_LINE: usize = 1 << 20;

/// How much of a longer line is kept, in bytes.
const KEPT: usize = 256;

/// How much is read at once, in bytes.
const CHUNK: usize = 16 << 10;

/// A line, without its end. Bytes that are no UTF-8 are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// All of it.
    Whole(String),
    /// The beginning of one that is longer than [`MAX_LINE`].
    Cut(String),
}

/// More came than may come in all: this many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMuch(pub(crate) u64);

/// The lines of a pipe.
#[derive(Debug)]
pub(super) struct Lines<R> {
    pipe: Option<R>,
    /// What has been read, and not been given out.
    buffer: Vec<u8>,
    /// How much of the buffer is known to hold no line end.
    searched: usize,
    /// Whether what comes up to the next line end belongs to a line that was cut.
    skipping: bool,
    /// How many bytes may come.
    limit: u64,
    /// How many have come.
    come: u64,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) const fn new(pipe: Option<R>, limit: u64) -> Self {
        Self { pipe, buffer: Vec::new(), searched: 0, skipping: false, limit, come: 0 }
    }

    /// The next line; none at the end. An error of the pipe is an end. Safe to cancel.
    pub(super) async fn next(&mut self) -> Result<Option<Line>, TooMuch> {
        loop {
            if let Some(line) = self.take() {
                return Ok(Some(line));
            }
            let Some(pipe) = &mut self.pipe else { return Ok(self.rest()) };
            self.buffer.reserve(CHUNK);
            match pipe.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => self.pipe = None,
                Ok(read) => self.come += read as u64,
            }
            if self.come > self.limit {
                return Err(TooMuch(self.limit));
            }
        }
    }

    /// A line that is in the buffer.
    fn take(&mut self) -> Option<Line> {
        loop {
            let end = self.buffer.iter().skip(self.searched).position(|byte| *byte == b'\n').map(|at| at + self.searched);
            self.searched = end.unwrap_or(self.buffer.len());
            if end.is_none() && self.buffer.len() <= MAX_LINE {
                return None;
            }
            let line: Vec<u8> = self.buffer.drain(..self.searched).collect();
            if end.is_some() {
                self.buffer.remove(0);
            }
            self.searched = 0;
            let skipped = std::mem::replace(&mut self.skipping, end.is_none());
            if !skipped {
                return Some(text(line));
            }
            // Without an end, this was the middle of a line that is cut.
            end?;
        }
    }

    /// What stands after the last line end.
    fn rest(&mut self) -> Option<Line> {
        self.searched = 0;
        let line = std::mem::take(&mut self.buffer);
        (!line.is_empty() && !self.skipping).then(|| text(line))
    }
}

fn text(mut line: Vec<u8>) -> Line {
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    if line.len() <= MAX_LINE {
        return Line::Whole(String::from_utf8_lossy(&line).into_owned());
    }
    line.truncate(KEPT);
    Line::Cut(String::from_utf8_lossy(&line).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::io::ReadBuf;

    /// A pipe that gives these pieces, one a read.
    struct Pieces(Vec<Vec<u8>>);

    impl AsyncRead for Pieces {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            if !self.0.is_empty() {
                let piece = self.0.remove(0);
                into.put_slice(&piece);
            }
            Poll::Ready(Ok(()))
        }
    }

    fn all(pieces: Vec<Vec<u8>>, limit: u64) -> Result<Vec<Line>, TooMuch> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut lines = Lines::new(Some(Pieces(pieces)), limit);
            let mut all = Vec::new();
            while let Some(line) = lines.next().await? {
                all.push(line);
            }
            Ok(all)
        })
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.to_owned())
    }

    #[test]
    fn lines_end_where_they_end() {
        let lines = all(vec![b"a\r\n\nb".to_vec(), b"c\xff\nd".to_vec()], 100).unwrap();
        assert_eq!(lines, [whole("a"), whole(""), whole("bc\u{fffd}"), whole("d")]);
        assert_eq!(all(Vec::new(), 0), Ok(Vec::new()));
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_one_is_whole() {
        let mut pieces = vec![b"x".repeat(CHUNK); MAX_LINE / CHUNK * 3];
        pieces.push(b"\nnext\n".to_vec());
        let lines = all(pieces, u64::MAX).unwrap();
        assert_eq!(lines, [Line::Cut("x".repeat(KEPT)), whole("next")]);
        assert_eq!(all(vec![b"x".repeat(CHUNK); MAX_LINE / CHUNK + 1], u64::MAX).unwrap(), [Line::Cut("x".repeat(KEPT))]);
    }

    #[test]
    fn no_more_comes_than_may() {
        assert_eq!(all(vec![b"ab\n".to_vec()], 3), Ok(vec![whole("ab")]));
        assert_eq!(all(vec![b"ab\nc".to_vec()], 3), Err(TooMuch(3)));
    }

    proptest! {
        #[test]
        fn pieces_leave_no_trace(text in "([a-z]{0,5}\n){0,6}[a-z]{1,3}", cuts in prop::collection::vec(1..7_usize, 1..9)) {
            let mut rest = text.as_bytes();
            let mut pieces = Vec::new();
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                if piece.is_empty() {
                    break;
                }
                pieces.push(piece.to_vec());
                rest = after;
            }
            let expected: Vec<_> = text.split('\n').map(whole).collect();
            prop_assert_eq!(all(pieces, 1000).unwrap(), expected);
        }
    }
}
