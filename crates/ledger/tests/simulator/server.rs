//! What reaches the server: it is stored or refused, judged by the model, and read by coordinators.

use std::rc::Rc;

use ledger::{Appended, Entry};
use protocol::{Kind, Message, State, Verdict};

use crate::{
    event::{Event, Life, Publish},
    mutant::Mutant,
    requests::Act,
    rules::{self, Checked},
    stream::{Stored, ms},
    tally::Happening,
    world::World,
};

impl World {
    /// A message reaches the server, which stores it or refuses it.
    pub(crate) fn arrive(&mut self, publish: Publish) -> Checked {
        self.afloat -= 1;
        let fenced = !matches!(self.mutant, Some(Mutant::FenceOff));
        let admitted = publish.expect.as_ref().is_none_or(|expect| !fenced || self.stream.admits(expect));
        let outcome = if publish.refused || !admitted {
            self.tally.count(if publish.refused { Happening::RefusedFreely } else { Happening::Refused });
            let again = publish.by.is_some() && publish.draft.message.as_ref().is_some_and(|(subject, _)| subject.kind() == Kind::Query);
            if again && !publish.refused {
                self.tally.count(Happening::PartRefused);
            }
            Appended::Refused
        } else {
            let stored = self.stream.store(publish.draft, self.now);
            let by = publish.by.as_ref().map(|(life, _, read)| (*life, *read));
            self.store(&stored, by)?;
            Appended::Stored(stored.seq)
        };
        if let Some((life, key, _)) = publish.by.filter(|_| !publish.unacknowledged) {
            let at = self.now + self.delay();
            self.agenda.put(at, Event::Acked(life, key, outcome));
        }
        Ok(())
    }

    fn store(&mut self, stored: &Rc<Stored>, by: Option<(Life, u64)>) -> Checked {
        self.truths.stored(stored);
        rules::stored(self, stored, by)?;
        self.count_verdict(stored);
        self.count_family(stored);
        self.envy(stored);
        self.expect_reply(stored);
        for life in self.coordinator_lives() {
            let at = self.now + self.delay();
            self.agenda.put(at, Event::Read(life, stored.seq as usize));
        }
        Ok(())
    }

    fn count_verdict(&mut self, stored: &Stored) {
        let Some(key) = stored.entry.as_ref().and_then(Entry::key) else { return };
        let Some(truth) = self.truths.now(&key) else { return self.tally.count(Happening::Orphan) };
        if truth.end == Some(stored.seq) {
            self.tally.count(rules::happening(truth.state));
            if stored.at > ms(truth.deadline) && truth.state == State::Completed {
                self.tally.count(Happening::AnsweredPastDeadline);
            }
        }
        let what = match truth.verdicts.iter().find(|(seq, _)| *seq == stored.seq) {
            Some((_, Verdict::Duplicate)) => Happening::Duplicate,
            Some((_, Verdict::Conflict)) => Happening::Conflict,
            Some((_, Verdict::Late)) => Happening::Late,
            Some((_, Verdict::Stale)) => Happening::Stale,
            Some((_, Verdict::Premature)) => Happening::Premature,
            Some((_, Verdict::Invalid)) => Happening::Invalid,
            _ => return,
        };
        self.tally.count(what);
    }

    /// A question that is stored may get its reply.
    fn expect_reply(&mut self, stored: &Stored) {
        let Some(entry) = &stored.entry else { return };
        let (Ok(Message::Question(question)), Some(key)) = (&entry.body, entry.key()) else { return };
        self.tally.count(Happening::Waiting);
        if !self.calm && self.rng.percent(70) {
            let at = self.now + self.rng.between(10, 800);
            let reply = Act::Reply(key, entry.subject.from().clone(), question.question);
            self.agenda.put(at, Event::Act(reply));
        }
    }
}
