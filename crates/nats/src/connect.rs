//! Connecting: one connection, under one name, to one space.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::{ConnectOptions, ServerAddr, jetstream};
use protocol::{Name, Space};
use tokio::sync::watch;

use crate::{
    Error, Kind,
    address::{Addresses, public},
    refusal::{self, Refusals},
    secure,
};

/// How long to wait for an answer of the server or of a coordinator.
pub(crate) const ANSWER: Duration = Duration::from_secs(5);

/// Messages that may wait for their reader in a subscription, before any is dropped. The server sends at most 32 MiB of a
/// stream ahead: of the smallest messages, that is about 200,000.
const WAITING: usize = 1 << 18;

/// The oldest server that the design was proved on.
const OLDEST: (i64, i64, i64) = (2, 12, 3);

/// Filter directives (as `RUST_LOG` has them) for the client library: what it says of its connection, this
/// room says itself, or reports as an error.
pub const LOG_FILTER: &str = "async_nats=warn,async_nats::connector=off";

/// Where and as whom to connect. Its `Debug` leaves passwords out.
#[derive(Clone)]
pub struct Options {
    /// One server or several, separated by commas; a user may stand in it (`nats://user:password@host`,
    /// `nats://token@host`), for servers that know no credentials files. Show it as [`crate::public`] only.
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

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("url", &public(&self.url))
            .field("name", &self.name)
            .field("space", &self.space)
            .finish_non_exhaustive()
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
    pub(crate) refusals: Refusals,
    /// How often the connection has broken: what was under way then is not answered any more.
    pub(crate) breaks: watch::Sender<u64>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("space", self.space()).field("name", self.name()).finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects, and checks that the server can carry a bus and lets this name hear its answers.
    ///
    /// # Errors
    /// `auth` and `tls` where the server or its certificate is refused, `unreadable_file` before anything is
    /// sent, `forbidden` for a name that the credentials do not cover; `unavailable`, `server_unfit`, `usage`.
    pub async fn open(options: Options) -> Result<Self, Error> {
        let closing = Arc::new(AtomicBool::new(false));
        let (addresses, refusals, url) = (Addresses::parse(&options.url)?, Refusals::default(), public(&options.url));
        let breaks = watch::Sender::new(0);
        let connect = addresses.log_in(connect_options(&options, closing.clone(), refusals.clone(), breaks.clone()));
        let connect = secure::secure(&options, connect).await?;
        let tls = options.tls_ca.is_some() || options.tls_client.is_some() || addresses.servers.iter().any(ServerAddr::tls_required);
        let client = tokio::time::timeout(options.timeout, connect.connect(addresses.servers))
            .await
            .map_err(|_| Error::new(Kind::Unavailable, format!("no connection to {url} within {:?}", options.timeout)))?
            .map_err(|error| refusal::at_the_door(&url, tls, &error))?;
        let info = client.server_info();
        let (major, minor, patch) = OLDEST;
        if !client.is_server_compatible(major, minor, patch) {
            let detail = format!("{url} runs nats-server {}; {major}.{minor}.{patch} or newer is needed", info.version);
            return Err(Error::new(Kind::ServerUnfit, detail));
        }
        if !info.jetstream {
            return Err(Error::new(Kind::ServerUnfit, format!("{url} runs without JetStream")));
        }
        let js = jetstream::context::ContextBuilder::new().timeout(ANSWER).ack_timeout(ANSWER).max_ack_inflight(8192).build(client.clone());
        let connection = Self { client, js, names: Arc::new((options.space, options.name)), closing, refusals, breaks };
        // Whoever may not hear its own inbox would wait for answers in vain.
        connection.sentinel().await?;
        Ok(connection)
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

fn connect_options(options: &Options, closing: Arc<AtomicBool>, refusals: Refusals, breaks: watch::Sender<u64>) -> ConnectOptions {
    let me = options.name.token();
    ConnectOptions::new()
        .name(format!("agentbus {}", options.name))
        .custom_inbox_prefix(format!("_INBOX.{me}"))
        .connection_timeout(options.timeout)
        .subscription_capacity(WAITING)
        .request_timeout(Some(ANSWER))
        // The library's default takes minutes to notice a frozen server.
        .ping_interval(Duration::from_secs(5))
        .reconnect_delay_callback(|attempt| Duration::from_millis((50 << attempt.min(5)) as u64))
        .event_callback(move |event| {
            let closing = closing.load(Ordering::Relaxed);
            match &event {
                async_nats::Event::ServerError(error) => refusals.note(error),
                async_nats::Event::Disconnected => breaks.send_modify(|breaks| *breaks += 1),
                _ => {}
            }
            async move { told(&event, closing) }
        })
}

/// Logs what happens to a connection.
fn told(event: &async_nats::Event, closing: bool) {
    match event {
        async_nats::Event::SlowConsumer(_) => tracing::warn!("messages were dropped: a subscription is read too slowly"),
        async_nats::Event::Disconnected if !closing => tracing::warn!("the connection to NATS is lost; connecting again"),
        async_nats::Event::ClientError(async_nats::ClientError::Other(why)) if why.contains("authorization") => {
            tracing::warn!("NATS does not let us in again; trying on");
        }
        async_nats::Event::Connected => tracing::info!("connected to NATS"),
        async_nats::Event::ServerError(_) | async_nats::Event::LameDuckMode => tracing::warn!(%event, "NATS"),
        _ => tracing::debug!(%event, "NATS"),
    }
}
