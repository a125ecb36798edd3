//! Reading a response piece by piece: within limits, and never longer than somebody may be silent.

use std::time::Duration;

use agentbus::Fault;
use reqwest::Response;

use super::{Secrets, Side, unreachable};
use crate::exec::process::MAX_LINE;

/// How much of a refusal is read, in bytes.
const BEGINNING: usize = 4 << 10;

/// After how many lines others have a turn: a piece may hold a great many.
const AT_ONCE: u32 = 256;

/// A response that is being read.
#[derive(Debug)]
pub(crate) struct Body {
    response: Response,
    side: Side,
    held: Held,
    /// How many lines were given out.
    lines: u32,
    /// How many bytes may still come.
    left: u64,
    most: u64,
    stall: Duration,
}

impl Body {
    pub(crate) fn new(response: Response, side: Side, most: u64, stall: Duration) -> Self {
        Self { response, side, held: Held::default(), lines: 0, left: most, most, stall }
    }

    /// The next line; none at the end.
    pub(crate) async fn line(&mut self) -> Result<Option<String>, Fault> {
        loop {
            if let Some(line) = self.held.line() {
                self.lines = self.lines.wrapping_add(1);
                if self.lines.is_multiple_of(AT_ONCE) {
                    tokio::task::yield_now().await;
                }
                return Ok(Some(line));
            }
            if self.held.len() > MAX_LINE {
                return Err(self.side.malformed(&format!("a line is longer than {MAX_LINE} bytes")));
            }
            if !self.more().await? {
                let last = self.held.take(usize::MAX);
                return Ok((!last.is_empty()).then_some(last));
            }
        }
    }

    /// All of it.
    pub(crate) async fn whole(&mut self) -> Result<String, Fault> {
        while self.more().await? {}
        Ok(self.held.take(usize::MAX))
    }

    /// The first words without the secrets, for a message; whatever goes wrong meanwhile is not worth one.
    pub(crate) async fn beginning(&mut self, secrets: &Secrets) -> String {
        let mut more = Ok(true);
        while self.held.len() <= BEGINNING && matches!(more, Ok(true)) {
            more = self.more().await;
        }
        let cut = !matches!(more, Ok(false));
        let mut words = self.held.take(BEGINNING);
        if cut {
            // Half a character, and what may be half a secret, go too.
            words.truncate(words.trim_end_matches(char::REPLACEMENT_CHARACTER).len());
            return secrets.settled(&mut words);
        }
        secrets.hide_in_json(&words)
    }

    /// Whether more has come.
    async fn more(&mut self) -> Result<bool, Fault> {
        let chunk = tokio::time::timeout(self.stall, self.response.chunk()).await.map_err(|_| self.side.stalled(self.stall))?;
        let Some(chunk) = chunk.map_err(|error| unreachable(self.side, &error))? else { return Ok(false) };
        let size = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        self.left = self
            .left
            .checked_sub(size)
            .ok_or_else(|| Fault::fail("output_limit", format!("{} sent more than {} bytes", self.side.called(), self.most)))?;
        self.held.push(&chunk);
        Ok(true)
    }
}

/// What has come, and is not given out yet. Each byte is looked at once, and moved once or twice, however the pieces fall.
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to where there is no end of it.
    seen: usize,
    /// Whether something was given out.
    begun: bool,
}

impl Held {
    fn push(&mut self, piece: &[u8]) {
        self.bytes.drain(..self.start);
        self.seen = self.seen.saturating_sub(self.start);
        self.start = 0;
        self.bytes.extend_from_slice(piece);
    }

    const fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.start)
    }

    /// The next whole line.
    fn line(&mut self) -> Option<String> {
        let seen = self.seen.max(self.start);
        let Some(end) = self.bytes.get(seen..)?.iter().position(|byte| *byte == b'\n') else {
            self.seen = self.bytes.len();
            return None;
        };
        let next = seen + end + 1;
        let line = self.bytes.get(self.start..next).map(text).unwrap_or_default();
        (self.start, self.seen) = (next, next);
        Some(self.unmarked(line))
    }

    /// The first bytes of what is left, which leaves nothing.
    fn take(&mut self, most: usize) -> String {
        let (bytes, start) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.start));
        self.seen = 0;
        let rest = bytes.get(start..).unwrap_or_default();
        self.unmarked(text(rest.get(..most).unwrap_or(rest)))
    }

    /// Without the mark of the byte order that a text may begin with, and which is none of it.
    fn unmarked(&mut self, text: String) -> String {
        let begun = std::mem::replace(&mut self.begun, true);
        match text.strip_prefix('\u{feff}') {
            Some(rest) if !begun => rest.to_owned(),
            _ => text,
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn lines_are_whole_however_the_pieces_fall() {
        for size in 1..9 {
            let (mut held, mut lines) = (Held::default(), Vec::new());
            for piece in "one\n\ntwo and more\nrest".as_bytes().chunks(size) {
                held.push(piece);
                lines.extend(std::iter::from_fn(|| held.line()));
            }
            assert_eq!(lines, ["one\n", "\n", "two and more\n"]);
            assert_eq!((held.len(), held.take(3), held.len()), (4, "res".to_owned(), 0));
        }
    }

    #[test]
    fn a_mark_of_the_byte_order_is_none_of_the_text() {
        let mut held = Held::default();
        "\u{feff}one\n\u{feff}two\n".bytes().for_each(|byte| held.push(&[byte]));
        assert_eq!(std::iter::from_fn(|| held.line()).collect::<Vec<_>>(), ["one\n", "\u{feff}two\n"]);
    }

    #[test]
    fn many_lines_in_a_piece_and_many_pieces_in_a_line_take_no_time() {
        let begun = Instant::now();
        let mut held = Held::default();
        held.push(&b"x\n".repeat(1 << 19));
        assert_eq!(std::iter::from_fn(|| held.line()).count(), 1 << 19);
        for _ in 0..1 << 20 {
            held.push(b"x");
            assert_eq!(held.line(), None);
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}
