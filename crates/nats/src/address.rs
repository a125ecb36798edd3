//! Server addresses as a user types them: a list, with or without a user in each.
//!
//! Owns the separation of the address, which may be shown and logged, from the secret in it, which
//! never may. The client library does neither: it takes one address, and passes over the user.
//! Next: `connect`, which joins them again on the wire only.

use async_nats::{ConnectOptions, ServerAddr};

use crate::{Error, Kind};

/// What a user may write before the `@` of an address.
#[derive(Clone, PartialEq, Eq)]
enum User {
    /// `user:password@`
    Named(String, String),
    /// `token@`
    Token(String),
}

/// Addresses without secrets, and the one secret that was among them.
pub(crate) struct Addresses {
    pub(crate) servers: Vec<ServerAddr>,
    user: Option<User>,
}

impl Addresses {
    /// Reads one address or several, separated by commas. The user of the first one that names any
    /// counts for all: they are servers of one cluster.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let (mut servers, mut user) = (Vec::new(), None);
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let address: ServerAddr = part.parse().map_err(|error| unreadable(text, &error))?;
            user = user.or_else(|| user_of(&address));
            servers.push(bare(address).map_err(|error| unreadable(text, &error))?);
        }
        if servers.is_empty() {
            return Err(Error::new(Kind::Usage, "no server is named: use an address as in nats://127.0.0.1:4222"));
        }
        Ok(Self { servers, user })
    }

    /// Logs in as the user that the addresses name, if they name one.
    pub(crate) fn log_in(&self, connect: ConnectOptions) -> ConnectOptions {
        match self.user.clone() {
            Some(User::Named(user, password)) => connect.user_and_password(user, password),
            Some(User::Token(token)) => connect.token(token),
            None => connect,
        }
    }
}

/// Server addresses without users and passwords, as they may be shown and logged.
///
/// ```
/// assert_eq!(nats::public("nats://me:secret@127.0.0.1:4222,nats://b:4223"), "nats://127.0.0.1:4222,nats://b:4223");
/// ```
#[must_use]
pub fn public(url: &str) -> String {
    if !url.contains('@') {
        return url.to_owned();
    }
    // Built from what was understood: of what was not, nothing is known to be no secret.
    let shown = url.split(',').map(|part| match part.trim().parse::<ServerAddr>() {
        Ok(address) if address.host().contains(':') => format!("{}://[{}]:{}", address.scheme(), address.host(), address.port()),
        Ok(address) => format!("{}://{}:{}", address.scheme(), address.host(), address.port()),
        Err(_) => "(no address)".to_owned(),
    });
    shown.collect::<Vec<_>>().join(",")
}

fn unreadable(text: &str, error: &std::io::Error) -> Error {
    Error::new(Kind::Usage, format!("{}: {error}; use addresses as in nats://127.0.0.1:4222", public(text)))
}

fn user_of(address: &ServerAddr) -> Option<User> {
    let user = decode(address.username().unwrap_or_default());
    match address.password() {
        Some(password) => Some(User::Named(user, decode(password))),
        None if user.is_empty() => None,
        None => Some(User::Token(user)),
    }
}

fn bare(address: ServerAddr) -> std::io::Result<ServerAddr> {
    let mut url = address.into_inner();
    // Only an address without a host refuses this, and then there is no user in it either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    ServerAddr::from_url(url)
}

/// Percent-decoding (RFC 3986, section 2.1). What is no escape stays as it is.
fn decode(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let escaped = (byte == b'%').then(|| Some((digit(rest.clone().next()?)?, digit(rest.clone().nth(1)?)?))).flatten();
        match escaped {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                rest.nth(1);
            }
            None => decoded.push(byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[rstest::rstest]
    #[case("nats://me:p%40ss%2@a:1,tls://b:2", "nats://a:1,tls://b:2", "p@ss%2")]
    #[case("secret@localhost", "nats://localhost:4222", "secret")]
    #[case("nats://me:secret@[::1]:5", "nats://[::1]:5", "secret")]
    fn an_address_is_parted_from_its_secret(#[case] typed: &str, #[case] shown: &str, #[case] secret: &str) {
        let addresses = Addresses::parse(typed).unwrap();
        assert_eq!(public(typed), shown);
        let kept = match addresses.user.unwrap() {
            User::Named(user, password) => {
                assert_eq!(user, "me");
                password
            }
            User::Token(token) => token,
        };
        assert_eq!(kept, secret);
        assert!(addresses.servers.iter().all(|server| !format!("{server:?}").contains("secret")));
    }

    #[rstest::rstest]
    #[case("nats://me:sec/ret@a:1")]
    #[case("nats://me:sec,ret@a:1")]
    #[case("http://me:secret@a:1")]
    #[case("nats://me:secret@a:port")]
    fn what_cannot_be_read_is_not_repeated(#[case] typed: &str) {
        let error = Addresses::parse(typed).err().unwrap();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(!error.to_string().contains("sec") && !public(typed).contains("sec"), "{error}");
    }

    #[test]
    fn without_a_server_there_is_no_address() {
        assert_eq!(Addresses::parse(" , ").err().unwrap().kind(), Kind::Usage);
    }
}
