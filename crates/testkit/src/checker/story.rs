//! One query as its stored messages tell it, by a naive reading of the rules: the first valid ending in
//! ledger order counts, and only the agent, instance and attempt of the current assignment may speak for it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Entry;
use crate::time;

/// A deadline where the query names none, in milliseconds.
const TEN_MINUTES: u64 = 600_000;

/// How a query ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) seq: u64,
    pub(super) state: String,
    /// The text of the answer's result.
    pub(super) text: Option<String>,
    /// Whether words go with it.
    pub(super) notified: bool,
}

/// Something in a query's messages that may not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Odd(pub(super) &'static str, pub(super) String);

/// The attempt that is in somebody's hands.
#[derive(Clone, Debug)]
struct Current {
    attempt: u64,
    agent: String,
    instance: Value,
    open: bool,
}

/// One query of one requester.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) id: String,
    pub(super) query_seq: u64,
    /// Where the same query stands again, after its end.
    pub(super) again: Vec<u64>,
    /// How often it was stored with the same content before its end.
    pub(super) stored: usize,
    /// Each attempt's number, in the order in which they were assigned.
    pub(super) assigned: Vec<u64>,
    /// How many attempts somebody showed to have taken.
    pub(super) taken: Vec<u64>,
    pub(super) end: Option<End>,
    pub(super) odd: Vec<Odd>,
    /// The query on whose behalf it was asked, as it says itself.
    pub(super) parent: Option<String>,
    /// The ids of the parts that the last assignment lists, where several agents are asked at once.
    pub(super) listed: Vec<String>,
    /// The parts of the answer that ended it: id and state.
    pub(super) gathered: Vec<(String, String)>,
    deadline_ms: u64,
    content: (String, Option<Value>),
    current: Option<Current>,
    cancelled: bool,
    closed: bool,
}

/// Every query by its id: the first requester owns it. Messages under no query are left out.
pub(super) fn stories(entries: &[Entry]) -> BTreeMap<String, Vec<Story>> {
    let mut all: BTreeMap<String, BTreeMap<String, Story>> = BTreeMap::new();
    for entry in entries {
        let of_id = all.entry(entry.id.clone()).or_default();
        let requester = match entry.kind.as_str() {
            "query" | "assign" | "close" | "cancel" | "reply" => &entry.from,
            _ => &entry.to,
        };
        match of_id.get_mut(requester) {
            Some(story) => story.tell(entry),
            None if entry.kind == "query" => drop(of_id.insert(requester.clone(), Story::begin(entry))),
            None => {}
        }
    }
    let sorted = |of_id: BTreeMap<String, Story>| {
        let mut stories: Vec<_> = of_id.into_values().collect();
        stories.sort_by_key(|story| story.query_seq);
        stories
    };
    all.into_iter().map(|(id, of_id)| (id, sorted(of_id))).filter(|(_, stories)| !stories.is_empty()).collect()
}

impl Story {
    fn begin(entry: &Entry) -> Self {
        let body = entry.body.clone().unwrap_or_default();
        let named = body["deadline"].as_str().and_then(time::parse_ms);
        let lasts = body["timeout_ms"].as_u64().unwrap_or(TEN_MINUTES);
        Self {
            id: entry.id.clone(),
            query_seq: entry.seq,
            again: Vec::new(),
            stored: 1,
            assigned: Vec::new(),
            taken: Vec::new(),
            end: None,
            odd: Vec::new(),
            parent: body["parent"].as_str().map(str::to_owned),
            listed: Vec::new(),
            gathered: Vec::new(),
            deadline_ms: named.unwrap_or_else(|| entry.time_ms.saturating_add(lasts)),
            content: (entry.to.clone(), entry.body.clone()),
            current: None,
            cancelled: false,
            closed: false,
        }
    }

    /// Whether its requester cancelled it.
    pub(super) const fn was_cancelled(&self) -> bool {
        self.cancelled
    }

