//! Who may ask on whose behalf, how deep and how often; and what ends with what.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use protocol::{
    Extra, Message, Subject, To, Verdict,
    message::{Answer, Assign, Outcome, Reason, Usage},
};

use super::*;
use crate::{
    Entry,
    testing::{assign, at, close, instance, key, name},
};

/// A ledger of several queries.
#[derive(Default)]
struct Grove {
    book: Book,
}

impl Grove {
    fn write(&mut self, key: &Key, from: &str, to: To, message: Message) -> Verdict {
        let from = if from == "coordinator" { Name::coordinator() } else { name(from) };
        let subject = Subject::new(message.kind(), key.id, from, to).unwrap();
        let seq = self.book.last() + 1;
        self.book.apply(&Entry { seq, time: at(seq as i64), subject, body: Ok(message) }).verdict
    }

    /// A query of this requester, on behalf of another.
    fn post(&mut self, n: usize, from: &str, parent: Option<&Key>, budget: Option<Budget>) -> Key {
        let key = Key { requester: name(from), ..key(n) };
        let query = Query { parent: parent.map(|parent| parent.id), budget, ..Query::new(name(from), "request", "?") };
        self.write(&key, from, To::Any, Message::Query(query));
        key
    }

    fn assign(&mut self, key: &Key, attempt: u32, agent: &str) {
        let assign = Assign { agent: name(agent), ..assign(attempt, "i") };
        self.write(key, key.requester.as_str(), To::One(name(agent)), Message::Assign(assign));
    }

    /// A query that is in this agent's hands.
    fn held(&mut self, n: usize, from: &str, parent: Option<&Key>, agent: &str) -> Key {
        let key = self.post(n, from, parent, None);
        self.assign(&key, 1, agent);
        key
    }

    fn answer(&mut self, key: &Key, agent: &str, outcome: Outcome, tokens: u64) -> Verdict {
        let usage = Some(Usage { input_tokens: Some(tokens), ..Usage::default() });
        let answer = Answer {
            agent: name(agent),
            attempt: 1,
            instance: instance("i"),
            outcome,
            delivery: "Done.".to_owned(),
            result: None,
            result_at: None,
            attachments: vec![],
            facts: vec![],
            unknown: vec![],
            parts: vec![],
            usage,
            failure: None,
            extra: Extra::new(),
        };
        self.write(key, agent, To::One(key.requester.clone()), Message::Answer(Box::new(answer)))
    }

    fn refused(&self, key: &Key) -> Option<(&str, &str)> {
        let refusal = self.book.trees.0.get(key)?.refusal.as_ref()?;
        Some((refusal.code, refusal.message.as_str()))
    }

    fn path(&self, key: &Key) -> String {
        shown(self.book.path(key))
    }
}

fn budget(queries: Option<u32>, depth: Option<u32>, tokens: Option<u64>) -> Option<Budget> {
    Some(Budget { queries, depth, tokens, extra: Extra::new() })
}

#[test]
fn a_path_is_what_the_ledger_shows_and_not_what_a_client_says() {
    let mut grove = Grove::default();
    let root = grove.held(0, "me", None, "a");
    let child = grove.held(1, "a", Some(&root), "b");
    let grandchild = grove.post(2, "b", Some(&child), None);
    assert_eq!((grove.path(&root), grove.path(&child), grove.path(&grandchild)), (String::new(), "me → a".into(), "me → a → b".into()));
    assert_eq!((grove.refused(&child), grove.refused(&grandchild)), (None, None));
}

#[test]
fn only_whoever_works_on_a_query_asks_on_its_behalf() {
    let mut grove = Grove::default();
    let root = grove.held(0, "me", None, "a");
    let stranger = grove.post(1, "b", Some(&root), None);
    let message = format!("b asks on behalf of the query {}, which is in a's hands.", root.id);
    assert_eq!(grove.refused(&stranger), Some(("not_delegated", message.as_str())));
    let nowhere = grove.post(2, "a", Some(&key(99)), None);
    assert_eq!(grove.refused(&nowhere).unwrap().0, "unknown_parent");
    let itself = grove.post(3, "a", Some(&key(3)), None);
    assert_eq!(grove.refused(&itself).unwrap().0, "unknown_parent");
    grove.answer(&root, "a", Outcome::Completed, 0);
    let late = grove.post(4, "a", Some(&root), None);
    assert_eq!(grove.refused(&late).unwrap().0, "not_delegated");
    assert_eq!(grove.book.budget_left(&root), None, "what was refused leaves no trace in the budget");
}

#[test]
fn a_tree_grows_no_deeper_than_its_budget() {
    let mut grove = Grove::default();
    let root = grove.post(0, "me", None, budget(None, Some(2), None));
    grove.assign(&root, 1, "a");
    let one = grove.held(1, "a", Some(&root), "b");
    let two = grove.held(2, "b", Some(&one), "c");
    let three = grove.post(3, "c", Some(&two), None);
    assert_eq!((grove.refused(&one), grove.refused(&two)), (None, None));
    let (code, message) = grove.refused(&three).unwrap();
    assert_eq!(code, "too_deep");
    assert!(message.contains("me → a → b → c"), "{message}");
    assert_eq!(grove.book.budget_left(&two).unwrap().depth, Some(0));
    // Without a budget it is eight.
    let mut last = grove.held(10, "me", None, "a0");
    for n in 1..=8 {
        last = grove.held(10 + n, &format!("a{}", n - 1), Some(&last), &format!("a{n}"));
        assert_eq!(grove.refused(&last), None, "{n}");
    }
    let ninth = grove.post(19, "a8", Some(&last), None);
    assert_eq!(grove.refused(&ninth).unwrap().0, "too_deep");
}

