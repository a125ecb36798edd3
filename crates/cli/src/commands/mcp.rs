//! `agentbus mcp`: a session of Claude Code, Codex or any other MCP client sits at the bus as one agent. Standard output belongs
//! to the protocol; it starts without a bus, and goes on without one.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use agentbus::{Name, Problem};
use clap::Args;
use gateway::{
    bus::{Find, Seat, Station},
    mcp::{self, http::Door},
};
use tokio_util::sync::CancellationToken;

use crate::{
    bus,
    failure::{Exit, Failure},
    options::Global,
    printer, supervisor,
};

/// Options of `mcp`.
#[derive(Debug, Args)]
pub(crate) struct Mcp {
    /// The agent's name: the session asks and answers under it
    #[arg(long = "as", value_name = "NAME", env = "AGENTBUS_NAME", hide_env_values = true)]
    name: Name,
    /// What the agent is for; others see it once the session serves
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    describe: String,
    /// A request type that it answers, as in review_*; may be given several times
    #[arg(long, value_name = "TYPE")]
    answers: Vec<String>,
    /// Serve over HTTP at this address, under /mcp, instead of standard input and output
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<String>,
    /// A name by which clients may call it over HTTP beside localhost; may be given several times
    #[arg(long, value_name = "HOST", requires = "http")]
    host: Vec<String>,
}

impl Mcp {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let find = finder(global.clone(), self.name.clone());
        let station = Station { name: self.name, description: self.describe, answers: self.answers };
        let (stop, leaving) = (CancellationToken::new(), CancellationToken::new());
        let door = match self.http {
            Some(address) => Some(open(&address, &self.host, &station.name).await?),
            None => None,
        };
        let told = super::told_to_stop();
        let seat = Seat::new(station, find, leaving.clone());
        let serving = serve(seat.clone(), door, stop.clone(), leaving.clone());
        let mut serving = std::pin::pin!(serving);
        let served = tokio::select! {
            served = &mut serving => served,
            told = told => {
                told?;
                // Calls that wait return what they have, and only then is there nothing more to say.
                leaving.cancel();
                stop.cancel();
                serving.await
            }
        };
        supervisor::stopping();
        seat.leave().await;
        served?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn serve(seat: Arc<Seat>, door: Option<Door>, stop: CancellationToken, leaving: CancellationToken) -> Result<(), Failure> {
    supervisor::ready();
    match door {
        Some(door) => door.serve(seat, stop).await?,
        None => mcp::stdio(seat, stop, leaving).await?,
    }
    Ok(())
}

/// Listens, and says where. Whoever gets through speaks as the agent, so an address that others reach wants a word more.
async fn open(address: &str, hosts: &[String], name: &Name) -> Result<Door, Failure> {
    let wrong = |why: String| Failure::usage("usage", format!("'{address}' cannot be listened at: {why}"));
    let resolved = address.to_socket_addrs().map_err(|error| wrong(error.to_string()))?.next();
    let resolved: SocketAddr = resolved.ok_or_else(|| wrong("it is no address".to_owned()))?;
    if !resolved.ip().is_loopback() && hosts.is_empty() {
        let failure = Failure::usage("usage", format!("others can reach {resolved}, and whoever does speaks as {name}"));
        return Err(failure.hint("Put a proxy before it that knows who may, and name the host by which clients call it: --host NAME"));
    }
    let taken = |error: std::io::Error| Failure::new(Exit::Unreachable, "listen", format!("{resolved} cannot be listened at: {error}"));
    let door = Door::open(resolved, hosts).await.map_err(taken)?;
    printer::data(format!("serving MCP as {name} at http://{}/mcp", door.address()?));
    Ok(door)
}

/// Says where the bus is whenever there is no connection: it may start later, and elsewhere. Where one was found before, the
/// mere default is no place to go to: it may be another project's bus.
fn finder(global: Global, name: Name) -> Find {
    let found = AtomicBool::new(false);
    Box::new(move || {
        let place = bus::find(&global).map_err(Failure::into_problem)?;
        if !place.is_guess() {
            found.store(true, Ordering::Relaxed);
        } else if found.load(Ordering::Relaxed) {
            let gone = Problem::new("unavailable", "the bus that was here has stopped");
            return Err(gone.hint("Start it with 'agentbus up' and call again: this server connects by itself."));
        }
        bus::at(&global, place, name.clone()).map_err(Failure::into_problem)
    })
}
