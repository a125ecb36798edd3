//! Who asked on whose behalf: the trees that queries form, and what may grow in them.
//!
//! Owns the rules by which a query counts as asked on behalf of another, and the limits of depth and budget.
//! They are judged when the query is read, by what the ledger held before it: so every reader judges alike,
//! and what a client says of its own path is not believed. What follows from it is decided in `decide.rs`.

use std::collections::HashMap;

use jiff::Timestamp;
use protocol::{
    Name, QueryId,
    message::{Answer, Budget, DEFAULT_DEPTH, DEFAULT_QUERIES, Query},
};

use crate::{Book, Fold, Key};

/// Sub-queries of one query that are remembered although they were refused. Of more, only the number.
const REFUSED: usize = 256;

/// Where a query stands in its tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    /// The query on whose behalf it was asked, where that is known.
    parent: Option<Key>,
    /// The attempt at the parent by which it was asked.
    attempt: u32,
    /// The first requester, and every agent between it and this query; the asker stands last.
    path: Vec<Name>,
    /// Why it may not be asked.
    refusal: Option<Refusal>,
    children: Vec<Key>,
    /// Refused children that are not among `children`.
    unlisted: u64,
    /// How many queries have been asked below it.
    below: u32,
    /// The tokens that were spent on it and below it.
    tokens: u64,
}

/// Why a query may not be asked on behalf of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A stable word for a program.
    pub code: &'static str,
    /// Why, in words.
    pub message: String,
    /// What its asker can do.
    pub hint: &'static str,
}

/// What a decision about a query must know of its tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kin {
    /// Why it may not be asked.
    pub refusal: Option<Refusal>,
    /// Why nobody waits for it any more.
    pub abandoned: Option<String>,
    /// Whether the ledger has refused the answer of several agents again and again.
    pub unanswerable: bool,
}

/// The trees of a book.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trees(HashMap<Key, Node>);

impl Trees {
    pub(crate) fn forget(&mut self, key: &Key) {
        self.0.remove(key);
    }
}

impl Book {
    /// A query begins that is asked on behalf of another.
    pub(crate) fn grow(&mut self, key: &Key, query: &Query) {
        let Some(id) = query.parent else { return };
        // An id that was erased may come again below what was once asked on its behalf.
        let above = |parent: &Fold| self.line(parent.key()).any(|above| above == key);
        let Some(parent) = self.asker_of(id, &key.requester).filter(|parent| !above(parent)) else {
            let message = format!("The query {id}, on whose behalf this one is asked, is not known.");
            let hint = "Leave out `parent`, or ask while the query is in hand.";
            let refusal = Some(Refusal { code: "unknown_parent", message, hint });
            self.trees.0.insert(key.clone(), Node { refusal, ..Node::default() });
            return;
        };
        let (parent, attempt) = (parent.key().clone(), parent.last_number());
        let mut path = self.path(&parent).to_vec();
        if path.is_empty() {
            path.push(parent.requester.clone());
        }
        path.push(key.requester.clone());
        // Whoever has no right to ask hangs on nothing.
        if let Some(refusal) = self.stranger(&parent, &key.requester) {
            self.trees.0.insert(key.clone(), Node { refusal: Some(refusal), ..Node::default() });
            return;
        }
        let refusal = self.over_budget(&parent, &path);
        self.adopt(&parent, key, refusal.is_none());
        self.trees.0.insert(key.clone(), Node { parent: Some(parent), attempt, path, refusal, ..Node::default() });
    }

    /// The query of this id whose agent is `asker`; or else its owner, who is not.
    fn asker_of(&self, id: QueryId, asker: &Name) -> Option<&Fold> {
        let in_hand = |fold: &&Fold| fold.current().is_some_and(|attempt| attempt.agent == *asker);
        self.under(id).find(in_hand).or_else(|| self.owner(id))
    }

    /// Why this asker may not ask on behalf of a query.
    fn stranger(&self, parent: &Key, asker: &Name) -> Option<Refusal> {
        let refuse = |message, hint| Some(Refusal { code: "not_delegated", message, hint });
        let open = |key: &Key| self.get(key).filter(|fold| fold.ended().is_none());
        let holder = open(parent).and_then(Fold::current);
        if holder.is_none_or(|attempt| attempt.agent != *asker) {
            let holder = holder.map_or_else(|| "nobody's".to_owned(), |attempt| format!("{}'s", attempt.agent));
            let message = format!("{asker} asks on behalf of the query {}, which is in {holder} hands.", parent.id);
            return refuse(message, "Only the agent that works on a query can ask on its behalf.");
        }
        let over = self.line(parent).find(|ancestor| open(ancestor).is_none())?;
        let message = format!("The query {}, on whose behalf this one is asked in the end, is over.", over.id);
        refuse(message, "Stop: nobody waits for the answer.")
    }

