//! The weighted profile: what gates an agent and what scores it. Read and checked here; weighed
//! in `score.rs`.

use std::collections::{BTreeMap, btree_map};

use serde::{Deserialize, Serialize};

use crate::{
    normal::normalise,
    read::{Entry, Fields, Value, integer},
};

/// The dimension whose entries are looked for in the text of a query.
const KEYWORDS: &str = "keywords";

/// The dimensions that are scored.
const DIMENSIONS: [&str; 5] = ["priority", "complexity", "domain", "context_tags", KEYWORDS];

/// What a definition says of when it is the one to ask.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Every agent's score begins here. Default 0.
    #[serde(default)]
    pub default_score: i64,
    /// What must hold before it is scored at all.
    #[serde(default)]
    pub required: Required,
    /// The fraction of the required tags that must be asserted, 0 to 1. Default: any one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_match_ratio: Option<f64>,
    /// The points for what a query has. None: the definition has no weights of its own or inherited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Weights>,
    /// Things that people say when they mean this agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub utterances: Vec<String>,
    /// How alike a text must be to an utterance, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utterance_threshold: Option<f64>,
}

/// What must hold before an agent is scored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Required {
    /// Tags, of which a query must assert one, or `min_match_ratio` of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context_tags: Vec<String>,
    /// Other attributes with the values that they may have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Vec<String>>,
}

/// Points by dimension and value, as in `domain` → `mlops` → 10. Keywords are kept normalised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weights(BTreeMap<String, BTreeMap<String, i64>>);

impl Weights {
    /// The points for a value of a dimension; 0 where nothing is said.
    #[must_use]
    pub fn get(&self, dimension: &str, value: &str) -> i64 {
        self.0.get(dimension).and_then(|values| values.get(value)).copied().unwrap_or(0)
    }

    /// The values of a dimension with their points, by name.
    pub fn of(&self, dimension: &str) -> impl Iterator<Item = (&str, i64)> {
        self.0.get(dimension).into_iter().flatten().map(|(value, points)| (value.as_str(), *points))
    }

    /// The keywords, normalised, with their points.
    pub fn keywords(&self) -> impl Iterator<Item = (&str, i64)> {
        self.of(KEYWORDS)
    }

    /// These weights over those of a parent: where both say something, these count.
    #[must_use]
    pub fn over(mut self, parent: &Self) -> Self {
        for (dimension, values) in &parent.0 {
            let own = self.0.entry(dimension.clone()).or_default();
            for (value, points) in values {
                own.entry(value.clone()).or_insert(*points);
            }
        }
        self
    }
}

impl Profile {
    /// The field of a card that carries a weighted profile.
    pub const CARD_FIELD: &str = "profile";

    /// Takes the fields of a profile out of the front matter.
    pub(crate) fn take(fields: &mut Fields<'_>) -> Self {
        let (required, inner_ratio) = required(fields);
        Self {
            default_score: fields.integer("default_score").unwrap_or(0),
            required,
            min_match_ratio: fields.ratio("min_match_ratio").or(inner_ratio),
            weights: weights(fields),
            utterances: fields.texts("utterances"),
            utterance_threshold: fields.ratio("utterance_threshold"),
        }
    }
}

/// The `required` block; `min_match_ratio` may stand in it too.
fn required(fields: &mut Fields<'_>) -> (Required, Option<f64>) {
    let Some((entries, _)) = fields.map("required") else { return Default::default() };
    let mut inner = Fields::new(entries, fields.report);
    let context_tags = inner.texts("context_tags");
    let ratio = inner.ratio("min_match_ratio");
    let mut attributes = BTreeMap::new();
    while let Some(entry) = inner.next() {
        if entry.value.is_null() {
            continue;
        }
        attributes.insert(entry.key.clone(), inner.texts_of(&entry));
    }
    (Required { context_tags, attributes }, ratio)
}

fn weights(fields: &mut Fields<'_>) -> Option<Weights> {
    let (dimensions, _) = fields.map("weights")?;
    let mut weights = Weights::default();
    let mut dimensions = Fields::new(dimensions, fields.report);
    while let Some(dimension) = dimensions.next() {
        let (name, place) = (dimension.key, dimension.key_place);
        if !DIMENSIONS.contains(&name.as_str()) {
            dimensions.report.warning("unknown_dimension", place, format!("nothing scores by '{name}'"));
            dimensions.report.hint(format!("use one of {}", DIMENSIONS.join(", ")));
            continue;
        }
        if dimension.value.is_null() {
            continue;
        }
        let Value::Map(values) = dimension.value.value else {
            let message = format!("'{name}' must be a mapping of values to points, not {}", dimension.value.kind());
            dimensions.report.error("wrong_type", dimension.value.place, message);
            continue;
        };
        let points = points(&name, values, &mut dimensions);
        weights.0.insert(name, points);
    }
    Some(weights)
}

/// The points of one dimension. Keywords that normalise alike are one; the larger weight counts.
fn points(dimension: &str, values: Vec<Entry>, fields: &mut Fields<'_>) -> BTreeMap<String, i64> {
    let mut points = BTreeMap::new();
    for entry in values {
        let Some(weight) = integer(&entry, fields.report) else { continue };
        let value = if dimension == KEYWORDS { normalise(&entry.key) } else { entry.key };
        if value.is_empty() {
            fields.report.warning("empty_keyword", entry.key_place, "a keyword without letters and digits hits nothing");
            continue;
        }
        match points.entry(value) {
            btree_map::Entry::Vacant(free) => drop(free.insert(weight)),
            btree_map::Entry::Occupied(mut taken) => drop(taken.insert(weight.max(*taken.get()))),
        }
    }
    points
}
