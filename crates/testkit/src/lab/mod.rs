//! A laboratory: a server, coordinators, agent hosts and clients as processes of their own, each of which
//! can be killed, frozen or cut off while the others work.
//!
//! Everything that they write is kept in one folder, which is the evidence. Whatever happens to a test, no
//! process outlives its laboratory. Next: `plan`, `gather` (the evidence), `crate::faults`.

mod gather;
mod plan;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

pub use plan::Plan;

use crate::{Node, Part, Plain, Process, Proxy, binary, faults::Site, process::send};

/// The agents that every host runs: `worker` does what it is told; `staller` is given up when it reports
/// nothing for a second.
const AGENTS: [(&str, &str); 2] = [("worker", ""), ("staller", "  stall: 1s\n")];

/// A part and the network that it has for itself.
pub struct Placed {
    /// The process.
    pub part: Part,
    /// Its network, where it has one of its own.
    pub net: Option<Proxy>,
}

/// The parts that run together, and what they leave.
pub struct Lab {
    /// The server, unless the plan names another.
    node: Option<Node>,
    /// The coordinators.
    pub coordinators: Vec<Placed>,
    /// The agent hosts.
    pub hosts: Vec<Placed>,
    /// The clients.
    pub clients: Vec<Placed>,
    /// The durable subscriber to progress.
    pub watcher: Option<Placed>,
    plan: Plan,
    // Last, so that it is removed when everything in it has ended.
    folder: TempDir,
}

impl std::fmt::Debug for Lab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lab").field("folder", &self.folder.path()).finish_non_exhaustive()
    }
}

impl Lab {
    /// Starts everything, and returns when the agents are known to the coordinators.
    ///
    /// # Panics
    /// When a part does not start.
    pub async fn start(plan: Plan) -> Self {
        let folder = tempfile::Builder::new().prefix("lab-").tempdir().expect("a temporary folder");
        let program = nats::server::Finder::from_env().find_or_fetch(|_| {}).await.expect("a nats-server").path;
        let at = folder.path();
        let store = plan.store.clone().unwrap_or_else(|| at.join("store"));
        let node = plan.elsewhere.is_none().then(|| Node::start(&program, &at.join("server"), &store, plan.sync, &plan.settings));
        let mut lab = Self { node, coordinators: Vec::new(), hosts: Vec::new(), clients: Vec::new(), watcher: None, plan, folder };
        lab.write_agents();
        for _ in 0..lab.plan.coordinators {
            lab.add_coordinator();
        }
        if lab.plan.watched {
            lab.add_watcher();
        }
        for _ in 0..lab.plan.hosts {
            lab.add_host();
        }
        lab
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Its server.
    ///
    /// # Panics
    /// When the plan names servers elsewhere: then they are not this laboratory's to break.
    pub const fn node(&mut self) -> &mut Node {
        self.node.as_mut().expect("a server of its own")
    }

    /// Where its server listens, or its servers, separated by commas.
    #[must_use]
    pub fn url(&self) -> String {
        self.node.as_ref().map(Node::url).or_else(|| self.plan.elsewhere.clone()).unwrap_or_default()
    }

    /// What a script needs to know of it.
    #[must_use]
    pub fn site(&self) -> Site {
        Site { url: self.url(), port: self.node.as_ref().map_or(0, Node::port) }
    }

    /// A network for one part, where the plan wants that.
    fn net(&self) -> Option<Proxy> {
        self.node.as_ref().filter(|_| self.plan.proxied).map(|node| Proxy::start(node.port()))
    }

    /// A connection past all proxies, made as soon as the server takes it.
    pub async fn plain(&self, me: &str) -> Plain {
        Plain::patiently(&self.url(), me).await
    }

    fn program(&self, name: &str) -> PathBuf {
        self.plan.binaries.as_ref().map_or_else(|| binary(name), |folder| folder.join(name))
    }

    fn write_agents(&self) {
        let (program, log) = (self.program("testkit"), self.works());
        let (capacity, lease) = (self.plan.capacity, &self.plan.lease);
        fs::create_dir_all(self.path().join("site/agents")).expect("a folder for the agents");
        for (name, more) in AGENTS {
            let text = format!(
                "---\nname: {name}\ndescription: Does what it is told.\nbus:\n  handler: exec\n  capacity: {capacity}\n  lease: {lease}\n{more}  \
                 command: [{}, work, --log, {}]\n---\n",
                program.display(),
                log.display()
            );
            fs::write(self.path().join(format!("site/agents/{name}.md")), text).expect("a definition");
        }
        let trusted = Process::run(self.agentbus().args(["trust", "."]));
        assert_eq!(trusted.code, Some(0), "{trusted:?}");
    }

    /// Where the workers write.
    #[must_use]
    pub fn works(&self) -> PathBuf {
        self.path().join("works.jsonl")
    }

    /// The binary under test, in the folder of the agents.
    #[must_use]
    pub fn agentbus(&self) -> Command {
        agentbus(&self.program("agentbus"), self.path())
    }

    /// The same, speaking to this laboratory's server.
    #[must_use]
    pub fn agentbus_here(&self, words: &[&str]) -> Command {
        let mut command = self.agentbus();
        command.args(words).args(["--nats", &self.url()]);
        command
    }

    /// Which binary the next of several runs, where there are so many already.
    fn version(&self, before: usize) -> PathBuf {
        self.plan.old.clone().filter(|_| before % 2 == 1).unwrap_or_else(|| self.program("agentbus"))
    }

    /// A part that runs this binary.
    fn part(&self, name: &str, program: PathBuf, ready: &str, words: &[&str]) -> Placed {
        let net = self.net();
        let url = net.as_ref().map_or_else(|| self.url(), Proxy::url);
        let (folder, without) = (self.path().to_owned(), self.plan.without);
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).chain(["--nats".to_owned(), url]).collect();
        let part = Part::new(name, self.path(), ready, move || {
            let mut command = agentbus(&program, &folder);
            command.args(&words).envs(without.map(|safeguard| ("AGENTBUS_WITHOUT", safeguard)));
            command
        });
        Placed { part, net }
    }

