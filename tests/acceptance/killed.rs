//! A coordinator that is killed while it moves or erases a record: at every step there is a record, or a tombstone.

use agentbus::{Agent, Bus, Done, Options, Query, Serving, State, Task};
use nats::Archive;
use protocol::Record;
use serde_json::json;
use tempfile::TempDir;
use testkit::{NatsServer, Process, agentbus, eventually_async};

use crate::bus::name;

/// A server, an agent, a requester, and coordinators that come and go.
struct Bench {
    server: NatsServer,
    folder: TempDir,
    client: Bus,
    _agent: (Bus, Serving),
    coordinator: Process,
}

impl Bench {
    /// The coordinator dies at this point.
    async fn start(point: &str, archive_after: &str) -> Self {
        let (server, folder) = (NatsServer::start().await, tempfile::tempdir().expect("a folder"));
        let coordinator = coordinate(&server, &folder, Some(point), archive_after);
        let connect = async |text: &str| Bus::connect(Options::new(server.url(), name(text))).await.expect("the bus is there");
        let (client, agent) = (connect("alice").await, connect("worker").await);
        let handler = |task: Task| async move { Ok(Done::new("Done.").result(json!(task.text()))) };
        let mut serving = agent.serve(Agent::new(name("worker")), handler).await.expect("it serves");
        assert!(serving.known().await, "a coordinator knows of it");
        Self { server, folder, client, _agent: (agent, serving), coordinator }
    }

    /// A record that has ended.
    async fn record(&self) -> Record {
        let mut query = Query::new(name("alice"), "request", "hello");
        query.target = Some(name("worker"));
        let ended = self.client.ask(query).await.expect("posted").ended().await.expect("it ends");
        assert_eq!(ended.state, State::Completed);
        self.client.history(ended.id).await.expect("its record")
    }

    /// Waits for the coordinator's death, and starts one that lives.
    async fn next(&mut self, archive_after: &str) {
        let coordinator = &std::sync::Mutex::new(&mut self.coordinator);
        let ended = eventually_async("the coordinator's death", || async {
            let mut coordinator = coordinator.lock().expect("nobody else asks");
            coordinator.ended().ok_or_else(|| coordinator.stderr())
        });
        assert_eq!(ended.await, -1, "by a signal");
        self.coordinator = coordinate(&self.server, &self.folder, None, archive_after);
    }

    /// How many of a record's messages stand in the ledger, and in the archive.
    async fn places(&self, record: &Record) -> (usize, usize) {
        let connection = self.client.connection();
        let pages = connection.pages(record.id, 1, u64::MAX).await.expect("the ledger is read");
        let archived = Archive::of(connection.clone()).read(record.id).await.expect("the archive is read");
        (pages.len(), archived.pages().count())
    }
}

fn coordinate(server: &NatsServer, folder: &TempDir, point: Option<&str>, archive_after: &str) -> Process {
    let mut command = agentbus(folder.path());
    command.args(["serve", "coordinator", "--nats", &server.url(), "--archive-after", archive_after]);
    let process = Process::start(command.envs(point.map(|point| ("AGENTBUS_CRASH_POINT", point))));
    let _ = process.says("serves the bus");
    process
}

/// Killed there, the record stands in the ledger, in the archive, or in both; and moves on then.
async fn dies_while_moving(point: &str, in_ledger: bool, in_archive: bool) {
    let mut bench = Bench::start(point, "1s").await;
    let record = bench.record().await;
    let count = record.messages.len();
    bench.next("1h").await;
    let there = |there: bool| if there { count } else { 0 };
    assert_eq!(bench.places(&record).await, (there(in_ledger), there(in_archive)));
    assert_eq!(bench.client.history(record.id).await.expect("its record"), record, "wherever it stands");
    drop(std::mem::replace(&mut bench.coordinator, coordinate(&bench.server, &bench.folder, None, "1s")));
    eventually_async("it stands in the archive alone", || async {
        let places = bench.places(&record).await;
        if places == (0, count) { Ok(()) } else { Err(places) }
    })
    .await;
    assert_eq!(bench.client.history(record.id).await.expect("its record"), record);
}

#[tokio::test]
async fn killed_before_anything_was_packed() {
    dies_while_moving("archive.packed", true, false).await;
}

#[tokio::test]
async fn killed_between_the_packing_and_the_purge() {
    dies_while_moving("archive.written", true, true).await;
}

#[tokio::test]
async fn killed_after_the_purge() {
    dies_while_moving("archive.purged", false, true).await;
}

#[tokio::test]
async fn killed_while_a_record_is_erased() {
    for (point, buried) in [("erase.decided", false), ("erase.buried", true), ("erase.done", true)] {
        let mut bench = Bench::start(point, "1h").await;
        let record = bench.record().await;
        let client = bench.client.clone();
        let erasing = tokio::spawn(async move { client.erase(record.id).await });
        bench.next("1h").await;
        // Nobody is left to answer it.
        erasing.abort();
        match bench.client.history(record.id).await {
            Ok(found) => assert!(!buried && found == record, "{point}"),
            Err(error) => assert!(buried && error.code() == "erased", "{point}: {error}"),
        }
        bench.client.erase(record.id).await.expect("what was left of it is erased");
        assert_eq!(bench.places(&record).await, (0, 0), "{point}");
        assert_eq!(bench.client.history(record.id).await.expect_err("it is gone").code(), "erased", "{point}");
    }
}
