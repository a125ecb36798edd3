//! When a started server counts as ready: it listens, and greets as a JetStream server of a good version.
//!
//! Owns the reading of the ports file and of the greeting. Must never take another process's server on the same
//! port for ours, which is why the port comes from the file that our server writes. Next: `run`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use semver::Version;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::time::MissedTickBehavior;

use super::config::{Layout, read_pid};
use super::{MIN_VERSION, Options, StartFailure};

const TICK: Duration = Duration::from_millis(20);
/// More than any greeting, in bytes.
const MAX_GREETING: u64 = 64 * 1024;

/// What a ready server has told about itself.
pub(super) struct Ready {
    pub(super) pid: u32,
    pub(super) port: u16,
    pub(super) version: Version,
}

/// Waits until the server that `child` is, or guards, is ready.
pub(super) async fn wait(child: &mut Child, layout: &Layout, options: &Options) -> Result<Ready, StartFailure> {
    let watch = async {
        tokio::select! {
            ready = poll(layout, options.host) => ready,
            status = child.wait() => Err(match status {
                Ok(status) => StartFailure::Ended(status),
                Err(error) => StartFailure::Unfit(format!("it cannot be waited for: {error}")),
            }),
        }
    };
    match tokio::time::timeout(options.ready_within, watch).await {
        Ok(outcome) => outcome,
        Err(_) => Err(StartFailure::Deadline(options.ready_within)),
    }
}

async fn poll(layout: &Layout, host: IpAddr) -> Result<Ready, StartFailure> {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let (Some(pid), Some(port)) = (read_pid(&layout.pid), listening(&layout.ports)) else {
            continue;
        };
        let Some(greeting) = greeting(reachable(host, port)).await else {
            continue;
        };
        return greeting.judge().map(|version| Ready { pid, port, version });
    }
}

/// The address at which a server that listens on `host` can be reached from this machine.
pub(super) fn reachable(host: IpAddr, port: u16) -> SocketAddr {
    let host = match host {
        IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    SocketAddr::new(host, port)
}

/// The file that the server writes into its ports folder once it listens.
#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
}

/// The port that the server says it listens on; `None` until then, and while the file is half written.
fn listening(folder: &Path) -> Option<u16> {
    let file = std::fs::read_dir(folder).ok()?.find_map(Result::ok)?;
    let ports: Ports = serde_json::from_slice(&std::fs::read(file.path()).ok()?).ok()?;
    ports.nats.first()?.rsplit_once(':')?.1.parse().ok()
}

/// What a server says first on every connection, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Greeting {
    version: String,
    #[serde(default)]
    jetstream: bool,
}

impl Greeting {
    fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line.strip_prefix("INFO ")?).ok()
    }

    fn judge(&self) -> Result<Version, StartFailure> {
        let version = Version::parse(&self.version).map_err(|_| StartFailure::Unfit(format!("its version is {:?}", self.version)))?;
        if version < MIN_VERSION {
            return Err(StartFailure::Unfit(format!("it is version {version}, and {MIN_VERSION} or later is needed")));
        }
        if !self.jetstream {
            return Err(StartFailure::Unfit("it runs without JetStream".into()));
        }
        Ok(version)
    }
}

async fn greeting(address: SocketAddr) -> Option<Greeting> {
    let stream = TcpStream::connect(address).await.ok()?;
    let mut line = String::new();
    BufReader::new(stream.take(MAX_GREETING)).read_line(&mut line).await.ok()?;
    Greeting::parse(&line)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn judged(line: &str) -> Option<Result<Version, StartFailure>> {
        Greeting::parse(line).map(|greeting| greeting.judge())
    }

    #[test]
    fn takes_a_jetstream_server_of_a_good_version_only() {
        assert!(judged("INFO {\"version\":\"2.15.1\",\"jetstream\":true}\r\n").unwrap().is_ok());
        assert!(judged("INFO {\"version\":\"2.12.2\",\"jetstream\":true}").unwrap().is_err());
        assert!(judged("INFO {\"version\":\"2.15.1\"}").unwrap().is_err());
        assert!(judged("INFO {\"version\":\"new\",\"jetstream\":true}").unwrap().is_err());
        assert!(judged("HTTP/1.1 400 Bad Request").is_none());
        assert!(judged("").is_none());
    }
}
