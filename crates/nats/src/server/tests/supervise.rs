//! A supervised server comes back after a kill -9, with its port and everything it acknowledged.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::stream::Config;
use rustix::process::Signal;
use tempfile::tempdir;
use tokio_util::sync::CancellationToken;

use super::{Log, eventually, is_free, options};
use crate::server::run::send;
use crate::server::{Event, Options, Server, supervise};

async fn stream(url: &str) -> (jetstream::Context, jetstream::stream::Stream) {
    let context = jetstream::new(async_nats::connect(url).await.unwrap());
    let config = Config { name: "kept".into(), subjects: vec!["kept.>".into()], ..Config::default() };
    let stream = context.get_or_create_stream(config).await.unwrap();
    (context, stream)
}

#[tokio::test]
async fn it_is_started_again_on_the_same_port_and_store_and_stopped_on_request() {
    let folder = tempdir().unwrap();
    let server = Server::start(options(folder.path()).await).await.unwrap();
    let (url, pid) = (server.url(), server.pid());
    let log = Arc::new(Log::default());
    let cancel = CancellationToken::new();
    let task = tokio::spawn({
        let (log, cancel) = (log.clone(), cancel.clone());
        async move { supervise(server, cancel, |event| log.add(&event)).await }
    });

    let (context, _) = stream(&url).await;
    context.publish("kept.1", "x".into()).await.unwrap().await.unwrap();
    send(pid, Signal::KILL);
    eventually("running again", || log.lines().iter().any(|line| line.contains("runs again"))).await;
    let lines = log.lines();
    assert!(lines[0].contains("died (signal: 9"), "{lines:?}");
    assert_eq!(lines[1], "starting nats-server again in 200 ms");

    let (_, mut stream) = stream(&url).await;
    assert_eq!(stream.info().await.unwrap().state.messages, 1);
    cancel.cancel();
    task.await.unwrap().unwrap();
    assert!(is_free(folder.path()));
}

#[tokio::test]
async fn nobody_else_gets_the_store_while_it_waits_to_be_started_again() {
    let folder = tempdir().unwrap();
    let options = options(folder.path()).await;
    let mut server = Server::start(options.clone()).await.unwrap();
    send(server.pid(), Signal::KILL);
    server.exited().await;

    let lock_wait = Duration::from_millis(100);
    let other = Server::start(Options { lock_wait, ..options }).await;
    assert_eq!(other.unwrap_err().code(), "store_in_use");
    let again = server.restart().await.unwrap();
    assert_eq!((again.port(), again.pid() == server.pid()), (server.port(), false));
    again.stop(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test]
async fn a_failed_restart_is_reported_and_tried_again() {
    let folder = tempdir().unwrap();
    let server = Server::start(options(folder.path()).await).await.unwrap();
    let log = Arc::new(Log::default());
    let cancel = CancellationToken::new();
    let (port, pid) = (server.port(), server.pid());
    let thief = Mutex::new(None);
    let report = {
        let log = log.clone();
        move |event: Event| {
            log.add(&event);
            // The port is taken after the death, and given back after the first failure.
            *thief.lock().unwrap() = match event {
                Event::Died { .. } => Some(TcpListener::bind(("127.0.0.1", port)).unwrap()),
                Event::Restarting { .. } => return,
                _ => None,
            };
        }
    };
    let task = tokio::spawn(supervise(server, cancel.clone(), report));
    send(pid, Signal::KILL);
    eventually("running again", || log.lines().iter().any(|line| line.contains("runs again"))).await;
    let lines = log.lines();
    assert!(lines[2].contains("in use by another process"), "{lines:?}");
    assert_eq!(lines[3], "starting nats-server again in 400 ms");
    cancel.cancel();
    task.await.unwrap().unwrap();
}
