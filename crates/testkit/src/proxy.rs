//! A network that fails on command: a TCP proxy in front of a server.
//!
//! What is held stays in the sockets, as on a network that loses every packet for a while: when it flows
//! again, it flows in order. Threads of its own carry it, so that a test that blocks does not hold it up.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// How often a carrier looks whether something has changed.
const LOOK: Duration = Duration::from_millis(10);

/// What becomes of the bytes in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// They flow.
    #[default]
    Pass,
    /// Each piece is late by this much.
    Late(Duration),
    /// They come in pieces of so many bytes, one every 10 ms.
    Trickle(usize),
    /// Nothing flows, and the connection stays.
    Held,
}

#[derive(Default)]
struct State {
    /// To the server, and from it.
    flows: Mutex<[Flow; 2]>,
    /// Connections are cut, and new ones refused.
    cut: AtomicBool,
    stopped: AtomicBool,
    open: AtomicUsize,
}

impl State {
    fn flow(&self, direction: usize) -> Flow {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner).get(direction).copied().unwrap_or_default()
    }

    fn is_over(&self) -> bool {
        self.cut.load(Ordering::SeqCst) || self.stopped.load(Ordering::SeqCst)
    }
}

/// A proxy in front of a port of this machine. Its connections end with it.
pub struct Proxy {
    state: Arc<State>,
    port: u16,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 for `port`.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let own = listener.local_addr().expect("its address").port();
        listener.set_nonblocking(true).expect("a listener that can be looked at");
        let state = Arc::new(State::default());
        let kept = state.clone();
        thread::spawn(move || listen(&listener, port, &kept));
        Self { state, port: own }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Sets what becomes of bytes to the server, and from it.
    pub fn set(&self, to: Flow, from: Flow) {
        *self.state.flows.lock().unwrap_or_else(PoisonError::into_inner) = [to, from];
    }

    /// Ends every connection at once and refuses new ones, until [`Proxy::mend`].
    pub fn cut(&self) {
        self.state.cut.store(true, Ordering::SeqCst);
    }

    /// Everything flows again.
    pub fn mend(&self) {
        self.set(Flow::Pass, Flow::Pass);
        self.state.cut.store(false, Ordering::SeqCst);
    }

    /// How many connections it carries.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
    }
}

#[expect(clippy::disallowed_methods, reason = "a carrier's own thread, between two looks")]
fn pause(length: Duration) {
    thread::sleep(length);
}

fn listen(listener: &TcpListener, port: u16, state: &Arc<State>) {
    while !state.stopped.load(Ordering::SeqCst) {
        match listener.accept() {
            // Dropped at once: refused.
            Ok((client, _)) if !state.is_over() => {
                let state = state.clone();
                thread::spawn(move || carry(client, port, &state));
            }
            Ok(_) => {}
            Err(_) => pause(LOOK),
        }
    }
}

/// Carries one connection in both directions until either side ends it, or it is cut.
fn carry(client: TcpStream, port: u16, state: &Arc<State>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return };
    let ready = [&client, &server].iter().all(|stream| {
        stream.set_nonblocking(false).is_ok() && stream.set_nodelay(true).is_ok() && stream.set_read_timeout(Some(LOOK)).is_ok()
    });
    let (Ok(client_too), Ok(server_too), true) = (client.try_clone(), server.try_clone(), ready) else { return };
    state.open.fetch_add(1, Ordering::SeqCst);
    let done = Arc::new(AtomicBool::new(false));
    let (there, there_done) = (state.clone(), done.clone());
    let up = thread::spawn(move || pump(client_too, server_too, 0, &there, &there_done));
    pump(server, client, 1, state, &done);
    let _ = up.join();
    state.open.fetch_sub(1, Ordering::SeqCst);
}

fn pump(mut from: TcpStream, mut to: TcpStream, direction: usize, state: &State, done: &AtomicBool) {
    let mut bytes = [0; 16 * 1024];
    let over = || state.is_over() || done.load(Ordering::SeqCst);
    while !over() {
        let limit = match state.flow(direction) {
            // Not read: what the sender sends stays on its way.
            Flow::Held => {
                pause(LOOK);
                continue;
            }
            Flow::Trickle(limit) => limit.clamp(1, bytes.len()),
            Flow::Pass | Flow::Late(_) => bytes.len(),
        };
        let Some(room) = bytes.get_mut(..limit) else { break };
        let read = match from.read(room) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => continue,
            Err(_) => break,
        };
        match state.flow(direction) {
            Flow::Late(by) => pause(by),
            Flow::Trickle(_) => pause(LOOK),
            Flow::Held => wait_while_held(state, direction, &over),
            Flow::Pass => {}
        }
        let Some(carried) = bytes.get(..read) else { break };
        if over() || to.write_all(carried).is_err() {
            break;
        }
    }
    done.store(true, Ordering::SeqCst);
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

fn wait_while_held(state: &State, direction: usize, over: &impl Fn() -> bool) {
    while state.flow(direction) == Flow::Held && !over() {
        pause(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually;

    /// A port that answers each byte with itself.
    fn echo() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let (mut reader, mut writer) = (stream.try_clone().expect("a clone"), stream);
                    std::io::copy(&mut reader, &mut writer)
                });
            }
        });
        port
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", proxy.port)).expect("the proxy listens");
        stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a deadline");
        stream
    }

    fn ask(stream: &mut TcpStream) -> bool {
        let mut back = [0; 5];
        stream.write_all(b"hello").is_ok() && stream.read_exact(&mut back).is_ok() && &back == b"hello"
    }

    #[test]
    fn what_is_held_comes_later_and_what_is_cut_never() {
        let proxy = Proxy::start(echo());
        let mut stream = connect(&proxy);
        assert!(ask(&mut stream));
        for (to, from) in [(Flow::Held, Flow::Pass), (Flow::Pass, Flow::Held), (Flow::Held, Flow::Held)] {
            proxy.set(to, from);
            // What a carrier is just reading may slip through: the first word is only to fill it.
            let _ = ask(&mut stream);
            assert!(!ask(&mut stream), "nothing flows: {to:?} {from:?}");
            proxy.mend();
            stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a deadline");
            let mut rest = [0; 5];
            stream.read_exact(&mut rest).expect("what was held comes in the end");
            stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a deadline");
            while stream.read_exact(&mut rest).is_ok() {}
        }
        proxy.cut();
        eventually("the end of the connection", || if ask(&mut stream) { Err(()) } else { Ok(()) });
        eventually("no connection", || if proxy.connections() == 0 { Ok(()) } else { Err(proxy.connections()) });
        assert!(!ask(&mut connect(&proxy)));
        proxy.mend();
        assert!(ask(&mut connect(&proxy)));
        proxy.set(Flow::Trickle(1), Flow::Late(Duration::from_millis(20)));
        let mut slow = connect(&proxy);
        slow.set_read_timeout(Some(Duration::from_secs(5))).expect("a deadline");
        let begun = std::time::Instant::now();
        assert!(ask(&mut slow) && begun.elapsed() > Duration::from_millis(50), "{:?}", begun.elapsed());
    }
}
