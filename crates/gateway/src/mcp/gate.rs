//! How much may come in at once over HTTP: the bytes of requests that are being read, and the sessions that are opened. Who may
//! come in at all is not decided here.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, HttpBody, to_bytes},
    extract::{Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::wire::{LocalSessionManager, SESSION};

/// The most sessions at once, with requests under way that belong to none.
const SESSIONS: usize = 64;

/// The largest request, in bytes: more than any bus takes.
pub(super) const LARGEST: usize = 16 << 20;

/// How much of requests is read at once, in KiB.
const AT_ONCE: usize = 64 << 10;

/// The largest small request, in bytes. Small ones find room beside large ones that are slow.
const SMALL: usize = 64 << 10;

/// How much of small requests is read at once, in KiB.
const SMALL_AT_ONCE: usize = 16 << 10;

/// How long a request may take to come in, the wait for room included.
const COMING: Duration = Duration::from_secs(30);

/// What is on its way in.
pub(super) struct Gate {
    sessions: Arc<LocalSessionManager>,
    reading: Semaphore,
    reading_small: Semaphore,
    opening: Opening,
}

/// How many may be opening a session at this moment.
#[derive(Default)]
struct Opening(AtomicUsize);

/// A place for one more session, until it is counted as one.
struct Place<'a>(&'a Opening);

impl Gate {
    pub(super) fn new(sessions: Arc<LocalSessionManager>) -> Arc<Self> {
        let (reading, reading_small) = (Semaphore::new(AT_ONCE), Semaphore::new(SMALL_AT_ONCE));
        Arc::new(Self { sessions, reading, reading_small, opening: Opening::default() })
    }

    /// Reads a request whole, when there is room for it.
    async fn read(&self, request: Request) -> Result<Request, Response> {
        if request.method() != Method::POST {
            return Ok(request);
        }
        let until = Instant::now() + COMING;
        let (parts, body) = request.into_parts();
        // One that does not say how long it is may be as long as any.
        let length = body.size_hint().exact().map_or(LARGEST, |length| usize::try_from(length).unwrap_or(usize::MAX));
        if length > LARGEST {
            // Who is still writing hears no answer: so it is heard out, and nothing of it kept.
            let _ = timeout_at(until, body.into_data_stream().for_each(|_| async {})).await;
            return Err(too_large());
        }
        let reading = if length <= SMALL { &self.reading_small } else { &self.reading };
        let room = reading.acquire_many(u32::try_from(length.div_ceil(1 << 10).max(1)).unwrap_or(u32::MAX));
        let Ok(Ok(_room)) = timeout_at(until, room).await else {
            return Err(busy("too much is being read at once: try again later"));
        };
        match timeout_at(until, to_bytes(body, LARGEST)).await {
            Ok(Ok(bytes)) => Ok(Request::from_parts(parts, Body::from(bytes))),
            Ok(Err(_)) => Err(too_large()),
            Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the request took too long to come in").into_response()),
        }
    }
}

impl Opening {
    /// A place beside the sessions that there are, if there is one. `count` is asked once the place is taken.
    async fn take(&self, count: impl Future<Output = usize>) -> Option<Place<'_>> {
        let turn = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        let place = Place(self);
        (count.await + turn <= SESSIONS).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Lets a request in when there is room for it, and refuses another session when there are as many as there may be.
pub(super) async fn bounded(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let request = match gate.read(request).await {
        Ok(request) => request,
        Err(refused) => return refused,
    };
    if request.method() != Method::POST || request.headers().contains_key(SESSION) {
        return next.run(request).await;
    }
    let open = async { gate.sessions.sessions.read().await.len() };
    let Some(_place) = gate.opening.take(open).await else {
        return busy(&format!("there are {SESSIONS} sessions, as many as there may be: end one, or try again later"));
    };
    next.run(request).await
}

fn busy(why: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "60")], why.to_owned()).into_response()
}

fn too_large() -> Response {
    (StatusCode::PAYLOAD_TOO_LARGE, format!("a request has {LARGEST} bytes at most")).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{convert::Infallible, future::ready};

    use super::*;
    use futures::{FutureExt, stream};

    fn post(body: Body) -> Request {
        Request::post("/mcp").body(body).unwrap()
    }

    /// A request that never comes to its end and does not say how long it is.
    fn endless() -> Request {
        post(Body::from_stream(stream::pending::<Result<Vec<u8>, Infallible>>()))
    }

    #[tokio::test]
    async fn so_much_is_read_at_once_and_no_more() {
        let gate = Gate::new(Arc::default());
        let large = vec![b'x'; SMALL + 1];
        let mut reading: Vec<_> = (0..4).map(|_| Box::pin(gate.read(endless()))).collect();
        assert!(reading.iter_mut().all(|read| read.now_or_never().is_none()));
        assert_eq!(gate.reading.available_permits(), 0);
        assert!(gate.read(post(Body::from("{}"))).now_or_never().unwrap().is_ok(), "a small one finds room");
        let mut waiting = Box::pin(gate.read(post(Body::from(large.clone()))));
        assert!(waiting.as_mut().now_or_never().is_none(), "there is no room");
        drop(reading);
        let read = waiting.await.unwrap();
        assert_eq!(to_bytes(read.into_body(), LARGEST).await.unwrap(), large);
    }

    #[tokio::test]
    async fn what_is_too_large_is_refused_and_what_is_only_read_is_let_through() {
        let gate = Gate::new(Arc::default());
        let large = Body::from(vec![b'x'; LARGEST + 1]);
        assert_eq!(gate.read(post(large)).await.unwrap_err().status(), StatusCode::PAYLOAD_TOO_LARGE);
        let unsaid = Body::from_stream(stream::repeat(Ok::<_, Infallible>(vec![b'x'; 1 << 20])));
        assert_eq!(gate.read(post(unsaid)).await.unwrap_err().status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert!(gate.read(Request::get("/mcp").body(Body::empty()).unwrap()).await.is_ok());
        assert_eq!(gate.reading.available_permits(), AT_ONCE);
    }

    #[tokio::test]
    async fn a_place_is_taken_and_not_looked_at() {
        let opening = Opening::default();
        let first = opening.take(ready(SESSIONS - 1)).await;
        assert!(first.is_some());
        assert!(opening.take(ready(SESSIONS - 1)).await.is_none(), "somebody is taking it");
        drop(first);
        assert!(opening.take(ready(SESSIONS - 1)).await.is_some());
        assert!(opening.take(ready(SESSIONS)).await.is_none());
    }
}
