//! Runs a short command with a time limit and keeps the end of what it prints.
//!
//! Owns the two bounds: time and memory. Must never let a command outlive its limit. Used by `probe` and `fetch`.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// How much of each output stream is kept, in bytes.
const KEEP: usize = 4096;

/// How a command ended. `text` is the end of its stdout, then of its stderr.
pub(super) enum Ended {
    Exited { status: ExitStatus, text: String },
    TimedOut { text: String },
}

/// Runs `command` without input until it exits, or kills it when `limit` is over.
pub(super) async fn run(command: &mut Command, limit: Duration) -> io::Result<Ended> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn()?;
    let (mut out, mut err) = (Tail::default(), Tail::default());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let work = async {
        let (_, _, status) = tokio::join!(out.read(stdout), err.read(stderr), child.wait());
        status
    };
    let status = tokio::time::timeout(limit, work).await;
    let text = [out.text(), err.text()].concat();
    match status {
        Ok(status) => Ok(Ended::Exited { status: status?, text }),
        Err(_) => Ok(Ended::TimedOut { text }),
    }
}

/// The last [`KEEP`] bytes of a stream.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    async fn read(&mut self, stream: Option<impl AsyncRead + Unpin>) -> io::Result<()> {
        let Some(mut stream) = stream else {
            return Ok(());
        };
        while stream.read_buf(&mut self.0).await? > 0 {
            let surplus = self.0.len().saturating_sub(KEEP);
            self.0.drain(..surplus);
        }
        Ok(())
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}
