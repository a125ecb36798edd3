//! The table `[delegation]`: which agents may be asked of the bus's own accord though they may cost money. Only the
//! owner of the bus says so: a definition that comes with a repository cannot.

use std::collections::BTreeSet;

use protocol::Name;
use serde_json::Value as Json;

use crate::{
    Handler,
    diagnostic::Report,
    read::{Entry, Node, Value},
};

/// Which of the agents that may cost money a delegating agent may ask. An agent may cost money if its handler calls
/// a model (`llm`, `claude-code`) or somebody else's service (`http`, `synadia`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MayCost {
    /// None of them.
    #[default]
    Nobody,
    /// These, by their own names.
    Only(BTreeSet<Name>),
    /// All of them.
    Anybody,
}

impl MayCost {
    /// Whether an agent may be asked whose card names this handler.
    #[must_use]
    pub fn allows(&self, agent: &Name, handler: &str) -> bool {
        let costs = handler.parse().is_ok_and(|handler| COSTLY.contains(&handler));
        match self {
            _ if !costs => true,
            Self::Nobody => false,
            Self::Only(agents) => agents.contains(agent),
            Self::Anybody => true,
        }
    }

    /// Reads the table.
    pub(super) fn of(entries: Vec<Entry>, report: &mut Report) -> Self {
        let mut may_cost = Self::Nobody;
        for entry in entries {
            if entry.key == "may_cost" {
                may_cost = Self::read(&entry.value, report);
            } else {
                report.error("unknown_key", entry.key_place, format!("'delegation' has no key '{}'", entry.key));
                report.hint("use may_cost");
            }
        }
        may_cost
    }

    fn read(node: &Node, report: &mut Report) -> Self {
        match &node.value {
            Value::Scalar(Json::Bool(true), _) => Self::Anybody,
            Value::Scalar(Json::Bool(false), _) => Self::Nobody,
            Value::List(items) => Self::Only(items.iter().filter_map(|item| name(item, report)).collect()),
            _ => {
                report.error("wrong_type", node.place, "'may_cost' must be true, false or a list of agents");
                Self::Nobody
            }
        }
    }
}

/// The handlers of which nobody here knows what a query costs.
const COSTLY: [Handler; 4] = [Handler::Llm, Handler::ClaudeCode, Handler::Http, Handler::Synadia];

fn name(item: &Node, report: &mut Report) -> Option<Name> {
    let text = item.text().unwrap_or_default();
    text.parse().map_err(|why| report.error("bad_name", item.place, format!("'{text}': {why}"))).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;
    use crate::{Config, Diagnostic};

    fn applied(text: &str) -> (MayCost, Vec<String>) {
        let (config, found) = Config::parse(Path::new("agentbus.toml"), text);
        let mut definitions = [crate::parse(Path::new("a.md"), "---\nname: a\nbus: {delegates: true}\n---\n").0.unwrap()];
        let _ = config.apply(&mut definitions);
        let [definition] = definitions;
        assert!(definition.bus.delegates());
        (definition.bus.may_cost, found.iter().map(Diagnostic::to_string).collect())
    }

    #[rstest::rstest]
    #[case::nothing("", [false, false, true])]
    #[case::no("[delegation]\nmay_cost = false\n", [false, false, true])]
    #[case::yes("[delegation]\nmay_cost = true\n", [true, true, true])]
    #[case::some("[delegation]\nmay_cost = [\"writer\"]\n", [true, false, true])]
    fn who_may_cost_money_is_said_in_the_configuration(#[case] text: &str, #[case] allowed: [bool; 3]) {
        let (may_cost, found) = applied(text);
        assert_eq!(found, [""; 0]);
        let allows = |(agent, handler): (&str, &str)| may_cost.allows(&agent.parse().unwrap(), handler);
        assert_eq!([("writer", "llm"), ("coder", "claude-code"), ("coder", "exec")].map(allows), allowed);
    }

    #[test]
    fn a_definition_cannot_allow_it_itself() {
        let (definition, found) = crate::parse(Path::new("a.md"), "---\nname: a\nbus: {may_cost: true}\n---\n");
        assert_eq!((definition, found.iter().map(|finding| finding.code).collect::<Vec<_>>()), (None, vec!["unknown_key"]));
    }

    #[rstest::rstest]
    #[case("[delegation]\nmaycost = true\n", "2:1: error[unknown_key]: 'delegation' has no key 'maycost'")]
    #[case("[delegation]\nmay_cost = 'writer'\n", "2:12: error[wrong_type]: 'may_cost' must be true, false or a list of agents")]
    #[case("[delegation]\nmay_cost = ['a b']\n", "2:13: error[bad_name]: 'a b'")]
    #[case("delegation = true\n", "1:14: error[wrong_type]: 'delegation' must be a table")]
    fn a_finding_says_where(#[case] text: &str, #[case] says: &str) {
        let (may_cost, found) = applied(text);
        assert_eq!((found.len(), may_cost.allows(&"a".parse().unwrap(), "llm")), (1, false), "{found:?}");
        assert!(found.iter().all(|found| found.starts_with(&format!("agentbus.toml:{says}"))), "{found:?}");
    }
}
