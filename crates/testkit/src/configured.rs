//! A real nats-server with settings of the test's own: users, permissions, TLS, JWT.
//!
//! Must never be told a port: the server takes a free one and says which. For a plain server with
//! a store that outlives it, see `server`.

use std::{fs, path::Path, process::Command};

use nats::server::Finder;
use serde_json::Value;
use tempfile::TempDir;

use crate::{Process, eventually_async};

/// A nats-server with JetStream and these settings. Killed when dropped.
#[derive(Debug)]
pub struct ConfiguredServer {
    process: Process,
    port: u16,
    // Last, so that it is removed when the server has ended.
    folder: TempDir,
}

impl ConfiguredServer {
    /// Starts one on 127.0.0.1, at a free port, and returns when it listens.
    ///
    /// # Panics
    /// When no nats-server can be found, fetched or started.
    pub async fn start(settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let found = Finder::from_env().find_or_fetch(|_| {}).await.expect("a nats-server");
        let place = folder.path().display();
        let config = folder.path().join("server.conf");
        let text = format!(
            "host: \"127.0.0.1\"\nport: -1\nports_file_dir: \"{place}\"\nlog_file: \"{place}/server.log\"\n\
             jetstream {{ store_dir: \"{place}\" }}\n{settings}\n"
        );
        fs::write(&config, text).expect("the configuration is written");
        let mut process = Process::start(Command::new(found.path).arg("-c").arg(config));
        let port = eventually_async("a nats-server with the test's own settings", || {
            let told = match process.ended() {
                Some(code) => panic!("the nats-server ended ({code:?}): {} {}", process.stderr(), log(folder.path())),
                None => port(folder.path()).ok_or_else(|| log(folder.path())),
            };
            std::future::ready(told)
        })
        .await;
        Self { process, port, folder }
    }

    /// Where it listens, by its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The same with a user and a password in it.
    #[must_use]
    pub fn url_for(&self, user: &str, password: &str) -> String {
        format!("nats://{user}:{password}@127.0.0.1:{}", self.port)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it has logged: for a test that fails.
    #[must_use]
    pub fn log(&self) -> String {
        log(self.folder.path())
    }
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("server.log")).unwrap_or_default()
}

/// The port that the server says it listens on, once it does.
fn port(folder: &Path) -> Option<u16> {
    let files = fs::read_dir(folder).ok()?.flatten();
    let file = files.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|ending| ending == "ports"))?;
    let ports: Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    ports["nats"][0].as_str()?.rsplit_once(':')?.1.parse().ok()
}
