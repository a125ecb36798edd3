//! What arrives for a name, handed to whoever waits for it. One pair of subscriptions serves
//! every query that is asked in that name over one connection.
//!
//! Other processes may ask in the same name, and hear the same: what no reader here waits for is passed over.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use nats::{Connection, Delivery, Subscription};
use protocol::{End, Message, Name, QueryId, Subject};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::Error;

/// Letters that may wait for one query's reader. More are dropped: each of them is in the
/// ledger, and the reader looks there when it misses one.
const WAITING: usize = 256;

/// What arrives.
#[derive(Debug)]
pub(crate) enum Letter {
    /// A message for a query; it may not be in the ledger yet.
    Message(Box<(Subject, Message)>),
    /// The ledger holds the query's end.
    End(End),
}

type Boxes = Arc<Mutex<HashMap<QueryId, Vec<mpsc::Sender<Arc<Letter>>>>>>;

#[derive(Debug)]
pub(crate) struct Mailroom {
    boxes: Boxes,
}

impl Mailroom {
    pub(crate) async fn open(connection: &Connection, name: &Name, tasks: &TaskTracker, closing: CancellationToken) -> Result<Self, Error> {
        let inbox = connection.subscribe(connection.space().inbox(name)).await?;
        let ends = connection.subscribe(connection.space().ends(name)).await?;
        let boxes = Boxes::default();
        tasks.spawn(sort(connection.clone(), inbox, ends, boxes.clone(), closing));
        Ok(Self { boxes })
    }

    /// Opens a box for a query.
    pub(crate) fn open_box(&self, id: QueryId) -> Letters {
        let (sender, receiver) = mpsc::channel(WAITING);
        self.boxes.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default().push(sender);
        Letters { id, receiver, boxes: self.boxes.clone() }
    }
}

/// The box of one reader. Dropping it takes it out of the mailroom.
#[derive(Debug)]
pub(crate) struct Letters {
    id: QueryId,
    receiver: mpsc::Receiver<Arc<Letter>>,
    boxes: Boxes,
}

impl Letters {
    /// The next letter; `None` when the mailroom is closed.
    pub(crate) async fn next(&mut self) -> Option<Arc<Letter>> {
        self.receiver.recv().await
    }
}

impl Drop for Letters {
    fn drop(&mut self) {
        self.receiver.close();
        let mut boxes = self.boxes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(readers) = boxes.get_mut(&self.id) {
            readers.retain(|reader| !reader.is_closed());
            if readers.is_empty() {
                boxes.remove(&self.id);
            }
        }
    }
}

async fn sort(connection: Connection, mut inbox: Subscription, mut ends: Subscription, boxes: Boxes, closing: CancellationToken) {
    loop {
        // In this order: what was sent before an end came is in the inbox by then, and is read before it.
        let letter = tokio::select! {
            biased;
            () = closing.cancelled() => return,
            delivery = inbox.next() => match delivery {
                Some(delivery) => message(&connection, &delivery, &boxes),
                None => return,
            },
            delivery = ends.next() => match delivery {
                Some(delivery) => delivery.body::<End>("end").map(|end| (end.id, Letter::End(end))),
                None => return,
            },
        };
        if let Some((id, letter)) = letter {
            put(&boxes, id, letter);
        }
    }
}

/// The message, if somebody here waits for what is said of its query: only then is it worth reading.
fn message(connection: &Connection, delivery: &Delivery, boxes: &Boxes) -> Option<(QueryId, Letter)> {
    let id = Subject::parse(connection.space(), &delivery.subject).ok()?.id();
    if !boxes.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&id) {
        return None;
    }
    Some((id, Letter::Message(Box::new(delivery.message(connection)?))))
}

fn put(boxes: &Boxes, id: QueryId, letter: Letter) {
    let mut boxes = boxes.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(readers) = boxes.get_mut(&id) else { return };
    let letter = Arc::new(letter);
    readers.retain(|reader| match reader.try_send(letter.clone()) {
        Err(mpsc::error::TrySendError::Closed(_)) => false,
        Err(mpsc::error::TrySendError::Full(_)) => {
            tracing::debug!(%id, "a reader lags; it will look in the ledger");
            true
        }
        Ok(()) => true,
    });
    if readers.is_empty() {
        boxes.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;
    use crate::{Bus, Options, State};

    #[test]
    fn a_box_goes_with_its_last_reader() {
        let mailroom = Mailroom { boxes: Boxes::default() };
        let id = QueryId::mint();
        let (first, second) = (mailroom.open_box(id), mailroom.open_box(id));
        let boxes = || mailroom.boxes.lock().map(|boxes| boxes.get(&id).map(Vec::len)).unwrap_or_default();
        assert_eq!(boxes(), Some(2));
        drop(first);
        assert_eq!(boxes(), Some(1));
        drop(second);
        assert_eq!(boxes(), None);
    }
    async fn seq(letters: &mut Letters) -> u64 {
        match &*letters.next().await.unwrap() {
            Letter::End(end) => end.seq,
            Letter::Message(message) => panic!("{message:?}"),
        }
    }

    #[tokio::test]
    async fn agents_that_share_a_connection_get_their_own_letters() {
        let server = testkit::NatsServer::start().await;
        let host = Bus::connect(Options::new(server.url(), "agent-host".parse().unwrap())).await.unwrap();
        let names = ["mlops", "powershell-5.1-expert", "agent-host"].map(|name| name.parse::<Name>().unwrap());
        let id = QueryId::mint();
        let mut boxes = Vec::new();
        for name in &names {
            boxes.push(host.speaking_as(name).open_box(id).await.unwrap());
        }
        let end = |seq| End { id, seq, state: State::Completed, digest: "0".repeat(64) };
        // Another query of the same agent, asked by an instance elsewhere, is nothing to us.
        host.connection().end(&names[0], &End { id: QueryId::mint(), ..end(99) }).await.unwrap();
        for (at, name) in [(2, &names[2]), (1, &names[1]), (0, &names[0])] {
            host.connection().end(name, &end(at)).await.unwrap();
            host.connection().end(name, &end(at + 10)).await.unwrap();
        }
        for (at, letters) in (0..3).zip(&mut boxes) {
            assert_eq!((seq(letters).await, seq(letters).await), (at, at + 10));
        }
        let mut second = host.speaking_as(&names[1]).open_box(id).await.unwrap();
        host.connection().end(&names[1], &end(20)).await.unwrap();
        assert_eq!((seq(&mut second).await, seq(&mut boxes[1]).await), (20, 20), "both who wait for it");
        assert_eq!(host.inner.mailrooms.lock().unwrap().len(), names.len(), "one for each name, however often it asks");
    }
}
