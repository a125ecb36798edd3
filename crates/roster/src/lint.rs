//! Checks that need all definitions at once, and that loading does not make: what is allowed, but
//! probably not meant.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use protocol::Name;

use crate::{Definition, Diagnostic, Loaded, Place, Roster, diagnostic::in_order, load::names, roster::likeness};

/// Further findings about what was loaded; those of loading itself are not repeated. In the order of the
/// definitions and, within each, of the file.
///
/// Errors: `alias_clash`, an alias that is another agent's name. Warnings: `alias_shared`, an alias of several
/// agents, of which the first by name gets the queries; `unknown_target`, an integration list names nobody who is there; `foreign_example`, an example is written in another agent's name;
/// `no_description`.
#[must_use]
pub fn lint(loaded: &Loaded) -> Vec<Diagnostic> {
    let known = Known {
        roster: Roster::new(loaded.definitions.iter().map(Definition::card)),
        owners: owners(&loaded.definitions),
        alike: RefCell::default(),
    };
    let mut found = Vec::new();
    for definition in &loaded.definitions {
        let mut own = Vec::new();
        description(definition, &mut own);
        aliases(definition, &known.owners, &mut own);
        examples(definition, &mut own);
        targets(definition, &known, &mut own);
        found.extend(in_order(own));
    }
    found
}

/// From which likeness on a name may be what the author meant.
const ALIKE: f64 = 0.7;

/// How often names are compared: one that nobody has, with every agent's. Later ones get no hint.
const COMPARISONS: usize = 100_000;

type Owners<'a> = BTreeMap<&'a Name, BTreeSet<&'a Name>>;

/// What the checks know of all definitions.
struct Known<'a> {
    roster: Roster,
    owners: Owners<'a>,
    /// For each name that nobody has, the one that may have been meant.
    alike: RefCell<BTreeMap<Name, Option<Name>>>,
}

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
    let at_the_top = Some(definition.place("aliases")).filter(|place| *place != Place::START);
    let place = at_the_top.unwrap_or_else(|| definition.place("bus"));
    for alias in definition.bus.aliases.iter().flatten() {
        let Some(claimants) = owners.get(alias) else { continue };
        let others: Vec<_> = claimants.iter().filter(|owner| ***owner != definition.name).map(|owner| owner.as_str()).collect();
        let Some(first) = claimants.first().filter(|_| !others.is_empty()) else { continue };
        found.push(if claimants.contains(alias) {
            let message = format!("the alias '{alias}' is the name of another agent, to which queries go");
            Diagnostic::error("alias_clash", &definition.path, place, message).hint("drop the alias, or rename the agent")
        } else {
            let message = format!("the alias '{alias}' is also one of {}", others.join(", "));
            let hint = format!("queries to it go to {first}, the first by name; [aliases] in agentbus.toml says whom it means");
            Diagnostic::warning("alias_shared", &definition.path, place, message).hint(hint)
        });
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

fn targets(definition: &Definition, known: &Known<'_>, found: &mut Vec<Diagnostic>) {
    for target in definition.integration.iter().filter(|target| !known.owners.contains_key(&target.name)) {
        let message = format!("works with '{}', but no agent goes by that name", target.name);
        let mut finding = Diagnostic::warning("unknown_target", &definition.path, target.place, message);
        if let Some(nearest) = known.alike(&target.name) {
            finding = finding.hint(format!("the nearest name is {nearest}; [aliases] in agentbus.toml can say who is meant"));
        }
        found.push(finding);
    }
}

impl Known<'_> {
    /// The name that the author may have meant. Remembered, since one name often dangles in many files.
    fn alike(&self, name: &Name) -> Option<Name> {
        let search = || {
            let nearest = self.roster.nearest(name.as_str(), 1).into_iter().next();
            nearest.filter(|nearest| likeness(name.as_str(), nearest) >= ALIKE)
        };
        let mut alike = self.alike.borrow_mut();
        if alike.len() * self.owners.len() >= COMPARISONS && !alike.contains_key(name) {
            return None;
        }
        alike.entry(name.clone()).or_insert_with(search).clone()
    }
}
