//! `attach` and `fetch`: one piece of an attachment in or out.
//!
//! Clients have no rights on the store of attachments; what they may do there is this. A piece is taken only with the
//! checksum that its bytes have, and a caller gets one only by its checksum. Work is bounded: a call is one piece, and
//! only so many are under way at once. Nothing is taken for a record that was erased.

use std::{sync::Arc, time::Duration};

use ledger::Retention;
use nats::{Archive, Blobs, Call, Connection, Kind, Limits, Unclaimed};
use protocol::{Checksum, DIGEST_HEADER, Problem, QueryId, RECORD_HEADER};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{read, reply};
use crate::{crash, service::Service};

/// Pieces that may be under way at once; with 512 KiB each, that is 8 MiB of bytes.
const AT_ONCE: usize = 16;

/// The time between looks for pieces of no record.
const SWEEP: Duration = Duration::from_secs(60 * 60);

/// The store of attachments, and who may use it at this moment.
#[derive(Clone, Debug)]
pub(crate) struct Pieces {
    blobs: Blobs,
    connection: Connection,
    room: Arc<Semaphore>,
}

#[derive(Deserialize)]
struct Which {
    record: QueryId,
    digest: Checksum,
}

impl Pieces {
    /// The store of a bus whose records are kept for so long. It is looked after until `stop`.
    pub(crate) fn open(
        connection: &Connection,
        limits: Limits,
        retention: Retention,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let keep = retention.hot.saturating_add(retention.keep).try_into().unwrap_or_default();
        let blobs = Blobs::new(connection.clone(), limits, keep);
        let there = blobs.clone();
        tasks.spawn(async move { stop.run_until_cancelled(look_after(there)).await });
        Self { blobs, connection: connection.clone(), room: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    fn enter(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let busy = |_| Problem::new("busy", format!("{AT_ONCE} pieces of attachments are under way already")).hint("Try again.");
        self.room.clone().try_acquire_owned().map_err(busy)
    }

    async fn put(&self, call: &Call) -> Result<Value, Problem> {
        let id: QueryId = header(call, RECORD_HEADER)?;
        let checksum: Checksum = header(call, DIGEST_HEADER)?;
        let bytes = call.payload();
        if bytes.is_empty() || Checksum::of(bytes) != checksum {
            return Err(Problem::new("attachment_damaged", format!("the {} bytes are not those of {checksum}", bytes.len())));
        }
        self.blobs.put(id, &checksum, bytes).await.map_err(refused)?;
        crash::point("piece.stored");
        // After it is stored: whoever erases the record sets the tombstone first, and then removes what there is.
        if let Some(tombstone) = Archive::of(self.connection.clone()).read(id).await?.erased() {
            self.blobs.erase(id).await?;
            return Err(read::erased(id, tombstone));
        }
        Ok(json!({ "record": id, "digest": checksum }))
    }
}

/// Gives the store the age that is wanted now, and drops again and again what no record has claimed.
async fn look_after(blobs: Blobs) {
    if let Err(error) = blobs.tend().await {
        tracing::warn!(%error, "how long attachments are kept was not changed");
    }
    let mut unclaimed = Unclaimed::new(blobs);
    loop {
        if let Err(error) = unclaimed.sweep(None).await {
            tracing::debug!(%error, "whether there are attachments of no record cannot be learnt now");
        }
        tokio::time::sleep(SWEEP).await;
    }
}

/// `attach`: stores a piece. The payload is its bytes; two headers say under which record's id, and their checksum.
pub(super) fn attach(service: &Service, call: Call) {
    let permit = match service.pieces.enter() {
        Ok(permit) => permit,
        Err(problem) => return reply::<()>(service, call, Err(problem)),
    };
    let pieces = service.pieces.clone();
    service.effects.tasks.spawn(async move {
        let answer = pieces.put(&call).await;
        call.answer(answer.as_ref()).await;
        drop(permit);
    });
}

/// `fetch`: answers with the bytes of a piece as they are.
pub(super) fn fetch(service: &Service, call: Call) {
    let asked = read::parse::<Which>(call.payload(), "send {\"record\": \"…\", \"digest\": \"sha256:…\"}");
    let (Which { record, digest }, permit) = match asked.and_then(|asked| Ok((asked, service.pieces.enter()?))) {
        Ok(asked) => asked,
        Err(problem) => return reply::<()>(service, call, Err(problem)),
    };
    let pieces = service.pieces.clone();
    service.effects.tasks.spawn(async move {
        match pieces.blobs.get(record, &digest).await {
            Ok(Some(bytes)) => call.answer_bytes(bytes).await,
            Ok(None) => {
                let problem = Problem::new("attachment_missing", format!("no piece {digest} is kept for the record {record}"));
                call.answer::<()>(Err(&problem)).await;
            }
            Err(error) => call.answer::<()>(Err(&error.into())).await,
        }
        drop(permit);
    });
}

fn header<T: std::str::FromStr<Err: std::fmt::Display>>(call: &Call, name: &str) -> Result<T, Problem> {
    let missing = || Problem::new("schema_violation", format!("the header {name} is missing"));
    let wrong = |error| Problem::new("schema_violation", format!("the header {name}: {error}"));
    call.header(name).ok_or_else(missing)?.parse().map_err(wrong)
}

fn refused(error: nats::Error) -> Problem {
    if error.kind() != Kind::StorageFull {
        return error.into();
    }
    let problem = Problem::new(error.kind().code(), "the store of attachments takes nothing more");
    problem.hint("Erase records whose attachments nobody needs, or give the store more room (docs/operations.md).")
}