    fn tell(&mut self, entry: &Entry) {
        let body = entry.body.clone().unwrap_or_default();
        match entry.kind.as_str() {
            // After the end it may come again: the guard that keeps it out goes to the archive with the record.
            "query" if self.content != (entry.to.clone(), entry.body.clone()) => {}
            "query" if self.end.is_some() => self.again.push(entry.seq),
            "query" => self.stored += 1,
            "assign" => self.assign(entry, &body),
            "cancel" if self.end.is_none() && body["requesting_agent"].is_string() => self.cancelled = true,
            "accept" | "progress" | "question" => {
                let _ = self.works(entry, &body);
            }
            "answer" => self.answer(entry, &body),
            "close" => self.close(entry, &body),
            _ => {}
        }
    }

    fn assign(&mut self, entry: &Entry, body: &Value) {
        let Some(attempt) = body["attempt"].as_u64() else { return };
        // Assignment and close exclude each other in the store; an answer may come between.
        if self.closed {
            self.odd.push(Odd("I3", format!("attempt {attempt} was assigned at {} after the close", entry.seq)));
        }
        if self.assigned.last().is_some_and(|last| attempt <= *last) {
            self.odd.push(Odd("I3", format!("attempt {attempt} was assigned at {} after {:?}", entry.seq, self.assigned)));
            return;
        }
        self.assigned.push(attempt);
        self.listed = parts(body).map(|part| word(part, "id")).collect();
        if self.end.is_none() {
            let agent = body["agent"].as_str().unwrap_or_default().to_owned();
            self.current = Some(Current { attempt, agent, instance: body["instance"].clone(), open: true });
        }
    }

    /// Whether it comes from whom the query was given to, while it is his.
    fn works(&mut self, entry: &Entry, body: &Value) -> bool {
        let speaks = |current: &&mut Current| {
            let same = body["attempt"].as_u64() == Some(current.attempt) && body["instance"] == current.instance;
            current.open && same && entry.from == crate::plain::token(&current.agent)
        };
        if self.end.is_some() {
            return false;
        }
        let Some(current) = self.current.as_mut().filter(speaks) else { return false };
        if self.taken.last() != Some(&current.attempt) {
            self.taken.push(current.attempt);
        }
        true
    }

    fn answer(&mut self, entry: &Entry, body: &Value) {
        if !self.works(entry, body) {
            return;
        }
        let state = match body["outcome"].as_str() {
            Some(ended @ ("completed" | "failed")) => ended,
            Some("retry") => {
                if let Some(current) = &mut self.current {
                    current.open = false;
                }
                return;
            }
            _ => return,
        };
        let text = body["result"]["text"].as_str().map(str::to_owned);
        self.gathered = parts(body).map(|part| (word(part, "id"), word(part, "state"))).collect();
        self.end = Some(End { seq: entry.seq, state: state.to_owned(), text, notified: says(&body["delivery"]) });
    }

    fn close(&mut self, entry: &Entry, body: &Value) {
        if self.closed {
            self.odd.push(Odd("I1", format!("it was closed again at {}", entry.seq)));
        }
        let Some(reason) = body["reason"].as_str() else { return };
        if self.end.is_some() {
            self.closed = true;
            return;
        }
        let permitted = match reason {
            "expired" => entry.time_ms >= self.deadline_ms,
            // What is asked on behalf of another query ends with it; whether that has ended is for the trees to say.
            "cancelled" => self.cancelled || self.parent.is_some(),
            "dead" => !self.assigned.is_empty(),
            _ => true,
        };
        if !permitted {
            self.odd.push(Odd("I3", format!("it was closed as {reason} at {} without cause", entry.seq)));
            return;
        }
        self.closed = true;
        self.end = Some(End { seq: entry.seq, state: reason.to_owned(), text: None, notified: says(&body["message"]) });
    }
}

fn says(words: &Value) -> bool {
    words.as_str().is_some_and(|words| !words.trim().is_empty())
}

fn parts(body: &Value) -> impl Iterator<Item = &Value> {
    body["parts"].as_array().into_iter().flatten()
}

fn word(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
