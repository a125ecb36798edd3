//! What has been gathered for one query, and the answer that is made of it.
//!
//! Owns the bounds: whatever the parts say, the whole is an answer that readers can read and the server takes.
//! When it is made is said in `gather.rs`.

use std::collections::HashMap;

use protocol::{
    Message, Name, QueryId, State,
    message::{Answer, Asked, Failure, Gather, Outcome, Part, Until},
    schema,
};

use super::gather::part_key;
use crate::{Attempt, Book, Entry, Fold, whole::is_settled};

/// Which share of the largest body results and facts of all parts may take up together: with 1 MiB, about 256 KiB.
const SHARE: usize = 4;

/// How much of a delivery notification is kept of a part whose result is left out, in characters.
const SHORTENED: usize = 200;

/// After so many tries the ledger is not expected to take an answer.
const TRIES: usize = 10;

/// What has been gathered for one query.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Gathering {
    pub(super) parts: Vec<Asked>,
    ended: HashMap<QueryId, Part>,
    bytes: usize,
    /// How often an answer was sent.
    tried: usize,
}

impl Gathering {
    /// Nothing yet.
    pub(super) fn of(parts: &[Asked]) -> Self {
        Self { parts: parts.to_vec(), ..Self::default() }
    }

    /// A part has ended with this entry. `largest`: the largest body that a message can have, in bytes.
    pub(super) fn add(&mut self, asked: &Asked, state: State, entry: &Entry, largest: usize) {
        let mut part = ended(asked, state, entry);
        let bytes = serde_json::to_string(&part).map_or(usize::MAX, |text| text.len());
        if self.bytes.saturating_add(bytes) > largest / SHARE || !is_readable(&part) {
            let said = part.result.is_some() || part.usage.is_some();
            part.omitted |= said || !part.facts.is_empty() || !part.unknown.is_empty();
            (part.result, part.usage, part.facts, part.unknown) = (None, None, Vec::new(), Vec::new());
            part.delivery = part.delivery.map(shortened);
            part.failure = part.failure.map(|failure| Failure::new(&failure.code, shortened(failure.message)));
        } else {
            self.bytes += bytes;
        }
        self.ended.insert(part.id, part);
    }

    /// An answer is sent.
    pub(super) const fn send(&mut self) {
        self.tried += 1;
    }

    /// Whether an answer was sent so often that something must be wrong with it.
    pub(super) const fn is_unanswerable(&self) -> bool {
        self.tried >= TRIES
    }

    /// The part of this id.
    pub(super) fn part(&self, id: QueryId) -> Option<&Asked> {
        self.parts.iter().find(|asked| asked.id == id)
    }

    /// Whether it can be answered, given how many answers it waits for.
    pub(super) fn is_settled(&self, until: Until) -> bool {
        let completed = self.ended.values().filter(|part| part.state == State::Completed).count();
        is_settled(until, completed, self.parts.len().saturating_sub(self.ended.len()))
    }

    /// The answer of the whole as things stand. If that is more than a message can hold, without anything but the
    /// parts' names and states; none if even that is.
    pub(super) fn answer(&self, gather: &Gather, attempt: &Attempt, book: &Book, largest: usize) -> Option<Answer> {
        let full = whole(gather, attempt, self.stand(book));
        if fits(&full, largest) {
            return Some(full);
        }
        let bare = whole(gather, attempt, full.parts.into_iter().map(bare).collect());
        Some(bare).filter(|bare| fits(bare, largest))
    }

    /// Every part as it stands, in the order in which they were chosen.
    fn stand(&self, book: &Book) -> Vec<Part> {
        let stands = |asked: &Asked| {
            let stored = book.get(&part_key(asked.id)).map(Fold::state);
            let failure = stored.is_none().then(|| Failure::new("not_asked", "It was settled before this agent was asked."));
            let open = || Part { failure, ..blank(asked, stored.unwrap_or(State::Posted)) };
            self.ended.get(&asked.id).cloned().unwrap_or_else(open)
        };
        self.parts.iter().map(stands).collect()
    }
}

