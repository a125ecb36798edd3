//! The NATS room against a real server: what it promises to the rooms above.

use std::time::Duration;

use jiff::Timestamp;
use protocol::{Extra, Fact, FactKind, Kind as MessageKind, Message, Name, QueryId, Subject, To, message::Notice, message::Query};
use serde_json::json;

use crate::{
    Connection, Expect, Facts, Kind, Ledger, Limits, Options, Reader, Start, Stored,
    server::{Finder, Options as ServerOptions, Port, Server},
};

/// A server, and the folder of its store.
pub(crate) struct Bench {
    server: Server,
    folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let found = Finder::from_env().find_or_fetch(|_| {}).await.unwrap();
        let mut options = ServerOptions::new(found.path, folder.path());
        options.port = Port::Prefer(0);
        Self { server: Server::start(options).await.unwrap(), folder }
    }

    /// Whether any file of the store holds these bytes.
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if std::fs::read(&path).is_ok_and(|file| file.windows(bytes.len()).any(|window| window == bytes)) {
                    return true;
                }
            }
        }
        false
    }

    pub(crate) async fn connect(&self, name: &str) -> Connection {
        Connection::open(Options::new(self.server.url(), name.parse().unwrap())).await.unwrap()
    }
}

const LIMITS: Limits = Limits { max_bytes: 64 << 20, replicas: 1 };

fn notice(from: &Name, text: &str) -> (Subject, Message) {
    let subject = Subject::new(MessageKind::Notice, QueryId::mint(), from.clone(), To::All).unwrap();
    (subject, Message::Notice(Notice { agent: from.clone(), delivery: text.to_owned(), extra: Extra::new() }))
}

#[tokio::test]
async fn a_ledger_is_made_once_and_refused_when_its_settings_lose_messages() {
    let bench = Bench::start().await;
    let connection = bench.connect("alice").await;
    assert_eq!(Reader::open(connection.clone(), Start::Now, Vec::new()).await.unwrap_err().kind(), Kind::NoLedger);
    Ledger::open(connection.clone(), LIMITS).await.unwrap();
    Ledger::open(connection.clone(), LIMITS).await.unwrap();

    let mut stream = connection.js.get_stream(connection.space().ledger()).await.unwrap();
    let mut config = stream.info().await.unwrap().config.clone();
    config.max_age = Duration::from_secs(3600);
    config.discard = async_nats::jetstream::stream::DiscardPolicy::Old;
    connection.js.update_stream(config).await.unwrap();
    let refused = Ledger::open(connection, LIMITS).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::LedgerSettings);
    let told = refused.to_string();
    assert!(told.contains("discard") && told.contains("max_age"), "{told}");
}

#[tokio::test]
async fn a_survey_says_what_is_there_and_what_is_wrong_with_it() {
    let bench = Bench::start().await;
    let connection = bench.connect("alice").await;
    assert!(connection.survey().await.unwrap().is_none());
    Ledger::open(connection.clone(), LIMITS).await.unwrap();
    let (subject, message) = notice(connection.name(), "done");
    connection.append(&subject, &message, None).await.unwrap();
    let found = connection.survey().await.unwrap().unwrap();
    assert_eq!((found.messages, found.allowed, found.reserve_open), (1, LIMITS.max_bytes, false));
    assert!(found.wrong.is_empty() && found.behind.is_empty() && found.bytes > 0, "{found:?}");
    // Server and client share a clock here.
    assert!(found.ahead.unwrap().abs() <= jiff::SignedDuration::try_from(found.took).unwrap(), "{found:?}");

    let mut config = connection.js.get_stream(connection.space().ledger()).await.unwrap().info().await.unwrap().config.clone();
    config.discard = async_nats::jetstream::stream::DiscardPolicy::Old;
    connection.js.update_stream(config).await.unwrap();
    let found = connection.survey().await.unwrap().unwrap();
    assert!(found.wrong.iter().any(|wrong| wrong.contains("discard")), "{found:?}");
    assert!(!connection.coordinator_beats(Duration::from_millis(10)).await.unwrap());
}

