//! Starting and stopping: ports, the lock, hostile paths, and servers that do not start.

use std::net::TcpListener;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::tempdir;

use super::{eventually, is_free, options, script};
use crate::server::run::send;
use crate::server::{Error, Fsync, MIN_VERSION, Options, Port, Server, StartFailure};

const GRACE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn runs_in_a_directory_with_a_hostile_name_and_stops() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("a b'\"}#\\x41$HOME é\nport: 1");
    let options = Options { fsync: Fsync::Every(Duration::from_millis(250)), ..options(&data).await };
    let server = Server::start(Options { max_store: Some(1 << 30), ..options }).await.unwrap();
    assert!(*server.version() >= MIN_VERSION);
    assert_eq!(server.url(), format!("nats://127.0.0.1:{}", server.port()));
    let client = async_nats::connect(server.url()).await.unwrap();
    let info = client.server_info();
    assert_eq!((info.server_name.as_str(), info.max_payload), ("agentbus", 1024 * 1024));
    let account = async_nats::jetstream::new(client).query_account().await.unwrap();
    assert_eq!(account.streams, 0);

    assert!(data.join("jetstream").is_dir());
    assert!(std::fs::read_to_string(server.log_path()).unwrap().contains("Max Storage:     1.00 GB"));
    server.stop(GRACE).await.unwrap();
    assert!(is_free(&data));
}

#[tokio::test]
async fn syncs_always_by_default() {
    let folder = tempdir().unwrap();
    let server = Server::start(options(folder.path()).await).await.unwrap();
    let config = std::fs::read_to_string(folder.path().join("server.conf")).unwrap();
    assert!(config.contains("sync_interval: always") && config.contains("no_fast_producer_stall: true"), "{config}");
    server.stop(GRACE).await.unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_passed_over_if_preferred_and_an_error_if_demanded() {
    let folder = tempdir().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().port();
    let options = options(folder.path()).await;

    let error = Server::start(Options { port: Port::Exactly(taken), ..options.clone() }).await.unwrap_err();
    assert!(matches!(error, Error::PortInUse(address) if address.port() == taken), "{error}");
    assert_eq!(error.code(), "port_in_use");
    assert!(error.hint().is_some());

    let server = Server::start(Options { port: Port::Prefer(taken), ..options }).await.unwrap();
    assert_ne!(server.port(), taken);
    server.stop(GRACE).await.unwrap();
}

#[tokio::test]
async fn a_port_lost_after_the_check_is_passed_over_too() {
    let folder = tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    // A server that finds its port taken by a process which came first: this one, by way of the script.
    let real = super::program().await;
    let thief = r#"grep -q "^port: -1" "$2" && exec "$REAL" "$@"
python3 -c 'import socket, sys, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("127.0.0.1", PORT)); s.listen()
open("READY", "w").close(); time.sleep(60)' > /dev/null 2>&1 < /dev/null & echo $! > "THIEF"
while [ ! -e "READY" ]; do :; done
exec "$REAL" "$@""#;
    let at = |name: &str| folder.path().join(name);
    let thief = thief
        .replace("$REAL", real.to_str().unwrap())
        .replace("PORT", &port.to_string())
        .replace("READY", at("ready").to_str().unwrap())
        .replace("THIEF", at("thief").to_str().unwrap());
    let program = script(&at("thief.sh"), &thief);
    let started = Server::start(Options { port: Port::Prefer(port), ..Options::new(program, at("data")) }).await;
    let thief: u32 = std::fs::read_to_string(at("thief")).unwrap().trim().parse().unwrap();
    send(thief, Signal::KILL);
    let server = started.unwrap();
    assert_ne!(server.port(), port);
    assert!(std::fs::read_to_string(server.log_path()).unwrap().contains("address already in use"));
    server.stop(GRACE).await.unwrap();
}

#[tokio::test]
async fn an_address_of_another_machine_cannot_be_listened_on() {
    let folder = tempdir().unwrap();
    let options = Options { host: [192, 0, 2, 1].into(), port: Port::Prefer(4222), ..options(folder.path()).await };
    let error = Server::start(options).await.unwrap_err();
    assert_eq!(error.code(), "cannot_listen", "{error}");
}

#[tokio::test]
async fn one_server_per_store_and_the_next_one_once_it_is_killed() {
    let folder = tempdir().unwrap();
    let options = options(folder.path()).await;
    let mut first = Server::start(options.clone()).await.unwrap();
    let pid = first.pid();

    let hasty = Options { lock_wait: Duration::from_millis(100), ..options.clone() };
    let error = Server::start(hasty).await.unwrap_err();
    assert!(matches!(&error, Error::StoreInUse { pid: Some(pid), .. } if *pid == std::process::id()), "{error}");
    assert_eq!(error.code(), "store_in_use");
    // The refused start has not touched the running one.
    async_nats::connect(first.url()).await.unwrap();

    send(pid, Signal::KILL);
    assert!(first.exited().await.contains("signal: 9"));
    assert!(is_free(folder.path()));
    drop(first);
    let second = Server::start(options).await.unwrap();
    assert_ne!(second.pid(), pid);
    second.stop(GRACE).await.unwrap();
}

#[tokio::test]
async fn a_frozen_server_is_killed_when_the_grace_is_over() {
    let folder = tempdir().unwrap();
    let server = Server::start(options(folder.path()).await).await.unwrap();
    send(server.pid(), Signal::STOP);
    server.stop(Duration::from_millis(200)).await.unwrap();
    assert!(is_free(folder.path()));
}

#[tokio::test]
async fn a_server_that_ends_at_once_shows_what_it_said() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("server.log"), "said in an earlier run\n").unwrap();
    let program = script(&folder.path().join("broken"), "echo 'bad luck' >&2; exit 3");
    let error = Server::start(Options::new(program, &data)).await.unwrap_err();
    assert!(matches!(error, Error::NotStarted { reason: StartFailure::Ended(_), .. }), "{error}");
    assert!(error.to_string().contains("bad luck"), "{error}");
    assert!(!error.to_string().contains("earlier run"), "{error}");
    assert!(error.hint().unwrap().contains("server.log"));
    eventually("the store is free", || is_free(&data)).await;
}

#[tokio::test]
async fn a_server_that_never_listens_is_ended() {
    let folder = tempdir().unwrap();
    let program = script(&folder.path().join("mute"), "exec tail -f /dev/null");
    let options = Options { ready_within: Duration::from_millis(200), ..Options::new(program, folder.path()) };
    let error = Server::start(options).await.unwrap_err();
    assert!(matches!(error, Error::NotStarted { reason: StartFailure::Deadline(_), .. }), "{error}");
    eventually("the store is free", || is_free(folder.path())).await;
}
