//! A closed loop: so many at once, each beginning anew when it is done, for so long.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use hdrhistogram::Histogram;

use crate::failure::{Exit, Failure};

/// What one loop saw.
pub(super) struct Sample {
    /// How long each took, in nanoseconds.
    latencies: Histogram<u64>,
    /// From the start to the last end.
    elapsed: Duration,
}

impl Sample {
    /// Half of them took no longer.
    pub(super) fn p50(&self) -> Duration {
        Duration::from_nanos(self.latencies.value_at_quantile(0.5))
    }

    /// One in a hundred took longer.
    pub(super) fn p99(&self) -> Duration {
        Duration::from_nanos(self.latencies.value_at_quantile(0.99))
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.latencies.len()
    }

    /// How many there were in a second.
    pub(super) fn per_second(&self) -> f64 {
        self.count() as f64 / self.elapsed.as_secs_f64()
    }
}

/// Runs `op` `concurrency` times at once, over and over for `time`. What has begun by then is
/// finished and counts.
///
/// # Errors
/// The first error ends it: a figure that leaves failures out would flatter.
pub(super) async fn closed_loop<F, R>(concurrency: usize, time: Duration, op: F) -> Result<Sample, Failure>
where
    F: Fn() -> R + Clone + Send + 'static,
    R: Future<Output = Result<(), Failure>> + Send,
{
    let start = Instant::now();
    let worker = |op: F| async move {
        let mut latencies = histogram()?;
        while start.elapsed() < time {
            let begun = Instant::now();
            op().await?;
            latencies.saturating_record(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
        Ok::<_, Failure>(latencies)
    };
    let workers = (0..concurrency).map(|_| {
        let worker = tokio::spawn(worker(op.clone()));
        async move { worker.await.map_err(|error| Failure::new(Exit::Ended, "bench_broke_off", error.to_string()))? }
    });
    let mut latencies = histogram()?;
    for part in try_join_all(workers).await? {
        latencies.add(part).map_err(|error| Failure::new(Exit::Ended, "bench_broke_off", error.to_string()))?;
    }
    Ok(Sample { latencies, elapsed: start.elapsed() })
}

/// Three digits, up to two minutes.
fn histogram() -> Result<Histogram<u64>, Failure> {
    Histogram::new_with_bounds(1, 120_000_000_000, 3).map_err(|error| Failure::new(Exit::Ended, "bench_broke_off", error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn it_counts_what_was_done_and_how_long_each_took() {
        let op = || async {
            tokio::task::yield_now().await;
            Ok(())
        };
        let sample = closed_loop(3, Duration::from_millis(20), op).await.unwrap();
        assert!(sample.count() >= 3 && sample.p50() <= sample.p99());
        assert!(sample.per_second() > 0.0);
    }

    #[tokio::test]
    async fn one_failure_ends_it() {
        let op = || async { Err(Failure::new(Exit::Ended, "no", "no")) };
        assert!(closed_loop(2, Duration::from_secs(60), op).await.is_err());
    }
}
