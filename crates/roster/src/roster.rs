//! The agents that a query can go to, by their cards. Pure: whether an agent is live is asked of
//! the caller. How a query finds its agent stands in `route.rs`.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use protocol::{Card, Name};

use crate::score::{Document, Index};

/// The agents that are known, by name.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    cards: BTreeMap<Name, Card>,
    /// Those that compete, as scoring reads them.
    documents: BTreeMap<Name, Arc<Document>>,
    /// Made when it is first looked at after a change: many agents often come at once.
    index: OnceLock<Index>,
}

impl PartialEq for Roster {
    fn eq(&self, other: &Self) -> bool {
        self.cards == other.cards
    }
}

impl Roster {
    /// A roster of these cards. Of two cards of one agent the later counts.
    pub fn new(cards: impl IntoIterator<Item = Card>) -> Self {
        let mut roster = Self::default();
        for card in cards {
            roster.insert(card);
        }
        roster
    }

    /// Adds an agent, or replaces its card. Returns the card that it had.
    pub fn insert(&mut self, card: Card) -> Option<Card> {
        self.index.take();
        if card.fallback {
            self.documents.remove(&card.agent);
        } else {
            self.documents.insert(card.agent.clone(), Arc::new(Document::of(&card)));
        }
        self.cards.insert(card.agent.clone(), card)
    }

    /// Removes an agent. Returns its card.
    pub fn remove(&mut self, name: &Name) -> Option<Card> {
        self.index.take();
        self.documents.remove(name);
        self.cards.remove(name)
    }

    /// The card of the agent with this very name.
    #[must_use]
    pub fn get(&self, name: &Name) -> Option<&Card> {
        self.cards.get(name)
    }

    /// All cards, by name.
    pub fn cards(&self) -> impl Iterator<Item = &Card> {
        self.cards.values()
    }

    /// What scoring looks up.
    pub(crate) fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::of(self.documents.values().cloned().collect()))
    }

    /// The agent that goes by this name: its own, or else a declared alias. Of several agents that
    /// declare one alias, the first by name.
    #[must_use]
    pub fn resolve(&self, name: &Name) -> Option<&Card> {
        self.get(name).or_else(|| self.cards().find(|card| card.aliases.contains(name)))
    }

    /// The `n` agents whose names are most like a text, best first. For hints only: no query is ever
    /// routed by likeness.
    #[must_use]
    pub fn nearest(&self, text: &str, n: usize) -> Vec<Name> {
        let best = |card: &Card| card.aliases.iter().chain([&card.agent]).map(|name| likeness(text, name)).fold(0.0, f64::max);
        let mut all: Vec<_> = self.cards().map(|card| (best(card), &card.agent)).collect();
        all.sort_by(|(a, first), (b, second)| b.total_cmp(a).then_with(|| first.cmp(second)));
        all.into_iter().take(n).map(|(_, name)| name.clone()).collect()
    }
}

/// How like a text is to a name, from 0 to 1 (equal but for case).
pub(crate) fn likeness(text: &str, name: &Name) -> f64 {
    strsim::normalized_damerau_levenshtein(&text.to_lowercase(), &name.as_str().to_lowercase())
}
