//! One piece in or out, by the coordinator's API, patiently: a server or a coordinator may be starting again.

use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::{Checksum, DIGEST_HEADER, QueryId, RECORD_HEADER, message::Attachment};
use serde_json::{Value, json};

use super::AttachmentError;
use crate::{Bus, Error, bus::answered};

/// How long a coordinator may take for one piece: it waits for the disks of all copies.
const ANSWER: Duration = Duration::from_secs(10);

/// For how long a piece is tried again that could not be put or had.
const PATIENCE: Duration = Duration::from_secs(20);

/// The pause before the first such try; it doubles up to [`LONGEST`].
const AGAIN: Duration = Duration::from_millis(50);

/// The longest such pause.
const LONGEST: Duration = Duration::from_secs(1);

/// Stores a piece under the id of a record. To put it twice is harmless.
pub(super) async fn put(bus: &Bus, id: QueryId, bytes: Bytes, checksum: Checksum) -> Result<(), Error> {
    let headers = [(RECORD_HEADER, id.to_string()), (DIGEST_HEADER, checksum.to_string())];
    let subject = bus.space().api("attach", &bus.name().token());
    patiently(|| async {
        let answer = bus.connection().request_bytes(subject.clone(), &headers, bytes.clone(), ANSWER).await?;
        answered::<Value>(&answer).map(drop)
    })
    .await
}

/// The bytes of a piece, which are those of its checksum.
pub(super) async fn get(bus: &Bus, of: &Attachment, id: QueryId, checksum: Checksum) -> Result<Bytes, Error> {
    let asked = Bytes::from(json!({ "record": id, "digest": checksum }).to_string());
    let subject = bus.space().api("fetch", &bus.name().token());
    patiently(|| async {
        let answer = bus.connection().request_bytes(subject.clone(), &[], asked.clone(), ANSWER).await?;
        if Checksum::of(&answer) == checksum {
            return Ok(answer);
        }
        // What is no piece says why; anything else is one that somebody has changed.
        match answered::<Value>(&answer) {
            Err(Error::Refused(problem)) if problem.code == "attachment_missing" => {
                Err(AttachmentError::Missing { name: of.name.clone(), piece: checksum }.into())
            }
            Err(Error::Refused(problem)) if !["garbled", "malformed_json"].contains(&problem.code.as_str()) => Err(problem.into()),
            _ => Err(AttachmentError::damaged(&of.name, format!("what is kept as its piece {checksum} is something else")).into()),
        }
    })
    .await
}

/// Tries again for as long as that may help.
async fn patiently<T, F: Future<Output = Result<T, Error>>>(attempt: impl Fn() -> F) -> Result<T, Error> {
    let (begun, mut pause, mut said) = (Instant::now(), AGAIN, false);
    loop {
        match attempt().await {
            Err(error) if may_pass(&error) && begun.elapsed() < PATIENCE => {
                // A moment is usual; whoever waits for longer wants to know for what.
                if begun.elapsed() > LONGEST && !std::mem::replace(&mut said, true) {
                    tracing::warn!(%error, "a piece of an attachment does not get through; trying again for {PATIENCE:?}");
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
            outcome => return outcome,
        }
    }
}

/// Whether it is a matter of time.
pub(crate) fn may_pass(error: &Error) -> bool {
    error.is_unavailable() || matches!(error.code(), "busy" | "unavailable" | "no_ledger")
}