#[test]
fn the_whole_tree_is_counted_against_the_first_querys_budget() {
    let mut grove = Grove::default();
    let root = grove.post(0, "me", None, budget(Some(3), None, None));
    grove.assign(&root, 1, "a");
    let left = grove.held(1, "a", Some(&root), "b");
    grove.post(2, "b", Some(&left), None);
    assert_eq!(grove.book.budget_left(&left).unwrap().queries, Some(1));
    let right = grove.post(3, "a", Some(&root), None);
    let fourth = grove.post(4, "b", Some(&left), None);
    assert_eq!((grove.refused(&right), grove.refused(&fourth).unwrap().0), (None, "budget_spent"));
    let listed: Vec<_> = grove.book.children(&root).map(|child| child.key().clone()).collect();
    assert_eq!(listed, [left, right]);
}

#[test]
fn a_sub_query_can_set_a_smaller_budget_but_no_larger_one() {
    let mut grove = Grove::default();
    let root = grove.post(0, "me", None, budget(Some(10), None, None));
    grove.assign(&root, 1, "a");
    let child = grove.post(1, "a", Some(&root), budget(Some(1), Some(30), None));
    grove.assign(&child, 1, "b");
    assert_eq!(grove.refused(&grove.book.children(&root).next().unwrap().key().clone()), None);
    let left = grove.book.budget_left(&child).unwrap();
    assert_eq!((left.queries, left.depth), (Some(1), Some(7)));
    grove.post(2, "b", Some(&child), None);
    let over = grove.post(3, "b", Some(&child), None);
    assert_eq!(grove.refused(&over).unwrap().0, "budget_spent");
}

#[test]
fn tokens_that_are_spent_anywhere_in_the_tree_count() {
    let mut grove = Grove::default();
    let root = grove.post(0, "me", None, budget(None, None, Some(100)));
    grove.assign(&root, 1, "a");
    let child = grove.held(1, "a", Some(&root), "b");
    grove.answer(&child, "b", Outcome::Completed, 60);
    assert_eq!(grove.book.budget_left(&root).unwrap().tokens, Some(40));
    let second = grove.held(2, "a", Some(&root), "b");
    grove.answer(&second, "b", Outcome::Retry, 60);
    assert_eq!(grove.answer(&second, "b", Outcome::Retry, 60), Verdict::Stale, "and what does not count costs nothing");
    let third = grove.post(3, "a", Some(&root), None);
    let (code, message) = grove.refused(&third).unwrap();
    assert!(code == "budget_spent" && message.starts_with("120 tokens"), "{code}: {message}");
}

#[test]
fn what_was_asked_ends_with_the_attempt_that_asked_it() {
    let mut grove = Grove::default();
    let root = grove.held(0, "me", None, "a");
    let child = grove.held(1, "a", Some(&root), "b");
    assert_eq!(grove.book.kin(&child), Kin::default());
    assert!(grove.book.is_delegating(&root));
    grove.assign(&root, 2, "a");
    assert!(grove.book.kin(&child).abandoned.unwrap().starts_with("Attempt 1 at the query"));
    let second = grove.post(2, "a", Some(&root), None);
    assert_eq!(grove.book.kin(&second), Kin::default());
    grove.write(&root, "me", To::One(Name::coordinator()), Message::Cancel(cancel()));
    assert_eq!(grove.book.kin(&second), Kin::default(), "a cancel ends nothing before the coordinator has closed it");
    grove.write(&root, "me", To::One(name("me")), Message::Close(close(Reason::Cancelled)));
    assert!(grove.book.kin(&second).abandoned.unwrap().ends_with("is cancelled."));
    assert!(!grove.book.is_tree_over(&root) && !grove.book.is_tree_over(&child));
    for child in [&child, &second] {
        assert_eq!(grove.write(child, "a", To::One(name("a")), Message::Close(close(Reason::Cancelled))), Verdict::Counted);
    }
    assert!(grove.book.is_tree_over(&root) && grove.book.is_tree_over(&second));
}

#[test]
fn a_deadline_is_never_later_than_one_above_it() {
    let mut grove = Grove::default();
    let root = key(0);
    let query = Query { timeout_ms: Some(5000), ..Query::new(name("me"), "request", "?") };
    grove.write(&root, "me", To::Any, Message::Query(query));
    grove.assign(&root, 1, "a");
    let child = grove.post(1, "a", Some(&root), None);
    assert_eq!(grove.book.deadline(&child), Some(at(6)));
    assert_eq!(grove.book.deadline(&root), Some(at(6)));
}

#[test]
fn an_id_that_was_erased_cannot_come_again_below_its_own_child() {
    let mut grove = Grove::default();
    let root = grove.held(0, "me", None, "a");
    let child = grove.post(1, "a", Some(&root), None);
    for key in [&child, &root] {
        let from = key.requester.to_string();
        grove.write(key, &from, To::One(key.requester.clone()), Message::Close(close(Reason::Dead)));
    }
    grove.book.forget_ended(root.id);
    grove.post(0, "me", Some(&child), None);
    assert_eq!(grove.book.parent(&root), None, "else it would stand above and below itself");
}

#[test]
fn of_countless_refused_ones_only_the_number_is_kept() {
    let mut grove = Grove::default();
    let root = grove.post(0, "me", None, budget(Some(0), None, None));
    grove.assign(&root, 1, "a");
    for n in 1..=1000 {
        let child = grove.post(n, "a", Some(&root), None);
        assert_eq!(grove.refused(&child).unwrap().0, "budget_spent");
    }
    assert_eq!((grove.book.children(&root).count(), grove.book.unlisted(&root)), (REFUSED, 1000 - REFUSED as u64));
}

fn cancel() -> protocol::message::Cancel {
    serde_json::from_value(serde_json::json!({ "requesting_agent": "me" })).unwrap()
}
