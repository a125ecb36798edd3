//! The ledger as a feed: one task reads it in order and passes it on.
//!
//! What is there at once is read together. A coordinator that starts finds the whole ledger, and reading
//! its messages is most of the work: that is done on other threads meanwhile, and put back in order.

use futures::{StreamExt, stream::FuturesOrdered};
use nats::{Connection, Error, Reader, Sealed, Step};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Bundles that may wait for the loop. When it is full, the reading waits.
const WAITING: usize = 32;

/// With more than so many still to come, it is behind.
const BEHIND: u64 = 1024;

/// The most messages in a bundle while it is behind.
const BUNDLE: usize = 128;

/// The most messages in a bundle otherwise, so that what they lead to is under way while more are read. They
/// are not worth another thread.
const FEW: usize = 8;

/// Bundles that are being read at the same time.
const AT_ONCE: usize = 4;

/// What was read together, in order, on its way to the loop.
#[derive(Debug)]
pub(crate) struct Fed {
    /// What the messages are.
    pub(crate) steps: Vec<Step>,
    /// Whether the ledger held nothing more at that moment.
    pub(crate) caught_up: bool,
}

/// Starts to read the whole ledger, from its first message on.
pub(crate) async fn start(connection: Connection, tasks: &TaskTracker, stop: CancellationToken) -> Result<mpsc::Receiver<Fed>, Error> {
    let reader = Reader::of_all(&connection).await?;
    let (fed, receiver) = mpsc::channel(WAITING);
    let feed = Feed { reader, fed, opening: FuturesOrdered::new() };
    tasks.spawn(async move { stop.run_until_cancelled(feed.run()).await });
    Ok(receiver)
}

struct Feed {
    reader: Reader,
    fed: mpsc::Sender<Fed>,
    /// Bundles that are being read elsewhere.
    opening: FuturesOrdered<JoinHandle<Fed>>,
}

impl Feed {
    async fn run(mut self) {
        let begun = Fed { steps: Vec::new(), caught_up: self.reader.is_caught_up() };
        let mut listening = self.fed.send(begun).await.is_ok();
        while listening {
            listening = match self.gather() {
                Some(bundle) => self.open(bundle).await,
                None => self.wait().await,
            };
        }
    }

    /// What is there at once. A bundle may be empty: then at least it is known how much is still to come.
    fn gather(&mut self) -> Option<Vec<Sealed>> {
        let mut bundle: Option<Vec<_>> = None;
        let most = if self.reader.pending() > BEHIND { BUNDLE } else { FEW };
        while bundle.as_ref().map_or(0, Vec::len) < most && self.opening.len() < AT_ONCE {
            let Some(sealed) = self.reader.ready() else { break };
            bundle.get_or_insert_default().extend(sealed);
        }
        bundle
    }

    /// Waits until something is read, or there. Returns whether the loop still listens.
    async fn wait(&mut self) -> bool {
        tokio::select! {
            Some(fed) = self.opening.next() => match fed {
                Ok(fed) => self.fed.send(fed).await.is_ok(),
                // Reading does not panic; but if it did, nothing after it could be trusted.
                Err(error) => {
                    tracing::error!(%error, "the ledger cannot be read any more");
                    false
                }
            },
            sealed = self.reader.sealed(), if self.opening.len() < AT_ONCE => self.open(sealed.into_iter().collect()).await,
        }
    }

    /// Reads a bundle: here, or elsewhere if it is worth it or must stand behind one that is read there.
    async fn open(&mut self, bundle: Vec<Sealed>) -> bool {
        let caught_up = self.reader.is_caught_up();
        let read = move |bundle: Vec<Sealed>| Fed { steps: bundle.into_iter().map(Sealed::open).collect(), caught_up };
        if self.opening.is_empty() && bundle.len() <= FEW {
            return self.fed.send(read(bundle)).await.is_ok();
        }
        self.opening.push_back(tokio::task::spawn_blocking(move || read(bundle)));
        true
    }
}
