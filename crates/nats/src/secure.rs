//! What makes a connection safe: credentials and certificates, read and checked before anything is
//! sent, so that a wrong file is named and not guessed from a failed handshake.
//!
//! Must never put a file's content into an error. Next: `refusal`, for what the server says to them.

use std::path::Path;

use async_nats::{
    ConnectOptions,
    rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{Error, Kind, Options};

/// Adds credentials and certificates to `connect`.
///
/// # Errors
/// `unreadable_file` names the file, and what is wrong with it.
pub(crate) async fn secure(options: &Options, mut connect: ConnectOptions) -> Result<ConnectOptions, Error> {
    if let Some(creds) = &options.creds {
        let text = read(creds, "--creds").await?;
        connect = String::from_utf8(text)
            .map_err(|error| std::io::Error::other(error.utf8_error()))
            .and_then(|text| connect.credentials(&text))
            .map_err(|error| unreadable(creds, "--creds", &error))?;
    }
    if let Some(ca) = &options.tls_ca {
        certificates(ca, "--tls-ca").await?;
        connect = connect.add_root_certificates(ca.clone()).require_tls(true);
    }
    if let Some((cert, key)) = &options.tls_client {
        certificates(cert, "--tls-cert").await?;
        PrivateKeyDer::from_pem_slice(&read(key, "--tls-key").await?).map_err(|error| unreadable(key, "--tls-key", &error))?;
        connect = connect.add_client_certificate(cert.clone(), key.clone()).require_tls(true);
    }
    Ok(connect)
}

async fn certificates(file: &Path, option: &str) -> Result<(), Error> {
    let text = read(file, option).await?;
    let mut all = CertificateDer::pem_slice_iter(&text).peekable();
    if all.peek().is_none() {
        return Err(unreadable(file, option, &"it holds no PEM certificate"));
    }
    all.try_for_each(|certificate| certificate.map(drop)).map_err(|error| unreadable(file, option, &error))
}

async fn read(file: &Path, option: &str) -> Result<Vec<u8>, Error> {
    tokio::fs::read(file).await.map_err(|error| unreadable(file, option, &error))
}

fn unreadable(file: &Path, option: &str, why: &dyn std::fmt::Display) -> Error {
    Error::new(Kind::UnreadableFile, format!("{option} {}: {why}", file.display()))
}
