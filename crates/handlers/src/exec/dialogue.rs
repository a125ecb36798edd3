//! What goes on between a running command and the bus: its lines come in, and meanwhile what it asked for is waited
//! for and told to it.
//!
//! Owns the bound on how much is asked at once, and the clock of its silence, which stands still while something that
//! it asked for is still to come. Knows nothing of what a line means: `exec` and `claude` do. Next: `converse`.

use std::{io, time::Duration};

use agentbus::Fault;
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};

use super::{
    process::{Line, Process, Unheard},
    verdict::Ending,
};

/// How much a command may wait for at once: questions and sub-queries together.
pub(crate) const AT_ONCE: usize = 8;

/// How long it may take to make room for what it is told; no longer than it may be silent.
const READS_WITHIN: Duration = Duration::from_secs(10);

/// Something that a command waits for: the line that tells it, or why the attempt cannot go on.
pub(crate) type Conversation = BoxFuture<'static, Result<String, Box<Fault>>>;

/// A running command, and what it waits for.
pub(crate) struct Dialogue {
    process: Process,
    waits_for: FuturesUnordered<Conversation>,
    stall: Duration,
    unheard: bool,
}

impl Dialogue {
    /// `stall`: how long it may be silent while it waits for nothing. Default: for ever.
    pub(crate) fn new(process: Process, stall: Option<Duration>) -> Self {
        Self { process, waits_for: FuturesUnordered::new(), stall: stall.unwrap_or(Duration::MAX), unheard: false }
    }

    /// The next line that it prints; none when there will be no more.
    /// Cancelling loses nothing that it prints, but perhaps what it was being told.
    pub(crate) async fn line(&mut self) -> Result<Option<Line>, Ending> {
        loop {
            let patience = if self.waits_for.is_empty() { self.stall } else { Duration::MAX };
            tokio::select! {
                biased;
                line = self.process.line() => return Ok(line?),
                Some(told) = self.waits_for.next() => self.say(told.map_err(|fault| Ending::Failed(*fault))?).await?,
                () = tokio::time::sleep(patience) => return Err(Ending::Stalled(self.stall)),
            }
        }
    }

    /// Begins to wait for something. Returns false, and does not, where it waits for too much already.
    pub(crate) fn begin(&mut self, conversation: impl FnOnce() -> Conversation) -> bool {
        let room = self.waits_for.len() < AT_ONCE;
        if room {
            self.waits_for.push(conversation());
        }
        room
    }

    /// Tells it something, and waits for room: one that has much to say may read late. One that has closed its input is not told, and may end well all the same.
    pub(crate) async fn say(&mut self, line: String) -> Result<(), Ending> {
        match self.process.say(line + "\n", READS_WITHIN.min(self.stall)).await {
            Ok(()) => Ok(()),
            Err(Unheard::Closed) => {
                self.unheard = true;
                Ok(())
            }
            Err(Unheard::Full) => {
                let fault = Fault::fail("input_not_read", "the command does not read what it asked for");
                Err(Ending::Failed(fault))
            }
        }
    }

    /// Closes its input: there is nothing left to tell it.
    pub(crate) fn close_input(&mut self) {
        self.waits_for.clear();
        self.process.close_input();
    }

    /// Returns how it ended. One that has closed its output goes on in silence, and may not do so for ever either.
    pub(crate) async fn status(&mut self) -> Ending {
        self.waits_for.clear();
        match tokio::time::timeout(self.stall, self.process.status()).await {
            Ok(Ok(status)) => Ending::Exited(status),
            Ok(Err(error)) => lost(&error),
            Err(_) => Ending::Stalled(self.stall),
        }
    }

    /// Ends it with everything that it started, and returns when it is gone.
    pub(crate) async fn end(&mut self) {
        self.waits_for.clear();
        self.process.end().await;
    }

    /// Whether something that it asked for could not be told to it.
    pub(crate) const fn is_unheard(&self) -> bool {
        self.unheard
    }

    /// The last of what it wrote to standard error.
    pub(crate) fn stderr(&self) -> String {
        self.process.stderr()
    }
}

fn lost(error: &io::Error) -> Ending {
    Ending::Lost(error.to_string())
}
