//! The end of a run: waits until everything has ended, collects the evidence and has it judged.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::Lab;
use crate::{
    Part, Plain,
    checker::{self, Evidence, Verdict},
    plain::is_terminal,
};

/// How long after the last fault nothing may be stuck (I5).
const SETTLED: Duration = Duration::from_secs(30);

/// What no process of a laboratory may ever take (I6): several times what each needs, and far less than one that
/// keeps what it should let go of.
const MOST_MEMORY: u64 = 512 << 20;

impl Lab {
    /// Undoes what faults there are, lets the clients finish, and judges. A client that has not finished 30 s
    /// after this begins is ended; what it waited for is then open, and needs a reason.
    ///
    /// # Panics
    /// When the streams cannot be read.
    pub async fn settle(&mut self) -> Verdict {
        self.heal();
        self.finish_clients().await;
        let evidence = self.evidence().await;
        checker::judge(&evidence)
    }

    /// Tells the clients to post no more, and waits for their ends.
    async fn finish_clients(&mut self) {
        fs::write(self.path().join("until"), "").expect("a word to the clients");
        for client in &mut self.clients {
            // One that was killed has another life to wait for what it posted.
            if !client.part.has_crashed() || finished(self.folder.path(), client.part.name()) {
                continue;
            }
            client.part.start();
        }
        let begun = Instant::now();
        while begun.elapsed() < SETTLED && !self.clients.iter_mut().all(|client| client.part.has_crashed()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.clients.iter_mut().for_each(|client| client.part.kill());
    }

    /// Everything that is known of the run, as it stands now.
    ///
    /// # Panics
    /// When the streams cannot be read.
    pub async fn evidence(&mut self) -> Evidence {
        let plain = self.plain("judge").await.impatient(Duration::from_millis(500));
        let clients: Vec<Value> =
            self.clients.iter().flat_map(|client| checker::lines(&self.path().join(format!("{}.jsonl", client.part.name())))).collect();
        let waiting = waiting(&plain, &clients).await;
        let stored = crate::eventually_async("the streams", || checker::entries(&plain)).await;
        let watched = self.watched(&stored).await;
        let mut accidents: Vec<String> = self.parts().flat_map(|placed| placed.part.accidents()).collect();
        accidents.extend(self.node.iter_mut().flat_map(|node| node.part().accidents()));
        let parts = self.coordinators.iter().chain(&self.hosts).chain(&self.watcher).map(|placed| &placed.part);
        accidents.extend(parts.filter_map(|part| too_large(part, MOST_MEMORY)));
        accidents.extend(self.node.as_mut().and_then(|node| too_large(node.part(), MOST_MEMORY)));
        Evidence { clients, works: checker::lines(&self.works()), stored, waiting, watched, accidents }
    }

    /// What the subscriber was given; it may take a moment to read the last of it.
    async fn watched(&mut self, stored: &checker::Stored) -> Option<Vec<u64>> {
        let log = self.path().join("watcher.log");
        self.watcher.as_ref()?;
        let last = stored.entries.iter().rev().find(|entry| entry.kind == "progress").map(|entry| entry.seq);
        let begun = Instant::now();
        loop {
            let seen: Vec<u64> = checker::lines(&log).iter().filter_map(|line| line["seq"].as_u64()).collect();
            if last.is_none() || seen.last() >= last.as_ref() || begun.elapsed() > SETTLED {
                return Some(seen.into_iter().filter(|seq| last.is_some_and(|last| *seq <= last)).collect());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Says so where a process has taken more memory than it may.
fn too_large(part: &Part, most: u64) -> Option<String> {
    let taken = part.most_memory();
    (taken > most).then(|| format!("{} took {} MiB of memory", part.name(), taken >> 20))
}

fn finished(folder: &std::path::Path, name: &str) -> bool {
    checker::lines(&folder.join(format!("{name}.jsonl"))).iter().any(|line| line["event"] == "finished")
}

/// For what each query waits that a client posted and saw no end of.
async fn waiting(plain: &Plain, clients: &[Value]) -> BTreeMap<String, String> {
    let id = |line: &Value| line["id"].as_str().unwrap_or_default().to_owned();
    let ended: std::collections::BTreeSet<_> = clients.iter().filter(|line| line["event"] == "ended").map(id).collect();
    let mut waiting = BTreeMap::new();
    for open in clients.iter().filter(|line| line["event"] == "acknowledged").map(id).filter(|id| !ended.contains(id)) {
        let Ok(record) = plain.status(&open).await else { continue };
        let why = record["waiting_for"].as_str().unwrap_or_default();
        if !is_terminal(record["state"].as_str().unwrap_or_default()) && !why.is_empty() {
            waiting.insert(open, why.to_owned());
        }
    }
    waiting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_takes_too_much_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut part = Part::new("sleeper", folder.path(), "", || {
            let mut command = std::process::Command::new("sleep");
            command.arg("60");
            command
        });
        part.start();
        crate::eventually("its memory", || if part.most_memory() > 0 { Ok(()) } else { Err(()) });
        assert_eq!(too_large(&part, MOST_MEMORY), None);
        assert!(too_large(&part, 1).is_some_and(|told| told.starts_with("sleeper took")));
        part.kill();
    }
}
