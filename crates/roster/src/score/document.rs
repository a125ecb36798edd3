//! What is known of one agent, as words: the terms that describe it, and its weighted profile.

use std::collections::BTreeMap;

use protocol::{Card, Name};

use super::{
    stem::{is_empty, stem},
    weighted::{Keyword, Weighted},
};
use crate::{About, Profile, normal::tokens};

/// How much a word counts, by where it stands.
const NAME: f64 = 2.0;
const DESCRIPTION: f64 = 2.0;
const KEYWORD: f64 = 2.0;
const TAG: f64 = 1.0;
const UTTERANCE: f64 = 1.0;
const HEADING: f64 = 0.5;
const ITEM: f64 = 0.3;
const SHARED: f64 = 0.25;

/// One agent as the index sees it.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) agent: Name,
    pub(super) weighted: Option<Weighted>,
    /// The stems that describe it, each with how much it counts.
    pub(super) terms: BTreeMap<String, f64>,
}

impl Document {
    pub(crate) fn of(card: &Card) -> Self {
        let profile: Option<Profile> = read(card, Profile::CARD_FIELD);
        let about: About = read(card, About::CARD_FIELD).unwrap_or_default();
        let mut terms = Terms::default();
        terms.add(card.agent.as_str(), NAME);
        card.aliases.iter().for_each(|alias| terms.add(alias.as_str(), NAME));
        terms.add(&card.description, DESCRIPTION);
        about.topics.iter().for_each(|topic| terms.add(topic, TAG));
        about.headings.iter().for_each(|heading| terms.add(heading, HEADING));
        about.shared.iter().for_each(|shared| terms.add(shared, SHARED));
        about.items.iter().for_each(|item| terms.add(item, ITEM));
        if let Some(profile) = &profile {
            profile.required.context_tags.iter().for_each(|tag| terms.add(tag, TAG));
            profile.utterances.iter().for_each(|utterance| terms.add(utterance, UTTERANCE));
            for (keyword, _) in profile.weights.iter().flat_map(crate::Weights::keywords) {
                terms.add(keyword, KEYWORD);
            }
        }
        let weighted = profile.and_then(Weighted::of);
        Self { agent: card.agent.clone(), weighted, terms: terms.0 }
    }

    /// The keywords of its profile.
    pub(super) fn keywords(&self) -> &[Keyword] {
        self.weighted.as_ref().map_or(&[], |profile| &profile.keywords)
    }

    /// How long it is: everything that counts, together.
    pub(super) fn length(&self) -> f64 {
        self.terms.values().sum()
    }
}

/// A field of the card that this version knows. One that is not as it should be is as good as none.
fn read<T: serde::de::DeserializeOwned>(card: &Card, field: &str) -> Option<T> {
    serde_json::from_value(card.extra.get(field)?.clone()).ok()
}

#[derive(Default)]
struct Terms(BTreeMap<String, f64>);

impl Terms {
    fn add(&mut self, text: &str, counts: f64) {
        for token in tokens(text).iter().filter(|token| !is_empty(token)) {
            *self.0.entry(stem(token).to_owned()).or_default() += counts;
        }
    }
}
