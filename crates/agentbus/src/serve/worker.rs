//! What does an instance's work: a handler, for as many queries as the agent takes; or takers, who ask for one at a time.
//!
//! The host asks it what it would take now, and what to do with a query that it was given. Never speaks to the bus.

use std::sync::Arc;

use futures::{FutureExt, future::BoxFuture};
use protocol::QueryId;
use tokio::sync::{mpsc, oneshot};

use super::{Agent, Handler, Task, work};
use crate::{
    Error,
    inbox::{self, Held},
};

/// What an instance takes, as its heartbeats say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    /// How many queries it takes at once.
    pub(crate) capacity: u32,
    /// Whether it fetches its work.
    pub(crate) pulls: bool,
    /// The one query that it takes, where it takes no other.
    pub(crate) only: Option<QueryId>,
}

/// Somebody asks for a query.
#[derive(Debug)]
pub(crate) struct Wish {
    /// Which one; `None`: the next one.
    pub(crate) only: Option<QueryId>,
    /// Where it is handed over. Closed when the taker has given up.
    pub(crate) give: oneshot::Sender<Result<Held, Error>>,
}

/// Those who ask for queries, one after another.
#[derive(Debug)]
pub(crate) struct Takers {
    wishes: mpsc::Receiver<Wish>,
    /// The one whose turn it is.
    wish: Option<Wish>,
}

/// What does the work of an instance.
pub(crate) enum Worker {
    /// A handler.
    Handler(Arc<dyn Handler>),
    /// Whoever asks for some.
    Takers(Takers),
}

impl Worker {
    /// Work for whoever sends a wish.
    pub(crate) const fn takers(wishes: mpsc::Receiver<Wish>) -> Self {
        Self::Takers(Takers { wishes, wish: None })
    }

    /// What the instance takes now, with so many in hand.
    pub(crate) fn offer(&self, agent: &Agent, held: usize) -> Offer {
        match self {
            Self::Handler(_) => Offer { capacity: agent.capacity, ..Offer::default() },
            Self::Takers(Takers { wish: None, .. }) => Offer { pulls: true, ..Offer::default() },
            Self::Takers(Takers { wish: Some(wish), .. }) => {
                Offer { capacity: u32::try_from(held).unwrap_or(u32::MAX).saturating_add(1), pulls: true, only: wish.only }
            }
        }
    }

    /// Returns when what it takes has changed of itself: somebody asks, or has given up.
    pub(crate) async fn changed(&mut self) {
        match self {
            Self::Handler(_) => std::future::pending().await,
            Self::Takers(takers) => takers.changed().await,
        }
    }

    /// What is done with a query that was given to the instance, with so many in hand before it; `None`: nothing, so
    /// that it goes to another instance, or comes again.
    pub(crate) fn attempt(&mut self, task: Task, agent: &Agent, held: usize) -> Option<BoxFuture<'static, ()>> {
        let terms = agent.terms();
        match self {
            Self::Handler(_) if held >= agent.capacity as usize => None,
            Self::Handler(handler) => Some(work::attempt(task, handler.clone(), terms).boxed()),
            Self::Takers(takers) => Some(match takers.turn(task.id()) {
                Some(wish) => inbox::hold(task, wish.give, terms).boxed(),
                // It was on its way when the taker gave up.
                None => async move { work::give_back(&task, "nobody asked for it any more").await }.boxed(),
            }),
        }
    }
}

impl Takers {
    async fn changed(&mut self) {
        match &mut self.wish {
            Some(wish) => {
                wish.give.closed().await;
                self.wish = None;
            }
            None => match self.wishes.recv().await {
                Some(wish) => self.wish = Some(wish),
                // Nobody can ask any more: the inbox is closed.
                None => std::future::pending().await,
            },
        }
    }

    /// The wish that a query fulfils.
    fn turn(&mut self, id: QueryId) -> Option<Wish> {
        self.wish.take_if(|wish| wish.only.is_none_or(|only| only == id) && !wish.give.is_closed())
    }
}