/// Whether readers will read an answer that quotes it.
fn is_readable(part: &Part) -> bool {
    let attempt = serde_json::json!({
        "agent": Name::coordinator(), "attempt": 1, "instance": "gather", "outcome": "completed", "delivery": "So.", "parts": [part],
    });
    schema::check_body("answer", &attempt).is_ok()
}

/// Whether it is an answer that can be stored and read.
fn fits(answer: &Answer, largest: usize) -> bool {
    let message = Message::Answer(Box::new(answer.clone()));
    message.to_bytes().len() <= largest && schema::check_body("answer", &message.to_value()).is_ok()
}

/// A part of which only its name, its state and the code of its failure are left.
fn bare(part: Part) -> Part {
    let asked = Asked { id: part.id, agent: part.agent };
    let failure = part.failure.map(|failure| Failure::new(&failure.code, "See its own record."));
    let omitted = part.omitted || part.delivery.is_some();
    Part { outcome: part.outcome, failure, omitted, ..blank(&asked, part.state) }
}

pub(super) fn blank(asked: &Asked, state: State) -> Part {
    Part {
        agent: asked.agent.clone(),
        id: asked.id,
        state,
        outcome: None,
        delivery: None,
        result: None,
        facts: Vec::new(),
        unknown: Vec::new(),
        usage: None,
        failure: None,
        omitted: false,
    }
}

/// A part by the message that ended it.
fn ended(asked: &Asked, state: State, entry: &Entry) -> Part {
    let part = blank(asked, state);
    match &entry.body {
        Ok(Message::Answer(answer)) => Part {
            outcome: Some(answer.outcome),
            delivery: Some(answer.delivery.clone()),
            result: answer.result.clone(),
            facts: answer.facts.clone(),
            unknown: answer.unknown.clone(),
            usage: answer.usage.clone(),
            failure: answer.failure.clone(),
            omitted: answer.result_at.is_some() || !answer.attachments.is_empty(),
            ..part
        },
        Ok(Message::Close(close)) => {
            Part { delivery: Some(close.message.clone()), failure: Some(Failure::new(&close.code, close.message.clone())), ..part }
        }
        _ => part,
    }
}

/// The answer of the whole.
fn whole(gather: &Gather, attempt: &Attempt, parts: Vec<Part>) -> Answer {
    let completed = parts.iter().filter(|part| part.state == State::Completed).count();
    let needed = gather.until().needed();
    let delivery = delivered(completed, &parts);
    let failure = (completed < needed)
        .then(|| Failure::new("gather_unmet", format!("{completed} of {} parts completed, and {needed} had to.", parts.len())));
    Answer {
        agent: Name::coordinator(),
        attempt: attempt.number,
        instance: attempt.instance.clone(),
        outcome: if failure.is_none() { Outcome::Completed } else { Outcome::Failed },
        delivery,
        result: None,
        result_at: None,
        attachments: Vec::new(),
        facts: Vec::new(),
        unknown: Vec::new(),
        parts,
        usage: None,
        failure,
        extra: protocol::Extra::new(),
    }
}

/// The delivery notification of the whole names each part that did not complete.
fn delivered(completed: usize, parts: &[Part]) -> String {
    let mut text = format!("{completed} of {} parts completed.", parts.len());
    for part in parts.iter().filter(|part| part.state != State::Completed) {
        let why = match &part.failure {
            Some(failure) => format!("{} ({})", part.state, failure.code),
            None => format!("had not answered ({})", part.state),
        };
        text.push_str(&format!(" {}: {why}.", part.agent));
    }
    text
}

fn shortened(text: String) -> String {
    if text.chars().nth(SHORTENED).is_none() { text } else { text.chars().take(SHORTENED).chain(['…']).collect() }
}
