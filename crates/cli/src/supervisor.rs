//! What a service supervisor (systemd, `Type=notify`) is told: that the service is ready, and that
//! it is stopping. Without one nothing happens.
//!
//! A datagram to the socket that `NOTIFY_SOCKET` names, as sd_notify(3) describes it.

use std::{
    io,
    os::{linux::net::SocketAddrExt, unix::net},
};

/// Work is taken from now on.
pub(crate) fn ready() {
    tell("READY=1");
}

/// What is in hand is finished, and then the process ends.
pub(crate) fn stopping() {
    tell("STOPPING=1");
}

fn tell(state: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else { return };
    if let Err(error) = send(&socket.to_string_lossy(), state) {
        tracing::warn!(%error, state, "the supervisor was not told");
    }
}

fn send(socket: &str, state: &str) -> io::Result<()> {
    // A leading @ stands for a name in the abstract namespace.
    let address = match socket.strip_prefix('@') {
        Some(name) => net::SocketAddr::from_abstract_name(name)?,
        None => net::SocketAddr::from_pathname(socket)?,
    };
    net::UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn a_supervisor_hears_it_on_either_kind_of_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("agentbus-test-{}", std::process::id());
        let filed = net::UnixDatagram::bind(&path).unwrap();
        let hidden = net::UnixDatagram::bind_addr(&net::SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (socket, at) in [(filed, path.to_string_lossy().into_owned()), (hidden, format!("@{name}"))] {
            send(&at, "READY=1").unwrap();
            let mut heard = [0; 64];
            let length = socket.recv(&mut heard).unwrap();
            assert_eq!(&heard[..length], b"READY=1");
        }
    }
}
