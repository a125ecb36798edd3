//! What a laboratory is made of.

use std::path::PathBuf;

use crate::node::Sync;

/// How many of what, and with which settings.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Coordinators. Default 1.
    pub coordinators: usize,
    /// Agent hosts, each with an instance of every agent. Default 1.
    pub hosts: usize,
    /// How many queries an instance works on at once. Default 8.
    pub capacity: u32,
    /// The lease of the agents, as a definition has it. Default `1s`.
    pub lease: String,
    /// How the server forces writes to the disk. Default as the embedded one does.
    pub sync: Sync,
    /// Whether each part has a network of its own that can fail. Default no.
    pub proxied: bool,
    /// Where the server's store is. Default in the laboratory's own folder.
    pub store: Option<PathBuf>,
    /// Servers elsewhere, separated by commas, in place of one of its own.
    pub elsewhere: Option<String>,
    /// More settings of the server.
    pub settings: String,
    /// More options of the coordinators.
    pub coordinator_options: Vec<String>,
    /// Whether a durable subscriber to progress runs along. Default no.
    pub watched: bool,
    /// Where the binaries are. Default beside this one.
    pub binaries: Option<PathBuf>,
    /// A safeguard that the coordinators go without (`AGENTBUS_WITHOUT`): so that the checker has something to find.
    /// Default none.
    pub without: Option<&'static str>,
    /// An older binary, which every second coordinator and agent host runs. Default none.
    pub old: Option<PathBuf>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            coordinators: 1,
            hosts: 1,
            capacity: 8,
            lease: "1s".to_owned(),
            sync: Sync::Always,
            proxied: false,
            store: None,
            elsewhere: None,
            settings: String::new(),
            coordinator_options: Vec::new(),
            watched: false,
            binaries: None,
            without: None,
            old: None,
        }
    }
}

impl Plan {
    /// So many coordinators.
    #[must_use]
    pub const fn coordinators(mut self, count: usize) -> Self {
        self.coordinators = count;
        self
    }

    /// So many agent hosts.
    #[must_use]
    pub const fn hosts(mut self, count: usize) -> Self {
        self.hosts = count;
        self
    }

    /// So many queries at once for each instance.
    #[must_use]
    pub const fn capacity(mut self, count: u32) -> Self {
        self.capacity = count;
        self
    }

    /// The coordinators take these options, too.
    #[must_use]
    pub fn options(mut self, options: &[&str]) -> Self {
        self.coordinator_options = options.iter().map(|option| (*option).to_owned()).collect();
        self
    }

    /// Each part has a network of its own.
    #[must_use]
    pub const fn proxied(mut self) -> Self {
        self.proxied = true;
        self
    }

    /// The coordinators go without this safeguard.
    #[must_use]
    pub const fn without(mut self, safeguard: &'static str) -> Self {
        self.without = Some(safeguard);
        self
    }

    /// A durable subscriber to progress runs along.
    #[must_use]
    pub const fn watched(mut self) -> Self {
        self.watched = true;
        self
    }

    /// The store is here.
    #[must_use]
    pub fn store(mut self, store: PathBuf) -> Self {
        self.store = Some(store);
        self
    }
}
