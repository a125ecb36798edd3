//! How a server says no: at the door (credentials, certificates), and later (permissions).
//!
//! Owns the reading of the client library's errors into kinds that a user can act on. A refused
//! permission arrives as an event beside the operation that it ends, and would else be a time-out.

use std::{error::Error as StdError, io};

use async_nats::{
    ConnectError, ConnectErrorKind as Connect, ServerError,
    rustls::{self, AlertDescription as Alert, CertificateError as Certificate},
};
use tokio::sync::watch;

use crate::{Error, Kind};

/// Why no connection came about. `tls`: whether it had to be a TLS one.
pub(crate) fn at_the_door(url: &str, tls: bool, error: &ConnectError) -> Error {
    let tls_says = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>().map(explain));
    let server_says = causes(error).find_map(|cause| cause.downcast_ref::<ServerError>());
    let (kind, detail) = match (error.kind(), tls_says, server_says) {
        (_, Some(detail), _) => (Kind::Tls, detail),
        (Connect::Authentication | Connect::AuthorizationViolation, ..) => (Kind::Auth, error.to_string()),
        (_, _, Some(ServerError::Other(text))) if text.to_lowercase().contains("authentication") => (Kind::Auth, text.clone()),
        (Connect::Tls, ..) => (Kind::Tls, error.to_string()),
        (Connect::ServerParse, ..) => (Kind::Usage, error.to_string()),
        // A server that refuses a certificate may hang up before its reason arrives.
        (Connect::Io, ..) if tls && hung_up(error) => {
            (Kind::Tls, "the server hung up during the handshake; it may want another client certificate".to_owned())
        }
        _ => (Kind::Unavailable, error.to_string()),
    };
    Error::new(kind, format!("{url}: {detail}"))
}

/// An error and everything beneath it. An I/O error hides its own cause from `source`.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source())
    })
}

fn hung_up(error: &ConnectError) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let kind = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>().map(io::Error::kind));
    // The library reports a plain end of the connection as a text.
    kind.is_none_or(|kind| matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof))
}

fn explain(error: &rustls::Error) -> String {
    let why = match error {
        rustls::Error::InvalidCertificate(Certificate::UnknownIssuer | Certificate::BadSignature) => {
            "the server's certificate is signed by an authority that is not trusted here; name it with --tls-ca"
        }
        rustls::Error::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            "the server's certificate has expired, or the clock of this machine is wrong"
        }
        rustls::Error::InvalidCertificate(Certificate::NotValidForName | Certificate::NotValidForNameContext { .. }) => {
            "the server's certificate is for another name than the one in its address"
        }
        rustls::Error::AlertReceived(Alert::CertificateRequired) => {
            "the server wants a client certificate; name one with --tls-cert and --tls-key"
        }
        rustls::Error::AlertReceived(_) => "the server does not accept the client certificate",
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS at this address",
        _ => return error.to_string(),
    };
    format!("{why} ({error})")
}

/// What the server has last refused this connection to publish or to subscribe to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals(watch::Sender<String>);

impl Refusals {
    /// Keeps a permission that was refused; other events are none of ours.
    pub(crate) fn note(&self, error: &ServerError) {
        if let ServerError::Other(text) = error
            && text.to_lowercase().contains("permissions violation")
        {
            self.0.send_replace(text.clone());
        }
    }

    /// What was said of this subject, if it was the last to be refused.
    pub(crate) fn of(&self, subject: &str) -> Option<Error> {
        let said = self.0.borrow();
        said.contains(&format!("\"{subject}\"")).then(|| Error::new(Kind::Forbidden, &*said))
    }

    /// Returns when this subject is refused.
    pub(crate) async fn wait_for(&self, subject: &str) -> Error {
        let mut said = self.0.subscribe();
        loop {
            if let Some(refused) = self.of(subject) {
                return refused;
            }
            if said.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}
