//! Agents that follow their files: a loop that waits for a change, loads everything again, and changes what
//! differs.
//!
//! It has no state but the crew's, and may be dropped wherever it waits: whoever is served then is drained with
//! the crew. Next: `plan.rs` for what is kept, `handlers::Staff::apply` for how one takes another's place.

use std::{convert::Infallible, time::Duration};

use agentbus::Name;
use handlers::Changes;

use super::{Crew, watch::Watch};
use crate::{commands::trust, failure::Failure, printer};

/// When it is looked again for something that was away.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// The pause after a change that could not be made, as while the server is away.
const AGAIN: Duration = Duration::from_secs(5);

impl Crew {
    /// Follows the files of the agents, if it is to. Never returns; drop it to end it.
    pub(crate) async fn follow(&mut self) -> Infallible {
        if self.watches
            && let Err(failure) = self.follow_files().await
        {
            printer::say("warning: changes of the agents' files are not followed");
            let _ = failure.report(false);
        }
        std::future::pending().await
    }

    async fn follow_files(&mut self) -> Result<Infallible, Failure> {
        let mut watch = Watch::start(&self.agents.wanted(), &[self.agents.config(), trust::record()?])?;
        loop {
            // First watched, then read: what changes in between is noticed.
            watch.renew(self.plan.definitions())?;
            self.renew_plan().await;
            let again = self.apply().await;
            watch.changed(again).await;
        }
    }

    /// Loads everything again, beside the work of the agents.
    async fn renew_plan(&mut self) {
        let mut plan = self.plan.clone();
        let renewed = tokio::task::spawn_blocking(move || {
            plan.renew();
            plan
        });
        match renewed.await {
            Ok(plan) => self.plan = plan,
            Err(error) => tracing::error!(%error, "loading the agents again broke off"),
        }
    }

    /// Makes the agents what they are to be, and says what has changed. Returns when to look again at the latest.
    async fn apply(&mut self) -> Option<Duration> {
        match self.staff.apply(self.plan.definitions()).await {
            Ok(changes) => {
                if let Some(told) = told(&changes) {
                    printer::say(told);
                }
                self.describe_left_out(&changes.left_out);
                self.plan.is_uncertain().then_some(SECOND_LOOK)
            }
            Err(error) => {
                printer::say(format!("warning: the agents cannot be changed now: {error}"));
                Some(AGAIN)
            }
        }
    }
}

/// As in `reloaded: qa-expert changed; sre started`; none where nothing has changed.
fn told(Changes { started, changed, stopped, .. }: &Changes) -> Option<String> {
    let list = |names: &[Name]| names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
    let parts = [(changed, "changed"), (started, "started"), (stopped, "stopped")].into_iter().filter(|(names, _)| !names.is_empty());
    let parts: Vec<_> = parts.map(|(names, what)| format!("{} {what}", list(names))).collect();
    (!parts.is_empty()).then(|| format!("reloaded: {}", parts.join("; ")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_says_what_has_changed() {
        let names = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let changes = Changes { changed: names(&["a", "b"]), stopped: names(&["c"]), ..Changes::default() };
        assert_eq!(told(&changes).as_deref(), Some("reloaded: a, b changed; c stopped"));
        assert_eq!(told(&Changes::default()), None);
    }
}
