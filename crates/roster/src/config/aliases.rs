//! The table `[aliases]`: names that no agent has, and who goes by them. The owner of the bus says so, never a
//! guess: a name that is not here and nobody's alias finds nobody.

use std::{collections::BTreeMap, path::Path};

use protocol::Name;

use crate::{
    Definition, Diagnostic, Place,
    diagnostic::Report,
    load,
    read::{Entry, Value},
};

/// Each alias with its place, the agent that it stands for, and where that is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Aliases(BTreeMap<Name, (Place, Name, Place)>);

impl Aliases {
    pub(super) fn of(entries: Vec<Entry>, report: &mut Report) -> Self {
        let mut aliases = Self::default();
        for entry in entries {
            let (alias, place) = (name(&entry.key, entry.key_place, report), entry.value.place);
            let Value::Text(text) = entry.value.value else {
                report.error("wrong_type", place, format!("'{}' must be the name of an agent", entry.key));
                report.hint("write \"name-nobody-has\" = \"agent\"");
                continue;
            };
            if let (Some(alias), Some(agent)) = (alias, name(&text, place, report)) {
                aliases.0.insert(alias, (entry.key_place, agent, place));
            }
        }
        aliases
    }

    /// Gives each alias to its agent. A definition that claims the same alias loses it: this file wins.
    pub(super) fn apply(&self, file: &Path, definitions: &mut [Definition]) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for (alias, (place, agent, agent_place)) in &self.0 {
            if definitions.iter().any(|definition| definition.name == *alias) {
                let message = format!("'{alias}' is an agent itself, and queries to it stay there");
                found.push(Diagnostic::warning("alias_clash", file, *place, message).hint("an alias is a name that no agent has"));
            } else if definitions.iter().any(|definition| definition.name == *agent) {
                definitions.iter_mut().for_each(|definition| give(alias, agent, definition));
            } else {
                found.push(unknown(file, *agent_place, agent, definitions));
            }
        }
        found
    }
}

fn give(alias: &Name, agent: &Name, definition: &mut Definition) {
    if definition.name == *agent {
        return definition.bus.add_aliases([alias.clone()]);
    }
    if let Some(aliases) = &mut definition.bus.aliases {
        aliases.retain(|claimed| claimed != alias);
    }
}

fn unknown(file: &Path, place: Place, agent: &Name, definitions: &[Definition]) -> Diagnostic {
    let finding = Diagnostic::warning("unknown_agent", file, place, format!("there is no agent '{agent}'"));
    match definitions.iter().find(|definition| load::names(definition).any(|name| name == agent)) {
        Some(owner) => finding.hint(format!("it is an alias of {0}: write \"{0}\"", owner.name)),
        None => finding.hint("an alias stands for an agent by its own name; names are case-sensitive"),
    }
}

fn name(text: &str, place: Place, report: &mut Report) -> Option<Name> {
    text.parse().map_err(|why| report.error("bad_name", place, format!("'{text}': {why}"))).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Config, Roster};

    const QA: &str = "---\nname: qa-expert\ndescription: Tests.\naliases: [tester, checker]\n---\n";
    const SRE: &str = "---\nname: sre\naliases: pager\nbus: {aliases: [ops]}\n---\n\nIntegration with other agents:\n- Ask debugger on x\n- Work with qa-lead on y\n";

    fn definitions() -> Vec<Definition> {
        [QA, SRE].map(|text| crate::parse(Path::new("a.md"), text).0.unwrap()).into()
    }

    fn apply(text: &str) -> (Vec<Definition>, Vec<String>) {
        let (config, mut found) = Config::parse(Path::new("agentbus.toml"), text);
        let mut definitions = definitions();
        found.extend(config.apply(&mut definitions));
        (definitions, found.iter().map(Diagnostic::to_string).collect())
    }

    fn resolve(definitions: &[Definition], text: &str) -> Option<String> {
        let roster = Roster::new(definitions.iter().map(Definition::card));
        roster.resolve(&text.parse().unwrap()).map(|card| card.agent.to_string())
    }

    #[test]
    fn a_definition_names_its_aliases_at_the_top_or_in_its_block() {
        let found = ["tester", "checker", "pager", "ops"].map(|alias| resolve(&definitions(), alias));
        assert_eq!(found.map(Option::unwrap), ["qa-expert", "qa-expert", "sre", "sre"]);
        let bad = crate::parse(Path::new("a.md"), "---\nname: a\naliases: [b, any]\n---\n").1;
        assert_eq!(bad.iter().map(|finding| (finding.code, finding.place.line)).collect::<Vec<_>>(), [("bad_name", 3)]);
    }

    #[test]
    fn a_mapped_name_is_an_alias_and_nothing_else_is() {
        let (definitions, found) = apply("[aliases]\n\"qa-lead\" = \"qa-expert\"\ntester = 'sre'\n");
        assert_eq!(found, [""; 0]);
        assert_eq!(resolve(&definitions, "qa-lead").as_deref(), Some("qa-expert"));
        assert_eq!(resolve(&definitions, "tester").as_deref(), Some("sre"), "this file wins over a definition");
        assert_eq!(resolve(&definitions, "checker").as_deref(), Some("qa-expert"));
        assert_eq!(resolve(&definitions, "qa-leads"), None);
    }

    #[test]
    fn a_target_that_is_mapped_does_not_dangle() {
        let dangling = |text: &str| {
            let loaded = crate::Loaded { definitions: apply(text).0, ..crate::Loaded::default() };
            crate::lint(&loaded).iter().filter(|finding| finding.code == "unknown_target").count()
        };
        assert_eq!((dangling(""), dangling("[aliases]\nqa-lead = 'qa-expert'\n")), (1, 0));
        // A plain word is a target only where it is known to be a name.
        let (definitions, _) = apply("[aliases]\ndebugger = 'qa-expert'\n");
        assert!(definitions.iter().any(|definition| definition.integration.iter().any(|target| target.name.as_str() == "debugger")));
    }

    #[rstest::rstest]
    #[case("[aliases]\nlead = 'nobody'\n", "2:8: warning[unknown_agent]: there is no agent 'nobody'")]
    #[case("[aliases]\nlead = 'tester'\n", "2:8: warning[unknown_agent]: there is no agent 'tester'")]
    #[case("[aliases]\nsre = 'qa-expert'\n", "2:1: warning[alias_clash]: 'sre' is an agent itself")]
    #[case("[aliases]\n'a b' = 'sre'\n", "2:1: error[bad_name]: 'a b'")]
    #[case("[aliases]\nany = 'sre'\n", "2:1: error[bad_name]: 'any'")]
    #[case("[aliases]\nlead = ['sre']\n", "2:8: error[wrong_type]: 'lead' must be the name of an agent")]
    #[case("aliases = 'x'\n", "1:11: error[wrong_type]: 'aliases' must be a table")]
    fn a_finding_says_where(#[case] text: &str, #[case] says: &str) {
        let (_, found) = apply(text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found.iter().all(|found| found.starts_with(&format!("agentbus.toml:{says}"))), "{found:?}");
    }
}
