//! What goes into a command: its input line, and what it is told later, if its input stays open.
//!
//! Bounded, and never in anybody's way: a command need not read what it is given, and may close its input. Then the
//! pipe is full or broken, which ends nothing here.

use std::time::Duration;

use tokio::{
    io::{self, AsyncWriteExt},
    process::ChildStdin,
    sync::mpsc,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// How many lines wait at most for a command to read them.
const WAITING: usize = 32;

/// What a command is given on its standard input.
#[derive(Clone, Debug, Default)]
pub(crate) struct Input {
    /// Written first.
    pub(crate) text: String,
    /// Whether the input stays open after that.
    pub(crate) stays_open: bool,
}

/// Why a command was not told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unheard {
    /// Its input is closed: by itself, by us, or because it has ended.
    Closed,
    /// It does not read: too many lines wait, for too long.
    Full,
}

/// Writes to a command, in a task of its own.
#[derive(Debug)]
pub(super) struct Writer {
    lines: mpsc::Sender<String>,
    close: CancellationToken,
    _task: AbortOnDropHandle<()>,
}

impl Writer {
    pub(super) fn start(stdin: Option<ChildStdin>, input: Input) -> Self {
        let (lines, waiting) = mpsc::channel(WAITING);
        let close = CancellationToken::new();
        let task = tokio::spawn(write(stdin, input, waiting, close.clone()));
        Self { lines, close, _task: AbortOnDropHandle::new(task) }
    }

    pub(super) async fn say(&self, line: String, within: Duration) -> Result<(), Unheard> {
        self.lines.send_timeout(line, within).await.map_err(|why| match why {
            mpsc::error::SendTimeoutError::Timeout(_) => Unheard::Full,
            mpsc::error::SendTimeoutError::Closed(_) => Unheard::Closed,
        })
    }

    pub(super) fn close(&self) {
        self.close.cancel();
    }
}

/// Ends at the first write that fails: the pipe is broken then, and what waits is dropped.
async fn write(stdin: Option<ChildStdin>, input: Input, mut waiting: mpsc::Receiver<String>, close: CancellationToken) {
    let Some(mut stdin) = stdin else { return };
    if put(&mut stdin, &input.text).await.is_err() || !input.stays_open {
        return;
    }
    loop {
        let line = tokio::select! {
            biased;
            () = close.cancelled() => return,
            line = waiting.recv() => line,
        };
        let Some(line) = line else { return };
        // A command that does not read may be done with it all the same.
        if !matches!(close.run_until_cancelled(put(&mut stdin, &line)).await, Some(Ok(()))) {
            return;
        }
    }
}

async fn put(stdin: &mut ChildStdin, text: &str) -> io::Result<()> {
    stdin.write_all(text.as_bytes()).await?;
    stdin.flush().await
}
