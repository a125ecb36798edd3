//! What a definition says its agent is about, in brief: it travels in the card, so that a
//! coordinator, which reads no files, can route by it.
//!
//! Owns what of a definition is taken, and how much. What it is worth stands in `score/document.rs`.

use std::collections::BTreeSet;

use protocol::Name;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Definition, normal::normalise};

/// How many bytes of text a card carries of this.
const MAX_BYTES: usize = 4 * 1024;

/// Lists of topics that authors give, though nothing weighs them.
const LISTS: [&str; 2] = ["keywords", "tags"];

/// Topics of an agent, at most 4 KiB of them in all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// What its front matter lists under `keywords` or `tags`, without weights.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
    /// The headings of its sections.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headings: Vec<String>,
    /// What it works on with others, without their names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<String>,
    /// What its lists name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
}

impl About {
    /// The field of a card that carries it.
    pub const CARD_FIELD: &str = "about";

    /// What there is room for, the most telling first. What stands twice counts once.
    pub(crate) fn of(definition: &Definition) -> Self {
        let mut room = Room { left: MAX_BYTES, seen: BTreeSet::new() };
        let listed = LISTS.iter().filter_map(|key| definition.extra.get(*key)?.as_array()).flatten();
        let names: Vec<_> = definition.integration.iter().map(|target| &target.name).collect();
        let shared = definition.integration.iter().map(|target| without(&target.text, &names));
        Self {
            topics: room.take(listed.filter_map(Value::as_str).map(str::to_owned)),
            headings: room.take(definition.headings.iter().cloned()),
            shared: room.take(shared),
            items: room.take(definition.items.iter().map(|item| without(item, &names))),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How much may still be taken, and what was.
struct Room {
    left: usize,
    seen: BTreeSet<String>,
}

impl Room {
    fn take(&mut self, texts: impl Iterator<Item = String>) -> Vec<String> {
        texts.filter(|text| self.fits(text)).collect()
    }

    fn fits(&mut self, text: &str) -> bool {
        let normal = normalise(text);
        let Some(left) = self.left.checked_sub(text.len()) else { return false };
        if normal.is_empty() || !self.seen.insert(normal) {
            return false;
        }
        self.left = left;
        true
    }
}

/// A text without the names of agents: what they are called says nothing of the agent that names them.
fn without(text: &str, names: &[&Name]) -> String {
    let is_name = |word: &&str| names.iter().any(|name| word.contains(name.as_str()));
    text.split_whitespace().filter(|word| !is_name(word)).collect::<Vec<_>>().join(" ")
}
