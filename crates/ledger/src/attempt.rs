//! One attempt at a query, as the fold sees it.

use jiff::Timestamp;
use protocol::{
    AttemptState, InstanceId, Name,
    message::{Assign, Failure, Outcome},
};

/// One attempt: an assignment, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// Its number; numbers rise.
    pub number: u32,
    /// The agent it was given to.
    pub agent: Name,
    /// The instance it was given to.
    pub instance: InstanceId,
    /// How far it came.
    pub state: AttemptState,
    /// When the assignment was stored.
    pub assigned_at: Timestamp,
    /// When the instance first showed that it has it. Only then is the attempt spent.
    pub accepted_at: Option<Timestamp>,
    /// The lease that the instance asked for, in milliseconds.
    pub lease_ms: Option<u64>,
    /// For how long it may show no progress, in milliseconds, where the instance set a limit.
    pub stall_ms: Option<u64>,
    /// Where several agents are asked at once: until then the coordinator waits for what is open.
    pub due: Option<Timestamp>,
    /// How it ended, where an answer ended it, and when.
    pub outcome: Option<(Outcome, Timestamp)>,
    /// Why it failed, or was given up.
    pub failure: Option<Failure>,
}

impl Attempt {
    pub(crate) fn new(assign: &Assign, at: Timestamp) -> Self {
        Self {
            number: assign.attempt,
            agent: assign.agent.clone(),
            instance: assign.instance.clone(),
            state: AttemptState::Assigned,
            assigned_at: at,
            accepted_at: None,
            lease_ms: None,
            stall_ms: None,
            due: None,
            outcome: None,
            failure: None,
        }
    }

    /// Whether an instance still has it in hand.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, AttemptState::Assigned | AttemptState::Accepted | AttemptState::Working)
    }

    /// Whether it counts against the query's attempts: an instance took it, and did not give it back.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.accepted_at.is_some() && !self.is_given_back()
    }

    /// Whether the instance gave it back because it stopped.
    #[must_use]
    pub fn is_given_back(&self) -> bool {
        let code = self.failure.as_ref().map(|failure| failure.code.as_str());
        matches!(self.outcome, Some((Outcome::Retry, _))) && code == Some(Failure::GIVEN_BACK)
    }

    /// Whether it took down what ran it: it was spent, and its lease ran out, or its answer says so.
    #[must_use]
    pub fn is_crash(&self) -> bool {
        self.is_spent() && !self.is_open() && self.failure.as_ref().is_some_and(|failure| failure.crash)
    }

    /// Whether a message of this writer, attempt and instance belongs to it while it is open.
    pub(crate) fn is(&self, agent: &Name, number: u32, instance: &InstanceId) -> bool {
        self.is_open() && self.number == number && self.agent == *agent && self.instance == *instance
    }

    /// The instance has shown that it has it.
    pub(crate) fn taken(&mut self, at: Timestamp) {
        self.accepted_at.get_or_insert(at);
    }
}
