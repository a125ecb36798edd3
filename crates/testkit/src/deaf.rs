//! `testkit deaf`: how much a subscriber that never reads costs those who publish (F8), as ratios of one run.
//!
//! A measurement for a quiet machine, and no test. An agent reports so many MiB of progress, 1 KiB at a time, each report
//! stored before the next of its query is sent; with and without the subscriber by turns, since the machine's speed drifts.

use std::{
    io::Write,
    process::ExitCode,
    time::{Duration, Instant},
};

use futures::future::join_all;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{Lab, Plain, Plan, Sync, long::tell, plain::Ask};

/// How long one flood may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Options of `testkit deaf`.
#[derive(Clone, Debug, clap::Args)]
pub struct Deaf {
    /// How often both are measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// MiB of progress each time
    #[arg(long, default_value_t = 140)]
    mib: u64,
}

impl Deaf {
    /// Measures, and prints seconds and ratios as JSON on one line.
    ///
    /// # Panics
    /// Where a laboratory cannot be made, or a flood does not end well.
    pub async fn run(self) -> ExitCode {
        let lab = Lab::start(Plan { lease: "15s".to_owned(), sync: Sync::TwoMinutes, ..Plan::default() }).await;
        let plain = lab.plain("flooder").await;
        flood(&plain, 10).await;
        let mut pairs = Vec::new();
        for round in 0..self.rounds {
            // Which comes first changes, so that a store that grows favours neither.
            let pair = if round % 2 == 0 {
                let without = flood(&plain, self.mib).await;
                (without, self.unread(&lab, &plain).await)
            } else {
                let with = self.unread(&lab, &plain).await;
                (flood(&plain, self.mib).await, with)
            };
            tell(&format!("{:.1} s without, {:.1} s with", pair.0, pair.1));
            pairs.push(pair);
        }
        let mut ratios: Vec<f64> = pairs.iter().map(|(without, with)| with / without).collect();
        ratios.sort_by(f64::total_cmp);
        let middle = ratios.get(ratios.len() / 2);
        let line = json!({ "mib": self.mib, "without_and_with_s": pairs, "ratios": ratios, "median": middle });
        let _ = writeln!(std::io::stdout(), "{line}");
        ExitCode::SUCCESS
    }

    /// The same with somebody who subscribes to all progress and reads none of it.
    async fn unread(&self, lab: &Lab, plain: &Plain) -> f64 {
        let mut deaf = TcpStream::connect(("127.0.0.1", lab.site().port)).await.expect("a connection");
        let all = plain.subject("progress", "*", "*", "*");
        deaf.write_all(format!("CONNECT {{\"verbose\":false}}\r\nSUB {all} 1\r\n").as_bytes()).await.expect("a subscription");
        let took = flood(plain, self.mib).await;
        drop(deaf);
        took
    }
}

/// How many seconds so many MiB of progress take.
async fn flood(plain: &Plain, mib: u64) -> f64 {
    let begun = Instant::now();
    let asks: Vec<Ask> = (0..mib).map(|_| Ask { timeout_ms: 300_000, ..Ask::new("worker", "flood 1024") }).collect();
    for record in join_all(asks.iter().map(|ask| plain.ask(ask, PATIENCE))).await {
        let record = record.expect("an ending");
        assert_eq!(record["state"], "completed", "{record}");
    }
    begun.elapsed().as_secs_f64()
}
