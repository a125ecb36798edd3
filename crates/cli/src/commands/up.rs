//! `agentbus up`: server, coordinator and agents in one process tree.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use coordinator::Coordinator;
use nats::{
    Connection,
    server::{self, Fsync, Port},
};

use crate::{
    bus,
    crew::{self, Agents, Crew, Plan},
    embedded::{self, Embedded},
    failure::{Exit, Failure},
    home::Home,
    keeping::Keeping,
    options::{self, Global},
    printer, supervisor,
};

/// How long agents may take to finish what they have in hand, once told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Where commands look for the bus of a directory.
const HOME: &str = ".agentbus";

/// Options of `up`.
#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    agents: Agents,
    /// Where the bus keeps its data
    #[arg(long, value_name = "DIR", default_value = HOME)]
    data: PathBuf,
    /// Believe what the data folder holds, though it was copied or moved here
    #[arg(long)]
    adopt: bool,
    /// Where the embedded server listens. Default: 127.0.0.1:4222, or another port if that is taken
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "nats", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Leave the agents as they are when their files change
    #[arg(long)]
    no_watch: bool,
    /// When acknowledged messages are forced to the disk: always, or this often, as in 2m
    #[arg(long, value_name = "always|DURATION", default_value = "always", value_parser = fsync)]
    fsync: FsyncArg,
    #[command(flatten)]
    keeping: Keeping,
}

/// An address, or a host's name and a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    let found = text.to_socket_addrs().map_err(|error| format!("{error}; use HOST:PORT, as in 127.0.0.1:4222"))?;
    found.into_iter().next().ok_or_else(|| "no such host".to_owned())
}

/// [`Fsync`] as it is typed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FsyncArg(pub(crate) Fsync);

pub(crate) fn fsync(text: &str) -> Result<FsyncArg, String> {
    if text == "always" {
        return Ok(FsyncArg(Fsync::Always));
    }
    let every = options::duration(text)?;
    if every < Duration::from_millis(1) {
        return Err("use 'always', or a duration of at least 1ms".to_owned());
    }
    Ok(FsyncArg(Fsync::Every(every)))
}

impl Up {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let home = Home::at(self.data.clone());
        if global.nats.is_none() {
            self.keeping.fits_one_server()?;
        }
        // What is wrong with the agents is said before anything is started.
        let plan = self.agents.plan()?;
        home.make(self.adopt)?;
        let _claim = home.claim().await?;
        let embedded = match &global.nats {
            Some(_) => None,
            None => Some(Embedded::start(self.server_options(&home).await?).await?),
        };
        let url = embedded.as_ref().map_or_else(|| global.nats.clone().unwrap_or_default(), |embedded| embedded.url.clone());
        let ran = self.serve(global, &url, &home, plan, embedded).await;
        home.release();
        ran
    }

    async fn server_options(&self, home: &Home) -> Result<server::Options, Failure> {
        let mut options = embedded::options(home).await?;
        options.fsync = self.fsync.0;
        if let Some(listen) = self.listen {
            (options.host, options.port) = (listen.ip(), Port::Exactly(listen.port()));
        }
        Ok(options)
    }

    async fn serve(&self, global: &Global, url: &str, home: &Home, plan: Plan, embedded: Option<Embedded>) -> Result<ExitCode, Failure> {
        let options = bus::options_at(global, url, agentbus::Name::coordinator())?;
        let connection = Connection::open(options).await.map_err(|error| bus::away(error, url))?;
        let server_version = connection.server_version();
        let coordinator = Coordinator::start(connection.clone(), self.keeping.options(&connection, home.path()).await?).await?;
        let options = bus::options_at(global, url, crew::host()?)?;
        let mut crew = Crew::start(&self.agents, plan, options, !self.no_watch).await?;
        home.announce(url, connection.space())?;
        let how = if embedded.is_some() { "started here" } else { "not started here" };
        printer::data(format!("agentbus {} is up", env!("CARGO_PKG_VERSION")));
        printer::data(format!("  server       nats-server {server_version} at {} ({how})", bus::shown(url)));
        printer::data(format!("  data         {}", home.path().display()));
        printer::data(format!("  coordinator  {}", coordinator.instance()));
        crew.describe();
        let stop = super::told_to_stop();
        crew.next_steps(self.data != Path::new(HOME), url);
        supervisor::ready();

        let (code, embedded) = tokio::select! {
            over = wait(embedded, stop) => over?,
            never = crew.follow() => match never {},
        };
        supervisor::stopping();
        printer::say("draining; Ctrl-C again ends it at once");
        let drained = async {
            crew.drain(GRACE).await;
            coordinator.drain().await;
            connection.close().await;
            if let Some(embedded) = embedded {
                embedded.stop().await;
            }
        };
        tokio::select! {
            () = drained => {}
            stop = super::told_to_stop() => stop?,
        }
        Ok(code)
    }
}

/// Waits until it is told to stop, or until the server cannot be kept running.
async fn wait(
    embedded: Option<Embedded>,
    stop: impl Future<Output = Result<(), Failure>>,
) -> Result<(ExitCode, Option<Embedded>), Failure> {
    let Some(mut embedded) = embedded else {
        stop.await?;
        return Ok((ExitCode::SUCCESS, None));
    };
    tokio::select! {
        stop = stop => {
            stop?;
            Ok((ExitCode::SUCCESS, Some(embedded)))
        }
        failure = embedded.failed() => {
            let _ = failure.report(false);
            Ok((ExitCode::from(Exit::Unreachable as u8), None))
        }
    }
}
