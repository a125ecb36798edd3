//! What a query says besides its text: tags, attributes, and its domain.

use std::collections::{BTreeMap, BTreeSet};

use protocol::message::{Priority, Query};

use crate::normal::normalise;

/// What a query says, normalised.
pub(super) struct Facts<'a> {
    /// Its tags, and the middle of its type: `mlops` in `get_mlops_context`.
    pub(super) asserted: BTreeSet<String>,
    /// Its domain; without one, the middle of its type.
    pub(super) domain: Option<String>,
    attributes: BTreeMap<&'a str, String>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(query: &'a Query) -> Self {
        let stem = query.request_type.strip_prefix("get_").and_then(|rest| rest.strip_suffix("_context")).map(normalise);
        let mut attributes: BTreeMap<&str, String> =
            query.extra.iter().filter_map(|(key, value)| Some((key.as_str(), normalise(value.as_str()?)))).collect();
        let known = [("domain", &query.domain), ("complexity", &query.complexity), ("intent", &query.intent)];
        attributes.extend(known.into_iter().filter_map(|(key, value)| Some((key, normalise(value.as_deref()?)))));
        attributes.extend(query.priority.map(|priority| ("priority", name(priority).to_owned())));
        let domain = attributes.get("domain").cloned().or_else(|| stem.clone());
        let tags = query.context_tags.iter().flatten().map(|tag| normalise(tag));
        let asserted = tags.chain(stem).filter(|tag| !tag.is_empty()).collect();
        Self { asserted, domain, attributes }
    }

    /// What it says of something, as of its `complexity`. Nothing is taken as said because it is the default.
    pub(super) fn attribute(&self, key: &str) -> Option<&String> {
        self.attributes.get(key)
    }
}

fn name(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "low",
        Priority::Normal => "normal",
        Priority::High => "high",
        Priority::Critical => "critical",
    }
}
