//! Delegating: what a handler asks on behalf of the query in its hands.
//!
//! The handler asks as its agent, and the coordinator judges whether it may: it alone knows who stands above whom,
//! and what is left of the budget. Nothing here decides that, and nothing needs to be cancelled here: what is asked
//! on behalf of a query ends with it.

use std::time::Duration;

use jiff::Timestamp;
use protocol::{
    Decision, Name, Presence, QueryId,
    message::{Query, Question},
};

use crate::{Asking, Bus, Error, Inquiry, Receipt, Task};

impl Task {
    /// Asks on behalf of the query in hand, and follows that. It is asked as this agent, whoever the query names,
    /// and expires no later than the query in hand. With `gather` set, it goes to several agents at once.
    ///
    /// What the coordinator refuses (a cycle, too deep, over the budget) is an ending like any other:
    /// [`State::Rejected`](crate::State::Rejected), with the reason in its close. What is asked ends as cancelled
    /// when the query in hand ends, or this attempt at it. With an id of its own it is asked once in all attempts, and
    /// a later attempt is given the ending that it had.
    ///
    /// ```
    /// use agentbus::{Done, Fault, Query, Task};
    ///
    /// async fn review(task: Task) -> Result<Done, Fault> {
    ///     let mut tests = Query::new(task.agent().clone(), "run_tests", task.text());
    ///     tests.target = Some("qa-expert".parse().map_err(agentbus::Error::from)?);
    ///     let ended = task.ask(tests).await?.ended().await?;
    ///     Ok(Done::new(format!("The tests: {}", ended.notification())))
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`Bus::post`]; [`Asking::next`] says `stopped` once the query in hand is taken away.
    pub async fn ask(&self, query: Query) -> Result<Asking, Error> {
        let asking = self.voice().ask(self.on_behalf(query)).await?;
        Ok(asking.on_behalf_of(self))
    }

    /// Posts on behalf of the query in hand, as [`Task::ask`] does, and does not follow it.
    ///
    /// # Errors
    /// As [`Bus::post`].
    pub async fn post(&self, query: Query) -> Result<Receipt, Error> {
        self.voice().post(self.on_behalf(query)).await
    }

    /// Who would answer this query if it were asked on behalf of the one in hand, and why. Sends nothing.
    ///
    /// # Errors
    /// As [`Bus::route`].
    pub async fn route(&self, query: Query) -> Result<Decision, Error> {
        self.voice().route(&self.on_behalf(query)).await
    }

    /// The agents of the bus, and which of them are live.
    ///
    /// # Errors
    /// As [`Bus::agents`].
    pub async fn agents(&self) -> Result<Vec<Presence>, Error> {
        self.voice().agents().await
    }

    /// Who stands between the first requester and what is asked by this task: that requester first, this agent last.
    #[must_use]
    pub fn path(&self) -> Vec<Name> {
        let above = &self.assignment().path;
        let first = above.is_empty().then(|| self.requester());
        first.into_iter().chain(above).chain([self.agent()]).cloned().collect()
    }

    /// Asks its own requester what an agent asks that works on its behalf, and brings the reply back. Without a reply
    /// the question stays open: that agent knows what to do then.
    pub(crate) async fn pass_on(self, bus: Bus, id: QueryId, question: Question) {
        let mut inquiry = Inquiry::new(format!("{} asks: {}", question.agent, question.text));
        inquiry.choices = question.choices.unwrap_or_default();
        inquiry.within = question.timeout_ms.map(Duration::from_millis);
        let passed = async { bus.reply(id, Some(question.question), self.question(inquiry).await?.value).await };
        match passed.await {
            Ok(number) => tracing::debug!(%id, number, "passed a reply on"),
            Err(error) => tracing::debug!(%id, %error, "no reply was passed on"),
        }
    }

    /// The bus, speaking as this agent: the connection may serve several.
    pub(crate) fn voice(&self) -> Bus {
        self.bus().speaking_as(self.agent())
    }

    fn on_behalf(&self, query: Query) -> Query {
        let latest = self.assignment().deadline;
        Query {
            requesting_agent: self.agent().clone(),
            parent: Some(self.id()),
            path: Some(self.path()),
            deadline: Some(query.deadline.map_or(latest, |at: Timestamp| at.min(latest))),
            ..query
        }
    }
}
