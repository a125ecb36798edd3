//! The last of what a command writes to standard error. The rest is read and forgotten, so that a
//! command that writes much is not held up.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{io::AsyncReadExt, process::ChildStderr};
use tokio_util::task::AbortOnDropHandle;

/// How much is kept, in bytes.
const KEPT: usize = 4 << 10;

/// The tail of a pipe, read in a task of its own.
#[derive(Debug)]
pub(super) struct Tail {
    kept: Arc<Mutex<VecDeque<u8>>>,
    reading: Option<AbortOnDropHandle<()>>,
}

impl Tail {
    pub(super) fn read(pipe: Option<ChildStderr>) -> Self {
        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let into = kept.clone();
        let read = async move {
            let Some(mut pipe) = pipe else { return };
            let mut chunk = Vec::with_capacity(KEPT);
            while pipe.read_buf(&mut chunk).await.is_ok_and(|read| read > 0) {
                keep(&mut into.lock().unwrap_or_else(PoisonError::into_inner), &chunk);
                chunk.clear();
            }
        };
        Self { kept, reading: Some(AbortOnDropHandle::new(tokio::spawn(read))) }
    }

    /// Returns when all has been read, but no later than this.
    pub(super) async fn whole(&mut self, patience: Duration) {
        if let Some(reading) = self.reading.take() {
            let _ = tokio::time::timeout(patience, reading).await;
        }
    }

    /// What has been read so far. A character that the cut went through is left out; other bytes
    /// that are no UTF-8 are replaced.
    pub(super) fn text(&self) -> String {
        let kept: Vec<u8> = self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        let cut = kept.len() == KEPT;
        let start = kept.iter().take(3).take_while(|byte| cut && (0x80..0xc0).contains(*byte)).count();
        String::from_utf8_lossy(kept.get(start..).unwrap_or_default()).into_owned()
    }
}

fn keep(kept: &mut VecDeque<u8>, chunk: &[u8]) {
    kept.extend(chunk);
    kept.drain(..kept.len().saturating_sub(KEPT));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_is_kept_and_no_character_is_cut() {
        let mut kept = VecDeque::new();
        for _ in 0..KEPT {
            keep(&mut kept, "é".as_bytes());
        }
        keep(&mut kept, b"x");
        let tail = Tail { kept: Arc::new(Mutex::new(kept)), reading: None };
        assert_eq!(tail.text(), format!("{}x", "é".repeat(KEPT / 2 - 1)));
    }
}
