//! Serving many clients over HTTP, at `/mcp`. Only loopback names are answered unless others are given, whatever address is listened
//! at: a page in somebody's browser that has its own name point here is refused. It never serves anything but the protocol.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    Server,
    gate::{Gate, LARGEST, bounded},
    wire::{LocalSessionManager, Session, SessionConfig, StreamableHttpServerConfig, StreamableHttpService},
};

/// For how long a session may say nothing before it is dropped. It is longer than any call waits, since a call that waits may say
/// nothing either.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// How long calls that are under way may take to return what they have, once told to end, before their sessions are closed.
const LINGER: Duration = Duration::from_secs(1);

/// How long connections may take to close after that.
const DRAIN: Duration = Duration::from_secs(5);

/// A listener, and by which names it is known.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    hosts: Vec<String>,
}

impl Door {
    /// Listens. `hosts`: names by which clients may call it beside the loopback ones, as in `bus.example.org`.
    ///
    /// # Errors
    /// The address cannot be listened at.
    pub async fn open(address: SocketAddr, hosts: &[String]) -> io::Result<Self> {
        let loopback = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let hosts = loopback.into_iter().chain(hosts.iter().cloned()).collect();
        Ok(Self { listener: TcpListener::bind(address).await?, hosts })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` fires, and then lets what is under way end, for some seconds at most.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn serve(self, server: Arc<impl Server>, stop: CancellationToken) -> io::Result<()> {
        let (sessions, closing) = (sessions(), CancellationToken::new());
        // However it ends, no session outlives it.
        let _closing = closing.clone().drop_guard();
        let origins = self.hosts.iter().flat_map(|host| [format!("http://{host}:*"), format!("https://{host}:*")]);
        let config = StreamableHttpServerConfig::default()
            .with_allowed_hosts(self.hosts.clone())
            .with_allowed_origins(origins)
            .with_max_request_body_bytes(LARGEST)
            .with_cancellation_token(closing.clone());
        let service = StreamableHttpService::new(move || Ok(Session::new(server.clone())), sessions.clone(), config);
        let app = Router::new().route_service("/mcp", service).layer(middleware::from_fn_with_state(Gate::new(sessions), bounded));
        let serving = axum::serve(self.listener, app).with_graceful_shutdown(stop.clone().cancelled_owned()).into_future();
        let overdue = async {
            stop.cancelled().await;
            // Sessions end by themselves only when their clients leave.
            tokio::time::sleep(LINGER).await;
            closing.cancel();
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            served = serving => served,
            () = overdue => Ok(()),
        }
    }
}

fn sessions() -> Arc<LocalSessionManager> {
    let mut sessions = LocalSessionManager::default();
    let mut config = SessionConfig::default();
    config.keep_alive = Some(IDLE);
    sessions.session_config = config;
    Arc::new(sessions)
}
