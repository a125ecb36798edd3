//! Checks that need all definitions at once, and that loading does not make: what is allowed, but
//! probably not meant.

use std::collections::{BTreeMap, BTreeSet};

use protocol::Name;

use crate::{Definition, Diagnostic, Loaded, Roster, load::names};

/// Further findings about what was loaded; those of loading itself are not repeated. In the order of the
/// definitions and, within each, of the file.
///
/// Errors: `alias_clash`, a name that two agents go by. Warnings: `unknown_target`, an integration list names
/// nobody who is there; `foreign_example`, an example is written in another agent's name;
/// `no_description`.
#[must_use]
pub fn lint(loaded: &Loaded) -> Vec<Diagnostic> {
    let roster = Roster::new(loaded.definitions.iter().map(Definition::card));
    let owners = owners(&loaded.definitions);
    let mut found = Vec::new();
    for definition in &loaded.definitions {
        let mut own = Vec::new();
        description(definition, &mut own);
        aliases(definition, &owners, &mut own);
        examples(definition, &mut own);
        targets(definition, &roster, &mut own);
        own.sort_by_key(|finding| finding.place);
        found.extend(own);
    }
    found
}

type Owners<'a> = BTreeMap<&'a Name, BTreeSet<&'a Name>>;

/// Who goes by each name.
fn owners(definitions: &[Definition]) -> Owners<'_> {
    let mut owners = Owners::new();
    for definition in definitions {
        for name in names(definition) {
            owners.entry(name).or_default().insert(&definition.name);
        }
    }
    owners
}

fn description(definition: &Definition, found: &mut Vec<Diagnostic>) {
    if definition.description.is_empty() {
        let message = format!("'{}' has no description", definition.name);
        let finding = Diagnostic::warning("no_description", &definition.path, definition.place("name"), message);
        found.push(finding.hint("say what it is for: queries find it by these words"));
    }
}

fn aliases(definition: &Definition, owners: &Owners<'_>, found: &mut Vec<Diagnostic>) {
    for alias in definition.bus.aliases.iter().flatten() {
        let others = owners.get(alias).into_iter().flatten().filter(|owner| ***owner != definition.name);
        let others: Vec<_> = others.map(|owner| owner.as_str()).collect();
        if !others.is_empty() {
            let message = format!("the alias '{alias}' is also a name of {}", others.join(", "));
            let finding = Diagnostic::error("alias_clash", &definition.path, definition.place("bus"), message);
            found.push(finding.hint("a query to this name cannot know whom it means: rename one"));
        }
    }
}

fn examples(definition: &Definition, found: &mut Vec<Diagnostic>) {
    let queries = definition.context_queries.iter().map(|example| (&example.query.requesting_agent, example.place));
    let progress = definition.progress.iter().map(|example| (&example.progress.agent, example.place));
    for (writer, place) in queries.chain(progress).filter(|(writer, _)| **writer != definition.name) {
        let message = format!("this example is written in the name of '{writer}', not of '{}'", definition.name);
        found.push(Diagnostic::warning("foreign_example", &definition.path, place, message));
    }
}

fn targets(definition: &Definition, roster: &Roster, found: &mut Vec<Diagnostic>) {
    for target in definition.integration.iter().filter(|target| roster.resolve(&target.name).is_none()) {
        let message = format!("works with '{}', but no agent goes by that name", target.name);
        let mut finding = Diagnostic::warning("unknown_target", &definition.path, target.place, message);
        if let Some(nearest) = roster.nearest(target.name.as_str(), 1).first() {
            finding = finding.hint(format!("the nearest name is {nearest}"));
        }
        found.push(finding);
    }
}
