//! A real nats-server for one test, in a folder of its own, gone when dropped.

use nats::server::{Finder, Fsync, Options, Port, Server};
use tempfile::TempDir;

/// A running nats-server with JetStream.
#[derive(Debug)]
pub struct NatsServer {
    server: Server,
    _folder: TempDir,
}

impl NatsServer {
    /// Starts one on a free port. Fails the test if none can be had.
    ///
    /// # Panics
    /// When no nats-server can be found, fetched or started.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let found = Finder::from_env().find_or_fetch(|_| {}).await.expect("a nats-server");
        let mut options = Options::new(found.path, folder.path().join("nats"));
        options.fsync = Fsync::Every(std::time::Duration::from_secs(120));
        options.port = Port::Exactly(free_port());
        let server = Server::start(options).await.expect("the nats-server starts");
        Self { server, _folder: folder }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Starts it again on the same port and store, as after a crash.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self) {
        self.server = self.server.restart().await.expect("the nats-server starts again");
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