    /// Why nothing more may be asked on behalf of a query.
    fn over_budget(&self, parent: &Key, path: &[Name]) -> Option<Refusal> {
        let refuse = |code, message, hint| Some(Refusal { code, message, hint });
        for (above, ancestor) in self.line(parent).enumerate() {
            let Some(fold) = self.get(ancestor) else { continue };
            let (limits, node) = (self.limits(ancestor, fold), self.trees.0.get(ancestor));
            let (below, tokens) = node.map_or((0, 0), |node| (node.below, node.tokens));
            if let Some(most) = limits.depth.filter(|most| above >= *most as usize) {
                let message = format!("It would stand deeper than {most} below {}: {}.", ancestor.id, shown(path));
                return refuse(
                    "too_deep",
                    message,
                    "Ask fewer agents in a row, or set a larger budget.depth on the first query (32 at most).",
                );
            }
            if limits.queries.is_some_and(|most| below >= most) {
                let message = format!("{below} queries have been asked on behalf of {}, which is all that its budget allows.", ancestor.id);
                return refuse("budget_spent", message, "Set a larger budget.queries on the first query (10,000 at most).");
            }
            if limits.tokens.is_some_and(|most| tokens >= most) {
                let message = format!("{tokens} tokens have been spent on behalf of {}, which is all that its budget allows.", ancestor.id);
                return refuse("budget_spent", message, "Set a larger budget.tokens on the first query.");
            }
        }
        None
    }

    /// The limits that a query sets to its own tree. Those of the first query have defaults.
    fn limits(&self, key: &Key, fold: &Fold) -> Budget {
        let own = fold.posted().query().and_then(|query| query.budget.clone()).unwrap_or_default();
        if self.parent(key).is_some() {
            return own;
        }
        Budget { queries: Some(own.queries.unwrap_or(DEFAULT_QUERIES)), depth: Some(own.depth.unwrap_or(DEFAULT_DEPTH)), ..own }
    }

    fn adopt(&mut self, parent: &Key, child: &Key, counts: bool) {
        let node = self.trees.0.entry(parent.clone()).or_default();
        if counts || node.children.len() < REFUSED {
            node.children.push(child.clone());
        } else {
            node.unlisted += 1;
        }
        if counts {
            self.each_above(parent, |node| node.below += 1);
        }
    }

    /// An answer tells what it cost.
    pub(crate) fn spend(&mut self, key: &Key, answer: &Answer) {
        let Some(usage) = &answer.usage else { return };
        let tokens = usage.input_tokens.unwrap_or(0).saturating_add(usage.output_tokens.unwrap_or(0));
        let is_open = self.get(key).is_some_and(|fold| fold.ended().is_none());
        if is_open || self.trees.0.contains_key(key) {
            self.each_above(key, |node| node.tokens = node.tokens.saturating_add(tokens));
        }
    }

    /// Changes a query's node, and those of all that stand above it.
    fn each_above(&mut self, key: &Key, mut change: impl FnMut(&mut Node)) {
        let mut next = Some(key.clone());
        while let Some(key) = next.take() {
            // Of what is forgotten nothing is begun anew.
            if !self.trees.0.contains_key(&key) && self.get(&key).is_none() {
                return;
            }
            let node = self.trees.0.entry(key).or_default();
            change(node);
            next.clone_from(&node.parent);
        }
    }

