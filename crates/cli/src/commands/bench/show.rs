//! What was measured, for people.

use super::{crowd, queries, restart};
use crate::show::table;

/// Rows of one level, and the aims beside them.
pub(super) fn queries(report: &queries::Report) -> String {
    let head = format!(
        "nats-server {}, fsync {}, {} cores, {} stored messages a query, {} rounds; median, and in brackets the least and the most\n",
        report.server,
        report.fsync,
        report.cores,
        if report.accept { 4 } else { 3 },
        report.rounds
    );
    let rows = report.levels.iter().flat_map(|level| {
        let row = |what: &str, series: &queries::Series, ratio: &[f64]| {
            let cell = |values: &[f64], digits| spread(values, digits);
            [
                level.concurrency.to_string(),
                what.to_owned(),
                cell(&series.p50_us, 0),
                cell(&series.p99_us, 0),
                cell(&series.per_second, 0),
                cell(ratio, 1),
            ]
        };
        [
            row("request-reply", &level.request_reply, &[]),
            row("durable publish", &level.durable_publish, &[]),
            row("query", &level.query, &level.to_request_reply),
        ]
    });
    let columns = ["at once", "what", "p50 µs", "p99 µs", "per second", "× request-reply"];
    let mut text = head + &table(columns, columns.len(), rows);
    for level in &report.levels {
        if let Some(used) = level.processor_us {
            text.push_str(&format!(
                "\n{} at once, processor time for each query: server {:.0} µs, coordinator {:.0} µs, agent {:.0} µs, client {:.0} µs",
                level.concurrency, used.server, used.coordinator, used.agent, used.client
            ));
        }
    }
    text
}

pub(super) fn crowd(report: &crowd::Report) -> String {
    format!(
        "{} agents in one host: ready in {:.2} s, {} resident; {} after each has answered a query",
        report.agents,
        report.ready_ms as f64 / 1000.0,
        megabytes(report.resident_bytes),
        megabytes(report.worked_bytes)
    )
}

pub(super) fn restart(report: &restart::Report) -> String {
    let seconds: Vec<f64> = report.ready_ms.iter().map(|ms| *ms as f64 / 1000.0).collect();
    let resident = megabytes(report.resident_bytes);
    format!("a coordinator that finds {} messages: ready in {} s, {resident} resident", report.messages, spread(&seconds, 2))
}

/// `median (least–most)`.
fn spread(values: &[f64], digits: usize) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(least), Some(most), Some(median)) = (sorted.first(), sorted.last(), sorted.get(sorted.len() / 2)) else {
        return String::new();
    };
    if sorted.len() == 1 { format!("{median:.digits$}") } else { format!("{median:.digits$} ({least:.digits$}–{most:.digits$})") }
}

fn megabytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "an unknown amount".to_owned(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_with_the_least_and_the_most() {
        assert_eq!(spread(&[3.0, 1.0, 2.0], 0), "2 (1–3)");
        assert_eq!(spread(&[1.25], 1), "1.2");
        assert_eq!(spread(&[], 1), "");
    }
}
