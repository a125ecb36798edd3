//! The agents of a folder as running services: each definition with the handler that it names.

use std::{path::PathBuf, sync::Arc, time::Duration};

use agentbus::{Agent, Bus, Error, Name, Serving};
use futures::future::join_all;
use roster::{Definition, Handler};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::context::Library;

/// Agents that are being served by this process.
#[derive(Debug)]
pub struct Staff {
    serving: Vec<(Name, Handler, Serving)>,
    left_out: Vec<(Name, Handler)>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Where the agents' facts come from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The repository that the built-in inspectors look at.
    pub workdir: PathBuf,
    /// Who signs what they find.
    pub observer: Name,
}

impl Staff {
    /// Serves every definition whose handler there is. Returns when each can be handed work.
    ///
    /// # Errors
    /// `no_ledger`, `unavailable`.
    pub async fn start(bus: &Bus, definitions: &[Definition], sources: Sources) -> Result<Self, Error> {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let library = Library::open(bus, sources.workdir, sources.observer, &tasks, stop.clone()).await?;
        let mut staff = Self { serving: Vec::new(), left_out: Vec::new(), tasks, stop };
        for definition in definitions {
            let (name, handler) = (definition.name.clone(), definition.bus.handler());
            match handler {
                Handler::Context => {
                    let serving = serve_context(bus, definition, library.clone()).await?;
                    staff.serving.push((name, handler, serving));
                }
                _ => staff.left_out.push((name, handler)),
            }
        }
        Ok(staff)
    }

    /// Returns when a coordinator knows of every agent.
    pub async fn known(&mut self) {
        join_all(self.serving.iter_mut().map(|(_, _, serving)| serving.known())).await;
    }

    /// The agents that are served, each with its handler.
    pub fn serving(&self) -> impl Iterator<Item = (&Name, Handler)> {
        self.serving.iter().map(|(name, handler, _)| (name, *handler))
    }

    /// The agents whose handler this version does not have.
    #[must_use]
    pub fn left_out(&self) -> &[(Name, Handler)] {
        &self.left_out
    }

    /// Lets every agent finish what it has in hand, but no longer than `grace`, and stops.
    pub async fn drain(self, grace: Duration) {
        join_all(self.serving.into_iter().map(|(_, _, serving)| serving.drain(grace))).await;
        self.stop.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(Duration::from_secs(5), self.tasks.wait()).await;
    }
}

async fn serve_context(bus: &Bus, definition: &Definition, library: Arc<Library>) -> Result<Serving, Error> {
    let agent = Agent::with_card(definition.card()).capacity(definition.bus.capacity()).lease(definition.bus.lease());
    bus.serve(agent, move |task| {
        let library = library.clone();
        async move { library.answer(task).await }
    })
    .await
}