    /// One more coordinator.
    pub fn add_coordinator(&mut self) {
        let mut words = vec!["serve", "coordinator"];
        let options = self.plan.coordinator_options.clone();
        words.extend(options.iter().map(String::as_str));
        let name = format!("coordinator-{}", self.coordinators.len() + 1);
        let mut placed = self.part(&name, self.version(self.coordinators.len()), "serves the bus", &words);
        placed.part.start_ready();
        self.coordinators.push(placed);
    }

    /// One more agent host.
    pub fn add_host(&mut self) {
        let name = format!("host-{}", self.hosts.len() + 1);
        let mut placed = self.part(&name, self.version(self.hosts.len()), "agents;", &["serve", "agents", "--agents", "agents"]);
        placed.part.start_ready();
        self.hosts.push(placed);
    }

    fn add_watcher(&mut self) {
        let mut placed =
            self.part("watcher", self.program("agentbus"), "watching;", &["watch", "--json", "--kind", "progress", "--durable", "lab"]);
        placed.part.start();
        self.watcher = Some(placed);
    }

    /// One more client, with these options beside the usual ones.
    pub fn add_client(&mut self, options: &[&str]) {
        let name = format!("client-{}", self.clients.len() + 1);
        let net = self.net();
        let url = net.as_ref().map_or_else(|| self.url(), Proxy::url);
        let (program, log) = (self.program("testkit"), self.path().join(format!("{name}.jsonl")));
        let until = self.path().join("until");
        let mut words: Vec<String> = ["client", "--nats", &url, "--name", &name].map(str::to_owned).to_vec();
        words.extend(options.iter().map(|option| (*option).to_owned()));
        let mut part = Part::new(&name, self.path(), "", move || {
            let mut command = Command::new(&program);
            command.args(&words).arg("--log").arg(&log).arg("--until").arg(&until);
            command
        });
        part.start();
        self.clients.push(Placed { part, net });
    }

    /// Every part but the clients.
    pub fn parts(&mut self) -> impl Iterator<Item = &mut Placed> {
        self.coordinators.iter_mut().chain(&mut self.hosts).chain(&mut self.watcher)
    }

    /// Starts what has ended, as a supervisor does, and does not wait.
    pub fn supervise(&mut self) {
        for placed in self.parts() {
            placed.part.start();
        }
    }

    /// Undoes every fault: what is cut off is connected, what is frozen thaws, what is dead is started.
    ///
    /// # Panics
    /// When a part does not start again.
    pub fn heal(&mut self) {
        if let Some(node) = &mut self.node {
            node.part().cont();
            if !node.part().is_running() {
                node.restart();
            }
        }
        for placed in self.coordinators.iter_mut().chain(&mut self.hosts).chain(&mut self.watcher).chain(&mut self.clients) {
            if let Some(net) = &placed.net {
                net.mend();
            }
            placed.part.cont();
        }
        self.supervise();
        for placed in self.coordinators.iter_mut().chain(&mut self.hosts) {
            placed.part.until_ready();
        }
    }

    /// Keeps the evidence, and says where.
    #[must_use]
    pub fn keep(&mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.path().to_owned()
    }

    /// Ends commands that outlived their host: it was killed.
    fn end_orphans(&self) {
        let log = self.works();
        for line in crate::checker::lines(&log) {
            let Some(pid) = line["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()) else { continue };
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&command).contains(&*log.to_string_lossy()) {
                let _ = send(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let kept = self.keep();
            crate::long::tell(&format!("the evidence is in {}", kept.display()));
        }
        for placed in self.clients.iter_mut().chain(&mut self.hosts).chain(&mut self.coordinators).chain(&mut self.watcher) {
            placed.part.kill();
        }
        if let Some(node) = &mut self.node {
            node.part().kill();
        }
        self.end_orphans();
    }
}

/// The binary in the agents' folder, with a record of trust that is the laboratory's own.
fn agentbus(program: &Path, folder: &Path) -> Command {
    let mut command = crate::process::plain(program, &folder.join("site"));
    command.env("AGENTBUS_TRUST", folder.join("trust.json"));
    command
}
