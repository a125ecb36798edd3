//! A weighted profile: what lets it compete, and what it earns by its own rules.

use std::collections::{BTreeMap, BTreeSet};

use protocol::score::{GateKind, PartKind};

use super::{facts::Facts, hits::Hit, keywords};
use crate::{
    Profile,
    normal::{Word, normalise, tokens},
};

/// Why an agent competes.
pub(super) struct Claim<'a> {
    pub(super) by: GateKind,
    /// The required tags that were found.
    pub(super) tags: Vec<&'a str>,
}

/// A profile as it is scored: everything normalised.
#[derive(Clone, Debug)]
pub(super) struct Weighted {
    default: i64,
    tags: Vec<Tag>,
    /// How many of the tags must be found.
    enough: usize,
    attributes: BTreeMap<String, BTreeSet<String>>,
    pub(super) keywords: Vec<Keyword>,
    dimensions: Vec<Dimension>,
}

#[derive(Clone, Debug)]
struct Tag {
    name: String,
    normal: String,
    words: Vec<String>,
}

/// A keyword with its points.
#[derive(Clone, Debug)]
pub(super) struct Keyword {
    pub(super) name: String,
    pub(super) words: Vec<String>,
    pub(super) points: i64,
}

#[derive(Clone, Debug)]
struct Dimension {
    part: PartKind,
    values: BTreeMap<String, (String, i64)>,
}

/// The dimensions besides keywords.
const DIMENSIONS: [(&str, PartKind); 4] =
    [("priority", PartKind::Priority), ("complexity", PartKind::Complexity), ("domain", PartKind::Domain), ("context_tags", PartKind::Tag)];

impl Weighted {
    /// None: the profile weighs nothing that is scored.
    pub(super) fn of(profile: Profile) -> Option<Self> {
        let weights = profile.weights?;
        let keyword = |(name, points): (&str, i64)| Keyword { name: name.to_owned(), words: tokens(name), points };
        let keywords: Vec<_> = weights.keywords().map(keyword).filter(|keyword| !keyword.words.is_empty()).collect();
        let values = |name| weights.of(name).map(|(value, points)| (normalise(value), (value.to_owned(), points))).collect();
        let dimensions: Vec<_> = DIMENSIONS.into_iter().map(|(name, part)| Dimension { part, values: values(name) }).collect();
        if keywords.is_empty() && dimensions.iter().all(|dimension| dimension.values.is_empty()) {
            return None;
        }
        let tag = |name: String| Tag { normal: normalise(&name), words: tokens(&name), name };
        let tags: Vec<_> = profile.required.context_tags.into_iter().map(tag).collect();
        let normal = |values: Vec<String>| values.iter().map(|value| normalise(value)).collect();
        let attributes = profile.required.attributes.into_iter().map(|(key, values)| (key, normal(values))).collect();
        let enough = enough(tags.len(), profile.min_match_ratio);
        Some(Self { default: profile.default_score, tags, enough, attributes, keywords, dimensions })
    }

    /// Pass 1: the query asserts enough of the required tags, and contradicts nothing.
    pub(super) fn asserted(&self, facts: &Facts<'_>) -> Option<Claim<'_>> {
        let tags: Vec<_> = self.tags.iter().filter(|tag| facts.asserted.contains(&tag.normal)).map(|tag| tag.name.as_str()).collect();
        let contradicts = |(key, values): (&String, &BTreeSet<String>)| facts.attribute(key).is_some_and(|value| !values.contains(value));
        let fits = !tags.is_empty() && tags.len() >= self.enough && !self.attributes.iter().any(contradicts);
        fits.then_some(Claim { by: GateKind::Tags, tags })
    }

    /// Pass 2: it has evidence, and the text has a keyword or everything required was found.
    pub(super) fn by_text(&self, facts: &Facts<'_>, words: &[Word], earned: &[Hit<'_>]) -> Option<Claim<'_>> {
        let evidence = earned.iter().filter(|hit| !hit.is_default()).map(|hit| hit.points).fold(0, i64::saturating_add);
        if evidence <= 0 {
            return None;
        }
        let found = |tag: &&Tag| facts.asserted.contains(&tag.normal) || keywords::find(&tag.words, words).is_some();
        let tags: Vec<_> = self.tags.iter().filter(found).map(|tag| tag.name.as_str()).collect();
        if earned.iter().any(Hit::is_keyword) {
            return Some(Claim { by: GateKind::Keyword, tags });
        }
        let given = |(key, values): (&String, &BTreeSet<String>)| facts.attribute(key).is_some_and(|value| values.contains(value));
        let required = tags.len() >= self.enough && self.attributes.iter().all(given);
        required.then_some(Claim { by: GateKind::Required, tags })
    }

    /// What was found in the text, and besides it what the query says.
    pub(super) fn earn<'a>(&'a self, facts: &Facts<'_>, found: Vec<Hit<'a>>) -> Vec<Hit<'a>> {
        let mut earned = found;
        if self.default != 0 {
            earned.push(Hit::said(PartKind::Default, "", self.default));
        }
        for dimension in &self.dimensions {
            let said: Vec<&String> = match dimension.part {
                PartKind::Priority => facts.attribute("priority").into_iter().collect(),
                PartKind::Complexity => facts.attribute("complexity").into_iter().collect(),
                PartKind::Domain => facts.domain.iter().collect(),
                _ => facts.asserted.iter().collect(),
            };
            let hits = said.into_iter().filter_map(|said| dimension.values.get(said));
            earned.extend(hits.map(|(name, points)| Hit::said(dimension.part, name, *points)));
        }
        earned
    }
}

/// How many of the required tags must be found: any one, or the fraction that is asked for.
fn enough(tags: usize, ratio: Option<f64>) -> usize {
    let enough = |count: &usize| ratio.is_none_or(|ratio| *count as f64 >= ratio * tags as f64 - 1e-9);
    (tags.min(1)..=tags).find(enough).unwrap_or(tags)
}
