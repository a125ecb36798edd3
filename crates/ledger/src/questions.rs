//! What an agent has asked its requester, and what has come back. Part of the fold, which says whose questions count.

use std::collections::BTreeSet;

/// The questions of a query, by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Questions {
    /// Those of the current attempt.
    asked: BTreeSet<u32>,
    /// Those of it without whose reply the agent goes on.
    waived: BTreeSet<u32>,
    /// Replies, also to questions that are not stored yet.
    replied: BTreeSet<u32>,
}

impl Questions {
    /// The next attempt begins: it asks its own. What was replied stands.
    pub(crate) fn begin_attempt(&mut self) {
        self.asked.clear();
        self.waived.clear();
    }

    /// Whether the current attempt has asked this already.
    pub(crate) fn is_asked(&self, number: u32) -> bool {
        self.asked.contains(&number)
    }

    /// The current attempt asks.
    pub(crate) fn ask(&mut self, number: u32) {
        self.asked.insert(number);
    }

    /// A reply came. Returns whether it is the first.
    pub(crate) fn reply(&mut self, number: u32) -> bool {
        self.replied.insert(number)
    }

    /// Nobody replied in time, and the agent goes on without.
    pub(crate) fn waive(&mut self, number: u32) {
        self.waived.insert(number);
    }

    /// Whether the agent waits for the reply to this one.
    pub(crate) fn is_open(&self, number: u32) -> bool {
        self.asked.contains(&number) && !self.replied.contains(&number) && !self.waived.contains(&number)
    }

    /// Whether the agent waits for any reply.
    pub(crate) fn any_open(&self) -> bool {
        self.asked.iter().any(|number| self.is_open(*number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_open_until_it_is_replied_or_waived_or_its_attempt_is_over() {
        let mut questions = Questions::default();
        for number in 1..=3 {
            questions.ask(number);
        }
        assert!(questions.reply(1) && !questions.reply(1));
        questions.waive(2);
        assert_eq!([1, 2, 3, 4].map(|number| questions.is_open(number)), [false, false, true, false]);
        assert!(questions.any_open());
        questions.begin_attempt();
        assert!(!questions.any_open());
    }

    #[test]
    fn a_reply_counts_though_its_question_comes_later() {
        let mut questions = Questions::default();
        assert!(questions.reply(1));
        questions.ask(1);
        assert!(!questions.any_open());
    }
}