#[tokio::test]
async fn a_subscription_is_there_when_it_says_so() {
    let bench = Bench::start().await;
    let (server, client) = (bench.connect("server").await, bench.connect("client").await);
    for round in 0..100 {
        let subject = format!("echo.{round}");
        let mut requests = server.subscribe(subject.clone()).await.unwrap();
        let answering = async {
            let request = requests.next().await.unwrap();
            server.answer(request.reply.unwrap(), &json!(round)).await.unwrap();
        };
        let ((), answer) = futures::join!(answering, client.request(subject, Vec::new()));
        assert_eq!(answer.unwrap().payload, round.to_string().as_bytes(), "a request that came at once met a subscriber");
    }
}

#[tokio::test]
async fn of_two_appends_that_expect_the_same_one_is_refused() {
    let bench = Bench::start().await;
    let connection = bench.connect("alice").await;
    Ledger::open(connection.clone(), LIMITS).await.unwrap();
    let (id, alice) = (QueryId::mint(), connection.name().clone());
    let subject = Subject::new(MessageKind::Query, id, alice.clone(), To::Any).unwrap();
    let query = Message::Query(Query::new(alice, "request", "hello"));
    let first = Expect { filter: connection.space().queries(id), last: 0 };
    let (a, b) = futures::join!(connection.append(&subject, &query, Some(&first)), connection.append(&subject, &query, Some(&first)));
    let stored = [a.unwrap(), b.unwrap()];
    assert_eq!(stored.iter().filter(|stored| **stored == Stored::Refused).count(), 1, "{stored:?}");
    assert_eq!(connection.entries(id, 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_record_is_read_whole_however_long_it_is() {
    let bench = Bench::start().await;
    let connection = bench.connect("worker").await;
    Ledger::open(connection.clone(), LIMITS).await.unwrap();
    let id = QueryId::mint();
    let subject = Subject::new(MessageKind::Notice, id, connection.name().clone(), To::All).unwrap();
    let (_, message) = notice(connection.name(), "more");
    for _ in 0..1_200 {
        connection.append(&subject, &message, None).await.unwrap();
    }
    let (other, message) = notice(connection.name(), "not of this record");
    connection.append(&other, &message, None).await.unwrap();
    let entries = connection.entries(id, 1).await.unwrap();
    assert_eq!(entries.len(), 1_200);
    assert!(entries.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    assert_eq!(connection.entries(id, 1_101).await.unwrap().len(), 100);
    assert_eq!(connection.entries(QueryId::mint(), 1).await.unwrap(), []);
    assert_eq!(connection.last_under(connection.space().record(id)).await.unwrap(), 1_200);
    assert_eq!(connection.last_under(connection.space().record(QueryId::mint())).await.unwrap(), 0);
}

#[tokio::test]
async fn a_reader_begins_where_it_is_told_and_reads_what_it_is_told() {
    let bench = Bench::start().await;
    let connection = bench.connect("worker").await;
    Ledger::open(connection.clone(), LIMITS).await.unwrap();
    let other = bench.connect("other").await;
    for connection in [&connection, &other, &connection] {
        let (subject, message) = notice(connection.name(), "done");
        connection.append(&subject, &message, None).await.unwrap();
    }
    let read = async |start, filters: Vec<String>, count: usize| {
        let mut reader = Reader::open(connection.clone(), start, filters).await.unwrap();
        let mut seqs = Vec::new();
        while seqs.len() < count {
            seqs.push(reader.next().await.seq);
        }
        assert!(reader.is_caught_up());
        seqs
    };
    assert_eq!(read(Start::First, Vec::new(), 3).await, [1, 2, 3]);
    assert_eq!(read(Start::Seq(2), Vec::new(), 2).await, [2, 3]);
    assert_eq!(read(Start::Time(Timestamp::UNIX_EPOCH), Vec::new(), 3).await, [1, 2, 3]);
    let mine = connection.space().kind_from(MessageKind::Notice, connection.name());
    assert_eq!(read(Start::First, vec![mine], 2).await, [1, 3]);
}

#[tokio::test]
async fn a_stored_message_that_is_sent_again_counts_as_invalid() {
    let bench = Bench::start().await;
    let connection = bench.connect("worker").await;
    Ledger::open(connection.clone(), LIMITS).await.unwrap();
    let (subject, message) = notice(connection.name(), "done");
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Stream", connection.space().ledger());
    let mut deliveries = connection.subscribe(connection.space().kind(MessageKind::Notice)).await.unwrap();
    let subject_text = subject.in_space(connection.space());
    connection.js.publish_with_headers(subject_text, headers, message.to_bytes().into()).await.unwrap().await.unwrap();
    connection.append(&subject, &message, None).await.unwrap();

    let entries = connection.entries(subject.id(), 1).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.body.is_ok()).collect::<Vec<_>>(), [false, true]);
    let mut reader = Reader::open(connection.clone(), Start::First, Vec::new()).await.unwrap();
    assert!(reader.next().await.body.is_err() && reader.next().await.body.is_ok());
    let first = deliveries.next().await.unwrap();
    assert!(first.message(&connection).is_some(), "the replayed one is not delivered at all");
    assert!(futures::poll!(Box::pin(deliveries.next())).is_pending());
}

#[tokio::test]
async fn facts_are_kept_for_each_key_and_observer() {
    let bench = Bench::start().await;
    let (alice, bob) = (bench.connect("alice").await, bench.connect("b.o.b").await);
    let (hers, his) = (Facts::open(&alice).await.unwrap(), Facts::open(&bob).await.unwrap());
    let fact = |connection: &Connection, value: u32| Fact {
        key: "team.size".parse().unwrap(),
        value: json!(value),
        kind: FactKind::Value,
        source: "said so".to_owned(),
        observed_by: connection.name().clone(),
        observed_at: Timestamp::UNIX_EPOCH,
        topics: Vec::new(),
        extra: Extra::new(),
    };
    assert_eq!(hers.all().await.unwrap(), []);
    for (facts, fact) in [(&hers, fact(&alice, 11)), (&his, fact(&bob, 7)), (&hers, fact(&alice, 12))] {
        facts.put(&fact).await.unwrap();
    }
    assert_eq!(his.all().await.unwrap(), [fact(&alice, 12), fact(&bob, 7)]);
    assert!(hers.remove(alice.name(), &"team.size".parse().unwrap()).await.unwrap());
    assert!(!hers.remove(alice.name(), &"team.size".parse().unwrap()).await.unwrap());
    assert_eq!(his.all().await.unwrap(), [fact(&bob, 7)]);
    // What stands where its observer may not write was not recorded by its observer.
    let store = alice.js.get_key_value(alice.space().facts()).await.unwrap();
    store.put("mallory.team.size", serde_json::to_vec(&fact(&alice, 1)).unwrap().into()).await.unwrap();
    assert_eq!(his.all().await.unwrap(), [fact(&bob, 7)]);
}

#[tokio::test]
async fn a_server_without_jetstream_or_out_of_reach_is_told_apart() {
    let refused = Connection::open(Options::new("nats://127.0.0.1:1", "alice".parse().unwrap())).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable);
    let refused = Connection::open(Options::new("not a url", "alice".parse().unwrap())).await.unwrap_err();
    assert!(matches!(refused.kind(), Kind::Usage | Kind::Unavailable), "{refused}");
    let bench = Bench::start().await;
    let connection = bench.connect("alice").await;
    let nobody = connection.request(connection.space().api("list", "alice"), Vec::new()).await.unwrap_err();
    assert_eq!(nobody.kind(), Kind::NoCoordinator);
    let (subject, message) = notice(connection.name(), "done");
    assert_eq!(connection.append(&subject, &message, None).await.unwrap_err().kind(), Kind::NoLedger);
}

#[tokio::test]
async fn a_ledger_whose_server_comes_and_goes_is_not_called_missing() {
    let mut bench = Bench::start().await;
    let connection = bench.connect("alice").await;
    Ledger::open(connection.clone(), LIMITS).await.unwrap();
    let asking = async {
        loop {
            let (subject, message) = notice(connection.name(), "done");
            let read = connection.entries(subject.id(), 1).await.map(drop);
            let stored = connection.append(&subject, &message, None).await.map(drop);
            for failed in [read, stored].into_iter().filter_map(Result::err) {
                assert_eq!(failed.kind(), Kind::Unavailable, "{failed}");
            }
            tokio::task::yield_now().await;
        }
    };
    let coming_and_going = async {
        for _ in 0..5 {
            bench.server = bench.server.restart().await.unwrap();
            while connection.last_sequence().await.is_err() {}
        }
    };
    tokio::select! {
        () = coming_and_going => {}
        () = asking => {}
    }
}
