//! Three real nats-servers that are one cluster on this machine's loopback.
//!
//! Owns the processes, their stores and their ports; what they carry is the test's. It looks at the
//! servers through their monitoring port only, so that looking changes nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use nats::server::Finder;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{Process, eventually_async, ports::Ports};

/// How many nodes there are.
const NODES: usize = 3;

/// A cluster of three nodes, 0 to 2, with JetStream. All end when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    program: PathBuf,
    nodes: [Option<Process>; NODES],
    ports: Ports,
    // Last, so that it is removed when the servers have ended.
    folder: TempDir,
}

impl Cluster {
    /// Starts one, and returns when the three have found each other and elected who leads.
    ///
    /// # Panics
    /// When no nats-server can be found, fetched or started.
    pub async fn start() -> Self {
        let mut cluster = Self::prepare().await;
        for node in 0..NODES {
            cluster.launch(node);
        }
        cluster.settled().await;
        cluster
    }

    /// The same, but returns at once, while they are still about to elect.
    ///
    /// # Panics
    /// As [`Cluster::start`].
    pub async fn start_unsettled() -> Self {
        let mut cluster = Self::prepare().await;
        for node in 0..NODES {
            cluster.launch(node);
        }
        cluster
    }

    async fn prepare() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let found = Finder::from_env().find_or_fetch(|_| {}).await.expect("a nats-server");
        let cluster = Self { program: found.path, nodes: [const { None }; NODES], ports: Ports::take(), folder };
        for node in 0..NODES {
            fs::write(cluster.file(node, "conf"), cluster.config(node)).expect("the configuration is written");
        }
        cluster
    }

    fn config(&self, node: usize) -> String {
        let name = name(node);
        let place = self.folder.path().display();
        let routes: Vec<_> = (0..NODES).map(|other| format!("nats://127.0.0.1:{}", self.route_port(other))).collect();
        format!(
            "server_name: {name}\nlisten: \"127.0.0.1:{}\"\nhttp: \"127.0.0.1:{}\"\nlog_file: \"{place}/{name}.log\"\n\
             jetstream {{ store_dir: \"{place}/{name}\" }}\nno_fast_producer_stall: true\n\
             cluster {{ name: lab, listen: \"127.0.0.1:{}\", routes: [{}], no_advertise: true }}\n",
            self.client_port(node),
            self.monitor_port(node),
            self.route_port(node),
            routes.join(", ")
        )
    }

    fn client_port(&self, node: usize) -> u16 {
        self.ports.get(node)
    }

    fn route_port(&self, node: usize) -> u16 {
        self.ports.get(NODES + node)
    }

    fn monitor_port(&self, node: usize) -> u16 {
        self.ports.get(2 * NODES + node)
    }

    fn file(&self, node: usize, ending: &str) -> PathBuf {
        self.folder.path().join(format!("{}.{ending}", name(node)))
    }

    fn launch(&mut self, node: usize) {
        let config: &Path = &self.file(node, "conf");
        self.nodes[node] = Some(Process::start(Command::new(&self.program).arg("-c").arg(config)));
    }

    /// Every node's address, separated by commas.
    #[must_use]
    pub fn urls(&self) -> String {
        (0..NODES).map(|node| self.url(node)).collect::<Vec<_>>().join(",")
    }

    /// One node's address.
    #[must_use]
    pub fn url(&self, node: usize) -> String {
        format!("nats://127.0.0.1:{}", self.client_port(node))
    }

    /// What a node has logged: for a test that fails.
    #[must_use]
    pub fn log(&self, node: usize) -> String {
        fs::read_to_string(self.file(node, "log")).unwrap_or_default()
    }

    /// Kills a node (SIGKILL). Its store stays.
    pub fn kill(&mut self, node: usize) {
        // A process is killed and waited for when it is dropped.
        self.nodes[node] = None;
    }

    /// Freezes a node (SIGSTOP): its connections stand, and nothing comes from it. Returns when it stands still.
    ///
    /// # Panics
    /// When it does not run.
    pub fn freeze(&self, node: usize) {
        self.running(node).freeze();
    }

    /// Lets a frozen node go on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn thaw(&self, node: usize) {
        self.running(node).signal("CONT");
    }

    /// Starts a node again that was killed, with its store, at its old address. Returns at once.
    ///
    /// # Panics
    /// When it runs.
    pub fn restart(&mut self, node: usize) {
        assert!(self.nodes[node].is_none(), "{} runs", name(node));
        self.launch(node);
    }

    /// Whether a node has been started, and not been killed since.
    #[must_use]
    pub fn runs(&self, node: usize) -> bool {
        self.nodes[node].is_some()
    }

    fn running(&self, node: usize) -> &Process {
        self.nodes[node].as_ref().unwrap_or_else(|| panic!("{} does not run", name(node)))
    }

    /// Waits until somebody leads the cluster, all three belong to it, and every stream has a leader and all its
    /// copies.
    ///
    /// # Panics
    /// When it does not come about within 30 s.
    pub async fn settled(&self) {
        for node in 0..NODES {
            eventually_async("a node that is healthy and has every stream", || self.healthy(node)).await;
        }
        eventually_async("three nodes and all copies", || async {
            for node in 0..NODES {
                let seen = self.seen(node).await.ok_or("a node does not answer")?;
                let meta = &seen["meta_cluster"];
                if meta["cluster_size"] != NODES || !meta["leader"].is_string() || !streams(&seen).all(|stream| is_whole(stream, node)) {
                    return Err("not yet");
                }
            }
            Ok(())
        })
        .await;
    }

    /// Waits until a node that runs leads the whole: it is asked about what there is not.
    ///
    /// # Panics
    /// When it does not come about within 30 s.
    pub async fn led(&self) {
        eventually_async("a leader of the cluster", || async {
            for node in 0..NODES {
                let seen = self.seen(node).await.unwrap_or_default();
                if seen["meta_cluster"]["leader"] == name(node) {
                    return Ok(());
                }
            }
            Err("nobody leads it")
        })
        .await;
    }

    /// Waits until a stream has a leader among the nodes that answer, and returns which it is.
    ///
    /// # Panics
    /// When it does not come about within 30 s.
    pub async fn leader(&self, stream: &str) -> usize {
        eventually_async(&format!("a leader of {stream}"), || async {
            for node in 0..NODES {
                let Some(seen) = self.seen(node).await else { continue };
                let leads = |found: &Value| found["name"] == stream && found["cluster"]["leader"] == name(node);
                if streams(&seen).any(leads) {
                    return Ok(node);
                }
            }
            Err("nobody leads it")
        })
        .await
    }

    /// The streams that a node carries, each with how many copies it is to have.
    ///
    /// # Panics
    /// When the node does not answer.
    pub async fn copies(&self, node: usize) -> Vec<(String, u64)> {
        let seen = self.seen(node).await.expect("the node answers");
        let copies = |stream: &Value| (stream["name"].as_str().unwrap_or_default().to_owned(), stream["config"]["num_replicas"].as_u64());
        let mut all: Vec<_> = streams(&seen).map(copies).map(|(name, copies)| (name, copies.unwrap_or_default())).collect();
        all.sort();
        all
    }

    /// Whether a node is a part of the cluster and has caught up, as it says itself.
    async fn healthy(&self, node: usize) -> Result<(), String> {
        let told = self.get(node, "/healthz").await.ok_or_else(|| format!("{} does not answer: {}", name(node), self.log(node)))?;
        if told["status"] == "ok" { Ok(()) } else { Err(told.to_string()) }
    }

    async fn seen(&self, node: usize) -> Option<Value> {
        self.get(node, "/jsz?streams=true&config=true").await
    }

    /// What a node's monitoring port tells; nothing, if it does not answer at once.
    async fn get(&self, node: usize, path: &str) -> Option<Value> {
        self.nodes[node].as_ref()?;
        let asking = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.monitor_port(node))).await.ok()?;
            stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.ok()?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.ok()?;
            let begin = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
            serde_json::from_slice(&answer[begin + 4..]).ok()
        };
        tokio::time::timeout(std::time::Duration::from_secs(1), asking).await.ok()?
    }
}

fn name(node: usize) -> String {
    format!("node-{node}")
}

/// Every stream of every account, as a node tells of them.
fn streams(seen: &Value) -> impl Iterator<Item = &Value> {
    let accounts = seen["account_details"].as_array().into_iter().flatten();
    accounts.flat_map(|account| account["stream_detail"].as_array().into_iter().flatten())
}

/// Whether a stream has a leader and, where this node is it, each of the other copies is up to date.
fn is_whole(stream: &Value, node: usize) -> bool {
    let leader = &stream["cluster"]["leader"];
    let mut copies = stream["cluster"]["replicas"].as_array().into_iter().flatten();
    leader.is_string() && (*leader != name(node) || copies.all(|copy| copy["current"] == true))
}
