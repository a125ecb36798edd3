//! The guard as the process it is: this test program runs itself again in two roles.
//!
//! With `ROLE` unset, as in a normal run, the two role functions do nothing.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::tempdir;

use super::{eventually, is_free, options};
use crate::server::config::read_pid;
use crate::server::run::send;
use crate::server::{Guard, Options, Server, guard};

const ROLE: &str = "AGENTBUS_TEST_ROLE";
const DATA: &str = "AGENTBUS_TEST_DATA";

fn in_role(role: &str) -> bool {
    std::env::var(ROLE).is_ok_and(|value| value == role)
}

/// The arguments with which this program runs one of its test functions.
fn only(function: &str) -> [String; 3] {
    ["--exact".into(), "--nocapture".into(), format!("server::tests::guard::{function}")]
}

/// Runs `env` first, to tell the guard its role.
fn this_program_as_guard() -> Guard {
    let role = [format!("{ROLE}=guard"), std::env::current_exe().unwrap().to_str().unwrap().to_owned()];
    let args = role.into_iter().chain(only("guard_role")).chain(["--".into()]);
    Guard { program: "env".into(), args: args.map(Into::into).collect() }
}

async fn guarded(data: &Path) -> Server {
    Server::start(Options { guard: Some(this_program_as_guard()), ..options(data).await }).await.unwrap()
}

#[tokio::test]
async fn guard_role() {
    if in_role("guard") {
        let args = std::env::args_os().skip_while(|arg| arg != "--").skip(1);
        #[expect(clippy::disallowed_methods, reason = "this process plays the guard; no test of it may go on")]
        std::process::exit(guard::run(args).await.map_or(70, |_| 0));
    }
}

/// A bus that starts a guarded server and then lives until it is killed.
#[tokio::test]
async fn owner_role() {
    if in_role("owner") {
        let data = std::env::var_os(DATA).unwrap();
        let server = guarded(Path::new(&data)).await;
        let started = Path::new(&data).join("started");
        std::fs::write(started.with_extension("new"), server.guard_pid().unwrap().to_string()).unwrap();
        std::fs::rename(started.with_extension("new"), started).unwrap();
        std::future::pending::<()>().await;
    }
}

fn ended_by_itself(data: &Path) -> bool {
    std::fs::read_to_string(data.join("server.log")).unwrap().contains("Server Exiting")
}

/// A bus in a process of its own, and the process id of its guard.
async fn other_bus(data: &Path) -> (Child, u32) {
    let mut bus = Command::new(std::env::current_exe().unwrap());
    bus.args(only("owner_role")).env(ROLE, "owner").env(DATA, data).stdout(Stdio::null());
    let bus = bus.spawn().unwrap();
    let started = data.join("started");
    eventually("started", || started.exists()).await;
    (bus, read_pid(&started).unwrap())
}

fn kill(mut bus: Child) {
    bus.kill().unwrap();
    bus.wait().unwrap();
}

#[tokio::test]
async fn when_the_bus_is_killed_its_server_ends_in_good_order() {
    let folder = tempdir().unwrap();
    let (bus, _) = other_bus(folder.path()).await;
    assert!(!is_free(folder.path()));
    kill(bus);
    eventually("the store is free", || is_free(folder.path())).await;
    assert!(ended_by_itself(folder.path()));
}

#[tokio::test]
async fn when_bus_and_guard_are_killed_the_next_bus_ends_the_server_they_left() {
    let folder = tempdir().unwrap();
    let (bus, guard_pid) = other_bus(folder.path()).await;
    let left = read_pid(&folder.path().join("server.pid")).unwrap();
    send(guard_pid, Signal::KILL);
    kill(bus);
    assert!(!is_free(folder.path()));

    let next = guarded(folder.path()).await;
    assert_ne!(next.pid(), left);
    assert!(ended_by_itself(folder.path()));
    next.stop(guard::GRACE).await.unwrap();
}

#[tokio::test]
async fn a_dropped_server_ends_in_good_order() {
    let folder = tempdir().unwrap();
    drop(guarded(folder.path()).await);
    eventually("the store is free", || is_free(folder.path())).await;
    assert!(ended_by_itself(folder.path()));
}

#[tokio::test]
async fn a_guarded_server_stops_on_request() {
    let folder = tempdir().unwrap();
    guarded(folder.path()).await.stop(guard::GRACE).await.unwrap();
    assert!(is_free(folder.path()));
    assert!(ended_by_itself(folder.path()));
}

#[tokio::test]
async fn when_the_server_is_killed_its_guard_ends_and_frees_the_store() {
    let folder = tempdir().unwrap();
    let mut server = guarded(folder.path()).await;
    send(server.pid(), Signal::KILL);
    server.exited().await;
    assert!(is_free(folder.path()));
}

#[tokio::test]
async fn when_the_guard_is_killed_the_server_is_ended_too() {
    let folder = tempdir().unwrap();
    let mut server = guarded(folder.path()).await;
    send(server.guard_pid().unwrap(), Signal::KILL);
    assert!(server.exited().await.contains("guard was killed"));
    eventually("the store is free", || is_free(folder.path())).await;
    assert!(ended_by_itself(folder.path()));
}

#[tokio::test]
async fn a_frozen_server_is_killed_by_the_guard() {
    let folder = tempdir().unwrap();
    let server = guarded(folder.path()).await;
    send(server.pid(), Signal::STOP);
    drop(server);
    eventually("the store is free", || is_free(folder.path())).await;
    assert!(!ended_by_itself(folder.path()));
}

#[tokio::test]
async fn a_guarded_server_that_does_not_start_is_ended() {
    let folder = tempdir().unwrap();
    let program = super::script(&folder.path().join("mute"), "exec tail -f /dev/null");
    let guard = Some(this_program_as_guard());
    let ready_within = Duration::from_millis(500);
    let error = Server::start(Options { guard, ready_within, ..Options::new(program, folder.path()) }).await;
    assert_eq!(error.unwrap_err().code(), "server_not_started");
    eventually("the store is free", || is_free(folder.path())).await;
}

#[test]
fn a_guard_started_by_hand_refuses() {
    let Guard { program, args } = this_program_as_guard();
    let mut by_hand = Command::new(program);
    let status = by_hand.args(args).arg("true").stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(70));
}
