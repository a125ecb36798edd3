//! One nats-server of a laboratory: on a port and a store that stay the same however often it is
//! killed, frozen and started again.
//!
//! Its settings are those of the embedded server, so that what holds here holds there. For a server in a
//! test that only needs one, see `server`.

use std::{
    fs,
    io::Read,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{Part, eventually, ports::Ports};

/// How a server forces what it has acknowledged to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Before it acknowledges: what the bus runs with.
    Always,
    /// Every two minutes: the server's own default, and a negative control.
    TwoMinutes,
}

/// What the server may be asked to set aside, in bytes. It is said, so that the server does not look at its disk,
/// which is small on purpose where a disk is to get full.
const ROOM: u64 = 1 << 40;

/// A nats-server with JetStream.
#[derive(Debug)]
pub struct Node {
    part: Part,
    ports: Ports,
    folder: PathBuf,
    store: PathBuf,
    sync: Sync,
    settings: String,
}

impl Node {
    /// Starts one. Its files are in `folder`, its store in `store`; `settings` go into its configuration.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(program: &Path, folder: &Path, store: &Path, sync: Sync, settings: &str) -> Self {
        fs::create_dir_all(folder).expect("a folder for the server");
        let config = folder.join("server.conf");
        let (program, told) = (program.to_owned(), config.clone());
        let part = Part::new("nats-server", folder, "", move || {
            let mut command = Command::new(&program);
            command.arg("-c").arg(&told);
            command
        });
        let mut node =
            Self { part, ports: Ports::take(), folder: folder.to_owned(), store: store.to_owned(), sync, settings: settings.to_owned() };
        node.restart();
        node
    }

    /// Starts it again on the same port and store, and waits until it takes connections.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.configure();
        self.part.start();
        let port = self.port();
        eventually("a greeting of the server", || if greets(port) { Ok(()) } else { Err(self.log()) });
    }

    /// The store is elsewhere from the next start on: as after a power cut, when the disk is what is left.
    pub fn move_store(&mut self, store: &Path) {
        self.store = store.to_owned();
    }

    fn configure(&self) {
        let at = self.folder.display();
        let port = self.port();
        let sync = if self.sync == Sync::Always { "always" } else { "\"2m\"" };
        let text = format!(
            "server_name: \"lab\"\nhost: \"127.0.0.1\"\nport: {port}\nlog_file: \"{at}/server.log\"\n\
             no_fast_producer_stall: true\ndisable_sublist_cache: true\n\
             jetstream {{ store_dir: \"{}\", sync_interval: {sync}, max_file_store: {ROOM} }}\n{}\n",
            self.store.display(),
            self.settings
        );
        fs::write(self.folder.join("server.conf"), text).expect("the server's configuration");
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port())
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.get(0)
    }

    /// Its process.
    pub const fn part(&mut self) -> &mut Part {
        &mut self.part
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("server.log")).unwrap_or_default()
    }
}

/// Whether a server greets at this port (`INFO …`, the first thing that the protocol has).
fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut word = [0; 4];
    stream.set_read_timeout(Some(Duration::from_secs(2))).is_ok() && stream.read_exact(&mut word).is_ok() && &word == b"INFO"
}
