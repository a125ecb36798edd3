//! Waiting while a cluster elects: for some seconds after its start, or after the loss of a node, nobody
//! leads it or a stream, and what needs a leader fails though nothing is wrong.
//!
//! Only for what opens a store at the start of a service; a caller who waits is told at once.

use std::time::Duration;

use tokio::time::Instant;

use crate::{Error, Kind};

/// How long an election may take. Raft in nats-server votes after 4 to 9 s of silence, and a vote may be split.
const ELECTION: Duration = Duration::from_secs(20);

/// Between two tries.
const AGAIN: Duration = Duration::from_millis(200);

/// Tries until it succeeds, or fails for another reason than that nobody answers for the cluster, or an
/// election should be over. A try that has begun is waited for.
pub(crate) async fn elected<T, F>(attempt: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    elected_within(ELECTION, attempt).await
}

async fn elected_within<T, F>(limit: Duration, mut attempt: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let deadline = Instant::now() + limit;
    loop {
        match attempt().await {
            Err(error) if error.kind() == Kind::Unavailable && Instant::now() + AGAIN < deadline => {
                tracing::debug!(%error, "trying again: the cluster may be electing");
                tokio::time::sleep(AGAIN).await;
            }
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it is tried, where the first `failures` tries fail so; and whether the last one did.
    async fn tries(limit: Duration, kind: Kind, failures: u32) -> (u32, bool) {
        let mut tries = 0;
        let outcome = elected_within(limit, || {
            tries += 1;
            std::future::ready(if tries > failures { Ok(()) } else { Err(Error::new(kind, "so it is")) })
        });
        let failed = outcome.await.is_err();
        (tries, failed)
    }

    #[tokio::test]
    async fn an_election_is_waited_for_and_nothing_else_is() {
        assert_eq!(tries(ELECTION, Kind::Unavailable, 2).await, (3, false));
        assert_eq!(tries(ELECTION, Kind::LedgerSettings, 2).await, (1, true));
        assert_eq!(tries(AGAIN / 2, Kind::Unavailable, 2).await, (1, true), "an election has its time");
    }
}
