//! The ledger as a feed: one task reads it in order and passes it on.

use nats::{Connection, Error, Reader, Start, Step};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Entries that may wait for the loop. When it is full, the reading waits.
const WAITING: usize = 4096;

/// One step of the reading, on its way to the loop.
#[derive(Debug)]
pub(crate) struct Fed {
    /// What the step led to.
    pub(crate) step: Step,
    /// Whether the ledger held nothing more at that moment.
    pub(crate) caught_up: bool,
}

/// Starts to read the whole ledger, from its first message on.
pub(crate) async fn start(connection: Connection, tasks: &TaskTracker, stop: CancellationToken) -> Result<mpsc::Receiver<Fed>, Error> {
    let mut reader = Reader::open(connection, Start::First, Vec::new()).await?;
    let (sender, receiver) = mpsc::channel(WAITING);
    tasks.spawn(async move {
        let begun = Fed { step: Step::Nothing, caught_up: reader.is_caught_up() };
        if sender.send(begun).await.is_err() {
            return;
        }
        loop {
            let step = tokio::select! {
                () = stop.cancelled() => return,
                step = reader.advance() => step,
            };
            if sender.send(Fed { step, caught_up: reader.is_caught_up() }).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
