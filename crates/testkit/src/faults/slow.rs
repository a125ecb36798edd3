//! Scripts about what is alive and too slow: a subscriber that never reads, work that reports nothing.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{PATIENCE, Site, expect};
use crate::plain::{Ask, Plain};

/// F8: a subscriber on a raw socket that never reads holds nobody up, though it is sent `times` MiB.
pub(super) async fn never_reads(site: &Site, times: u64) -> Result<(), String> {
    let plain = site.plain("flooder").await;
    let without = flood(&plain, times).await?;
    let mut deaf = TcpStream::connect(("127.0.0.1", site.port)).await.map_err(|error| error.to_string())?;
    let all = plain.subject("progress", "*", "*", "*");
    deaf.write_all(format!("CONNECT {{\"verbose\":false}}\r\nSUB {all} 1\r\n").as_bytes()).await.map_err(|error| error.to_string())?;
    let with = flood(&plain, times).await?;
    drop(deaf);
    // A bound that holds under other faults, too; the tight one is a measurement for a quiet machine.
    expect(with < without * 3 + Duration::from_secs(20), || format!("{without:?} without it became {with:?}"))
}

/// How long so many MiB of progress take.
async fn flood(plain: &Plain, mib: u64) -> Result<Duration, String> {
    let begun = Instant::now();
    let asks: Vec<Ask> = (0..mib).map(|_| Ask::new("worker", "flood 1024")).collect();
    for record in join_all(asks.iter().map(|ask| plain.ask(ask, PATIENCE))).await {
        let record = record?;
        expect(record["state"] == "completed", || format!("the flood ended as {record}"))?;
    }
    Ok(begun.elapsed())
}

/// F23: work that reports nothing for as long as its agent declares is taken away and given out again, and says why.
pub(super) async fn stalled(site: &Site) -> Result<(), String> {
    let plain = site.plain("stalled").await;
    let mut ask = Ask::new("staller", "hang");
    ask.attempts = 2;
    let record = plain.ask(&ask, PATIENCE).await?;
    let codes: Vec<_> =
        record["attempts"].as_array().into_iter().flatten().filter_map(|attempt| attempt["failure"]["code"].as_str()).collect();
    expect(record["state"] == "dead" && codes.contains(&"stalled"), || format!("it was not noticed: {record}"))
}
