//! The finder and the runner with real processes: stand-in scripts where a program misbehaves, and a real
//! nats-server everywhere else. A test that cannot get one fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod fetch;
mod find;
mod guard;
mod run;
mod supervise;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::{Event, Finder, Options, Port};

/// A real nats-server.
async fn program() -> PathBuf {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    let find = || async { Finder::from_env().find_or_fetch(|_| {}).await.expect("these tests need a nats-server").path };
    PROGRAM.get_or_init(find).await.clone()
}

/// A real nats-server on any free port.
async fn options(data: &Path) -> Options {
    Options { port: Port::Prefer(0), ..Options::new(program().await, data) }
}

/// Writes a shell script. A child process writes it, since a file that any process has open for writing cannot be
/// run, and other tests' child processes would inherit it from this one for a moment.
fn script(path: &Path, body: &str) -> PathBuf {
    let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$0" && chmod 755 "$0""#;
    assert!(Command::new("sh").arg("-c").arg(write).arg(path).arg(body).status().unwrap().success());
    path.to_owned()
}

/// Waits until `condition` holds; fails after 20 s.
async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    let wait = async {
        while !condition() {
            tick.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("never came true: {what}"));
}

/// Whether no server uses this data directory.
fn is_free(data: &Path) -> bool {
    File::options().write(true).open(data.join("server.lock")).unwrap().try_lock().is_ok()
}

/// Collects events as they are shown to people.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    fn add(&self, event: &Event) {
        self.0.lock().unwrap().push(event.to_string());
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}
