//! `extends`: a definition takes over the weights of its parent, and of the parent's parents.
//!
//! Weights only, parents first, the child wins. An unknown parent is a warning. A cycle rejects its
//! members, and nobody else.

use std::collections::BTreeMap;

use protocol::Name;

use crate::{Definition, Diagnostic, profile::Weights};

/// Removes the members of cycles, then gives everybody their inherited weights.
pub(crate) fn resolve(definitions: &mut Vec<Definition>, diagnostics: &mut Vec<Diagnostic>) {
    let family = Family::of(definitions);
    definitions.retain(|definition| {
        let Some(cycle) = family.cycle(&definition.name) else { return true };
        let place = definition.place("extends");
        let message = format!("'extends' goes in a circle: {cycle}");
        diagnostics.push(Diagnostic::error("extends_cycle", &definition.path, place, message).hint("break the circle"));
        false
    });
    let family = Family::of(definitions);
    for definition in definitions {
        let Some(parent) = &definition.extends else { continue };
        if !family.0.contains_key(parent) {
            let message = format!("there is no definition '{parent}' to extend; its own weights are kept");
            let place = definition.place("extends");
            diagnostics.push(Diagnostic::warning("unknown_parent", &definition.path, place, message));
        }
        definition.profile.weights = family.weights(&definition.name);
    }
}

/// Who extends whom, with the weights that each has of its own.
struct Family(BTreeMap<Name, (Option<Name>, Option<Weights>)>);

impl Family {
    fn of(definitions: &[Definition]) -> Self {
        let member = |d: &Definition| (d.name.clone(), (d.extends.clone(), d.profile.weights.clone()));
        Self(definitions.iter().map(member).collect())
    }

    /// The definition and those that it extends, nearest first. Ends after one turn of a circle.
    fn line<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a Name> {
        let parent = |name: &&'a Name| self.0.get(*name)?.0.as_ref().filter(|parent| self.0.contains_key(*parent));
        std::iter::successors(Some(name), parent).take(self.0.len() + 1)
    }

    /// The circle that the definition is a member of, as in `a → b → a`.
    fn cycle(&self, name: &Name) -> Option<String> {
        let line: Vec<_> = self.line(name).collect();
        let turn = line.iter().skip(1).position(|ancestor| *ancestor == name)?;
        let turn: Vec<_> = line.iter().take(turn + 2).map(|name| name.as_str()).collect();
        Some(turn.join(" → "))
    }

    fn weights(&self, name: &Name) -> Option<Weights> {
        let own = self.line(name).filter_map(|name| self.0.get(name)?.1.clone());
        own.reduce(|child, parent| child.over(&parent))
    }
}
