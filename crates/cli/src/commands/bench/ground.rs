//! What is measured: a nats-server, a coordinator and an agent, each a process of its own, on a store
//! of their own that goes with them.

use std::{process::ExitCode, time::Duration};

use agentbus::{Agent, Bus, Done, Fault, Handler, Name, Query, Task};
use clap::Args;
use futures::{
    FutureExt,
    future::{BoxFuture, ready},
};
use nats::{
    Raw,
    server::{Finder, Fsync, Guard, Options, Port, Server},
};
use tempfile::TempDir;

use super::process::Part;
use crate::{
    bus,
    commands::told_to_stop,
    failure::{Exit, Failure},
    options::Global,
    printer,
};

/// The agent that answers at once.
pub(super) const ECHO: &str = "bench-echo";

/// Where the same process answers without the bus.
pub(super) const RAW: &str = "raw.echo";

/// How many queries the agent works on at once: never what limits the load.
const CAPACITY: u32 = 4096;

/// A server with a store of its own.
pub(super) struct Ground {
    server: Server,
    _store: TempDir,
}

impl Ground {
    /// Starts a server on a port that the system gives.
    pub(super) async fn start(fsync: Fsync) -> Result<Self, Failure> {
        // Beside the bus's own data, since a temporary folder may be in memory, where nothing syncs.
        let store = tempfile::Builder::new().prefix(".agentbus-bench-").tempdir_in(".").map_err(|error| {
            let message = format!("this directory cannot be written: {error}");
            Failure::new(Exit::Unreachable, "data_dir", message).hint("Run it where the data of a bus may be kept.")
        })?;
        let found = Finder::from_env().find_or_fetch(|event| printer::say(event.to_string())).await?;
        let mut options = Options::new(found.path, store.path().join("nats"));
        options.fsync = fsync;
        options.port = Port::Prefer(0);
        options.guard = Some(Guard { program: std::env::current_exe()?, args: vec!["guard".into()] });
        let server = Server::start(options).await?;
        Ok(Self { server, _store: store })
    }

    /// Where the server listens.
    pub(super) fn url(&self) -> String {
        self.server.url()
    }

    /// The server's process id.
    pub(super) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Its version.
    pub(super) fn version(&self) -> String {
        self.server.version().to_string()
    }

    /// Starts a coordinator; returns when it has read the ledger.
    pub(super) async fn coordinator(&self) -> Result<Part, Failure> {
        Part::start(&["serve", "coordinator", "--nats", &self.url()]).await
    }

    /// Starts the agent that answers at once, with an acceptance before its answer or without; returns when the
    /// coordinator knows of it.
    pub(super) async fn agent(&self, accepts: bool) -> Result<Part, Failure> {
        let url = self.url();
        let mut args = vec!["bench", "echo", "--nats", &url];
        args.extend(accepts.then_some("--accept"));
        Part::start(&args).await
    }

    /// Ends the server, and removes its store.
    pub(super) async fn stop(self) -> Result<(), Failure> {
        Ok(self.server.stop(Duration::from_secs(5)).await?)
    }
}

/// The agent that is asked: it answers with the question.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Echo {
    /// Says that it has taken a query before it answers
    #[arg(long)]
    accept: bool,
}

impl Handler for Echo {
    fn handle(&self, task: Task) -> BoxFuture<'static, Result<Done, Fault>> {
        ready(Ok(echoed(task.query()))).boxed()
    }

    fn at_once(&self, query: &Query) -> Option<Done> {
        (!self.accept).then(|| echoed(query))
    }
}

fn echoed(query: &Query) -> Done {
    Done::new("Echoed.").result(query.payload.query.as_str().into())
}

impl Echo {
    /// Runs until it is told to stop.
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let name: Name = ECHO.parse().map_err(agentbus::Error::from)?;
        let options = bus::options(global, name.clone())?;
        let raw = Raw::connect(&options.url).await?;
        let bus = Bus::connect(options).await?;
        let mut serving = bus.serve(Agent::new(name).capacity(CAPACITY), self).await?;
        serving.known().await;
        printer::data("ready");
        tokio::select! {
            stop = told_to_stop() => stop?,
            ended = raw.echo(RAW.to_owned()) => ended?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
