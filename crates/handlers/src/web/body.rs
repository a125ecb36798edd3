//! Reading a response piece by piece: within limits, and never longer than somebody may be silent.

use std::time::Duration;

use agentbus::Fault;
use reqwest::Response;

use super::{Side, unreachable};
use crate::exec::process::MAX_LINE;

/// How much of a refusal is read, in bytes.
const BEGINNING: usize = 4 << 10;

/// A response that is being read.
#[derive(Debug)]
pub(crate) struct Body {
    response: Response,
    side: Side,
    /// What has come, and is not given out yet.
    held: Vec<u8>,
    /// How many bytes may still come.
    left: u64,
    most: u64,
    stall: Duration,
}

impl Body {
    pub(crate) const fn new(response: Response, side: Side, most: u64, stall: Duration) -> Self {
        Self { response, side, held: Vec::new(), left: most, most, stall }
    }

    /// The next line; none at the end.
    pub(crate) async fn line(&mut self) -> Result<Option<String>, Fault> {
        loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let rest = self.held.split_off(end + 1);
                let line = std::mem::replace(&mut self.held, rest);
                return Ok(Some(text(&line)));
            }
            if self.held.len() > MAX_LINE {
                return Err(self.side.malformed(&format!("a line is longer than {MAX_LINE} bytes")));
            }
            if !self.more().await? {
                let last = std::mem::take(&mut self.held);
                return Ok((!last.is_empty()).then(|| text(&last)));
            }
        }
    }

    /// All of it.
    pub(crate) async fn whole(&mut self) -> Result<String, Fault> {
        while self.more().await? {}
        Ok(text(&std::mem::take(&mut self.held)))
    }

    /// The first words, for a message; whatever goes wrong meanwhile is not worth one.
    pub(crate) async fn beginning(&mut self) -> String {
        while self.held.len() < BEGINNING && matches!(self.more().await, Ok(true)) {}
        self.held.truncate(BEGINNING);
        text(&std::mem::take(&mut self.held))
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
        self.held.extend_from_slice(&chunk);
        Ok(true)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
