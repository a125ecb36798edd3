//! Serving one client over standard input and output. Nothing else may be written to standard output meanwhile.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::{
    Server,
    wire::{AsyncRwTransport, Session, serve_server_with_ct},
};

/// The longest message that is taken, in bytes: more than any bus takes.
const LONGEST: usize = 16 << 20;

/// Serves the client at the other end of standard input and output until it closes them, or `stop` fires.
/// `leaving` fires before calls that are still under way are waited for, so that they can end.
///
/// # Errors
/// What cannot be read or written, and a client that does not begin as the protocol says.
pub async fn stdio(server: Arc<impl Server>, stop: CancellationToken, leaving: CancellationToken) -> io::Result<()> {
    let input = Watched { input: tokio::io::stdin(), ended: leaving.clone() };
    let transport = AsyncRwTransport::new(input, tokio::io::stdout()).with_max_line_length(LONGEST);
    let session = match serve_server_with_ct(Session::new(server), transport, stop.clone()).await {
        Ok(session) => session,
        // A client that leaves before it has said anything has done no wrong.
        Err(_) if leaving.is_cancelled() || stop.is_cancelled() => return Ok(()),
        Err(error) => return Err(io::Error::other(error)),
    };
    let ended = session.waiting().await;
    leaving.cancel();
    ended.map(drop).map_err(io::Error::other)
}

/// Standard input, which says when it has ended.
struct Watched {
    input: tokio::io::Stdin,
    ended: CancellationToken,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.input).poll_read(context, buffer);
        let ended = matches!(read, Poll::Ready(Ok(()))) && buffer.filled().len() == before;
        if ended || matches!(read, Poll::Ready(Err(_))) {
            self.ended.cancel();
        }
        read
    }
}