    /// A query, its parent, and so on up to the first.
    fn line<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = &'a Key> {
        std::iter::successors(Some(key), |key| self.parent(key))
    }

    /// The query on whose behalf this one was asked, whether or not it was allowed.
    #[must_use]
    pub fn parent(&self, key: &Key) -> Option<&Key> {
        self.trees.0.get(key)?.parent.as_ref()
    }

    /// The agents that stand between the first requester and this query, that requester first and the asker
    /// last; empty for a query that nobody asked on behalf of another.
    #[must_use]
    pub fn path(&self, key: &Key) -> &[Name] {
        self.trees.0.get(key).map_or(&[], |node| &node.path)
    }

    /// What was asked on behalf of a query, oldest first.
    pub fn children(&self, key: &Key) -> impl Iterator<Item = &Fold> {
        self.trees.0.get(key).into_iter().flat_map(|node| &node.children).filter_map(|child| self.get(child))
    }

    /// How many more there were, which were refused.
    #[must_use]
    pub fn unlisted(&self, key: &Key) -> u64 {
        self.trees.0.get(key).map_or(0, |node| node.unlisted)
    }

    /// Whether a query was allowed to be asked on behalf of another.
    #[must_use]
    pub fn is_child(&self, key: &Key) -> bool {
        self.trees.0.get(key).is_some_and(|node| node.parent.is_some() && node.refusal.is_none())
    }

    /// Whether something is still open that was asked on behalf of a query.
    #[must_use]
    pub fn is_delegating(&self, key: &Key) -> bool {
        self.children(key).any(|child| child.ended().is_none())
    }

    /// Whether whoever works on a query waits for something that it was allowed to ask.
    #[must_use]
    pub fn is_waiting(&self, key: &Key) -> bool {
        self.children(key).any(|child| child.ended().is_none() && self.is_child(child.key()))
    }

    /// Whether nothing is open in the tree of a query but, perhaps, in branches that it does not stand in: neither what
    /// it was asked for, nor what was asked on its behalf.
    #[must_use]
    pub fn is_tree_over(&self, key: &Key) -> bool {
        let over = |key: &Key| self.get(key).is_none_or(|fold| fold.ended().is_some());
        self.line(key).all(over) && !self.is_delegating(key)
    }

    /// When a query must be answered: its own deadline, or that of a query above it.
    #[must_use]
    pub fn deadline(&self, key: &Key) -> Option<Timestamp> {
        self.line(key).filter_map(|key| Some(self.get(key)?.posted().deadline)).min()
    }

    /// What a decision about a query must know of its tree.
    #[must_use]
    pub fn kin(&self, key: &Key) -> Kin {
        let Some(node) = self.trees.0.get(key) else { return Kin::default() };
        let abandoned = node.parent.as_ref().and_then(|parent| self.abandoned(parent, node.attempt));
        Kin { refusal: node.refusal.clone(), abandoned, unanswerable: false }
    }

    /// Why nobody waits for what was asked by this attempt at a query.
    fn abandoned(&self, parent: &Key, attempt: u32) -> Option<String> {
        let id = parent.id;
        match self.get(parent) {
            None => Some(format!("The query {id}, on whose behalf it was asked, is over.")),
            Some(fold) => match (fold.ended(), fold.current()) {
                (Some(_), _) => Some(format!("The query {id}, on whose behalf it was asked, is {}.", fold.state())),
                (None, Some(current)) if current.number == attempt => None,
                (None, _) => Some(format!("Attempt {attempt} at the query {id}, which asked it, is over.")),
            },
        }
    }

    /// What is left for what is asked on behalf of a query; none where nobody set a budget.
    #[must_use]
    pub fn budget_left(&self, key: &Key) -> Option<Budget> {
        let sets = |key: &Key| self.get(key).and_then(|fold| fold.posted().query()).is_some_and(|query| query.budget.is_some());
        if self.parent(key).is_none() && !sets(key) {
            return None;
        }
        let mut left = Budget::default();
        for (above, ancestor) in self.line(key).enumerate() {
            let Some(fold) = self.get(ancestor) else { continue };
            let (limits, node) = (self.limits(ancestor, fold), self.trees.0.get(ancestor));
            let (below, tokens) = node.map_or((0, 0), |node| (node.below, node.tokens));
            let above = u32::try_from(above).unwrap_or(u32::MAX);
            left.queries = least(left.queries, limits.queries.map(|most| most.saturating_sub(below)));
            left.depth = least(left.depth, limits.depth.map(|most| most.saturating_sub(above)));
            left.tokens = least(left.tokens, limits.tokens.map(|most| most.saturating_sub(tokens)));
        }
        Some(left)
    }
}

fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// A path in words: `cli → a → b`.
pub(crate) fn shown(path: &[Name]) -> String {
    path.iter().map(Name::as_str).collect::<Vec<_>>().join(" → ")
}

#[cfg(test)]
mod tests;
