//! Connecting: one connection, under one name, to one space.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::{ConnectOptions, jetstream};
use protocol::{Name, Space};

use crate::{Error, Kind};

/// How long to wait for an answer of the server or of a coordinator.
pub(crate) const ANSWER: Duration = Duration::from_secs(5);

/// The oldest server that the design was proved on.
const OLDEST: (i64, i64, i64) = (2, 12, 3);

/// Where and as whom to connect.
#[derive(Clone, Debug)]
pub struct Options {
    /// One server or several, separated by commas.
    pub url: String,
    /// Who connects. Answers come only to inboxes under this name.
    pub name: Name,
    /// The bus.
    pub space: Space,
    /// A credentials file (JWT and seed).
    pub creds: Option<PathBuf>,
    /// A file of root certificates to trust.
    pub tls_ca: Option<PathBuf>,
    /// A client certificate and its key.
    pub tls_client: Option<(PathBuf, PathBuf)>,
    /// How long the first connecting may take. Default 5 s.
    pub timeout: Duration,
}

impl Options {
    /// Connects to `url` as `name`, to the default space, without credentials.
    #[must_use]
    pub fn new(url: impl Into<String>, name: Name) -> Self {
        Self { url: url.into(), name, space: Space::default(), creds: None, tls_ca: None, tls_client: None, timeout: ANSWER }
    }
}

/// A connection. Cloning is cheap; all clones share one socket, which reconnects by itself.
#[derive(Clone)]
pub struct Connection {
    pub(crate) client: async_nats::Client,
    pub(crate) js: jetstream::Context,
    names: Arc<(Space, Name)>,
    /// Set when we close it ourselves, so that its end is no news.
    closing: Arc<AtomicBool>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("space", self.space()).field("name", self.name()).finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects, and checks that the server can carry a bus.
    ///
    /// # Errors
    /// `unavailable`, `forbidden`, `server_unfit`, or `usage` for a file or URL that does not work.
    pub async fn open(options: Options) -> Result<Self, Error> {
        let closing = Arc::new(AtomicBool::new(false));
        let connect = connect_options(&options, closing.clone()).await?.connect(&options.url);
        let client = tokio::time::timeout(options.timeout, connect)
            .await
            .map_err(|_| Error::new(Kind::Unavailable, format!("no connection to {} within {:?}", options.url, options.timeout)))?
            .map_err(|error| refused(&options.url, &error))?;
        let info = client.server_info();
        let (major, minor, patch) = OLDEST;
        if !client.is_server_compatible(major, minor, patch) {
            let detail = format!("{} runs nats-server {}; {major}.{minor}.{patch} or newer is needed", options.url, info.version);
            return Err(Error::new(Kind::ServerUnfit, detail));
        }
        if !info.jetstream {
            return Err(Error::new(Kind::ServerUnfit, format!("{} runs without JetStream", options.url)));
        }
        let js = jetstream::context::ContextBuilder::new().timeout(ANSWER).ack_timeout(ANSWER).max_ack_inflight(8192).build(client.clone());
        Ok(Self { client, js, names: Arc::new((options.space, options.name)), closing })
    }

    /// The bus that the connection belongs to.
    #[must_use]
    pub fn space(&self) -> &Space {
        &self.names.0
    }

    /// As whom it is connected.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.names.1
    }

    /// The largest payload that the server takes, in bytes.
    #[must_use]
    pub fn max_payload(&self) -> usize {
        self.client.max_payload()
    }

    /// Whether the connection stands at this moment.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// The server's version.
    #[must_use]
    pub fn server_version(&self) -> String {
        self.client.server_info().version
    }

    /// Sends what is buffered and closes the connection. Waits 5 s at most.
    pub async fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        let _ = tokio::time::timeout(ANSWER, self.client.drain()).await;
    }
}

async fn connect_options(options: &Options, closing: Arc<AtomicBool>) -> Result<ConnectOptions, Error> {
    let me = options.name.token();
    let mut connect = ConnectOptions::new()
        .name(format!("agentbus {}", options.name))
        .custom_inbox_prefix(format!("_INBOX.{me}"))
        .connection_timeout(options.timeout)
        .request_timeout(Some(ANSWER))
        // The library's default takes minutes to notice a frozen server.
        .ping_interval(Duration::from_secs(5))
        .reconnect_delay_callback(|attempt| Duration::from_millis((50 << attempt.min(5)) as u64))
        .event_callback(move |event| {
            let closing = closing.load(Ordering::Relaxed);
            async move { told(&event, closing) }
        });
    if let Some(creds) = &options.creds {
        connect =
            connect.credentials_file(creds).await.map_err(|error| Error::new(Kind::Usage, format!("{}: {error}", creds.display())))?;
    }
    if let Some(ca) = &options.tls_ca {
        connect = connect.add_root_certificates(ca.clone()).require_tls(true);
    }
    if let Some((cert, key)) = &options.tls_client {
        connect = connect.add_client_certificate(cert.clone(), key.clone()).require_tls(true);
    }
    Ok(connect)
}

/// Logs what happens to a connection.
fn told(event: &async_nats::Event, closing: bool) {
    match event {
        async_nats::Event::SlowConsumer(_) => tracing::warn!("messages were dropped: a subscription is read too slowly"),
        async_nats::Event::Disconnected if !closing => tracing::warn!("the connection to NATS is lost; connecting again"),
        async_nats::Event::ServerError(_) | async_nats::Event::LameDuckMode => tracing::warn!(%event, "NATS"),
        _ => tracing::debug!(%event, "NATS"),
    }
}

fn refused(url: &str, error: &async_nats::ConnectError) -> Error {
    use async_nats::ConnectErrorKind as Connect;
    let kind = match error.kind() {
        Connect::Authentication | Connect::AuthorizationViolation => Kind::Forbidden,
        Connect::ServerParse | Connect::Tls => Kind::Usage,
        _ => Kind::Unavailable,
    };
    Error::new(kind, format!("{url}: {error}"))
}
