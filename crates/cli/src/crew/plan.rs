//! What the agents of a process are to be: their definitions with the configuration over them, as they were
//! last found in order.
//!
//! It is loaded once, where a mistake in the configuration starts nothing, and again when files change, where a
//! mistake changes nothing. It says what is wrong, and says it once. Next: `reload.rs`.

use std::{collections::BTreeSet, path::Path};

use roster::{Config, Definition, Diagnostic, Loaded};

use super::Agents;
use crate::{failure::Failure, printer, show};

/// The context manager that the product brings.
const CONTEXT_MANAGER: &str = include_str!("../../../../agents/context-manager.md");

/// What the agents are to be.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    agents: Agents,
    loaded: Loaded,
    config: Config,
    /// The configuration was not there in the last look. In the next one, it is gone for good.
    is_missing: bool,
    definitions: Vec<Definition>,
    /// What has been said of all this and still holds.
    said: BTreeSet<String>,
}

impl Plan {
    pub(super) fn make(agents: Agents) -> Result<Self, Failure> {
        let path = agents.config();
        let mut findings = Vec::new();
        let mut config = Config::default();
        if agents.names_config() || path.exists() {
            let read = Config::read(&path);
            let is_wrong = read.1.iter().any(Diagnostic::is_error);
            (config, findings) = (read.0, shown(&read.1));
            if is_wrong {
                findings.iter().for_each(printer::say);
                let message = format!("{} has errors, and nothing is started", path.display());
                return Err(Failure::usage("bad_config", message).hint("'agentbus init' writes a file with every key explained."));
            }
        }
        let loaded = roster::load(&agents.folders());
        let mut plan = Self { agents, loaded, config, is_missing: false, definitions: Vec::new(), said: BTreeSet::new() };
        plan.lay_out(findings);
        Ok(plan)
    }

    /// Loads everything again. What is broken, or away for as long as renaming takes, stays as it was.
    pub(super) fn renew(&mut self) {
        let findings = self.renew_config();
        self.loaded = roster::reload(&self.agents.folders(), &self.loaded);
        self.lay_out(findings);
    }

    /// Whether a second look must show if something is gone for good.
    pub(super) fn is_uncertain(&self) -> bool {
        self.is_missing || !self.loaded.missing.is_empty()
    }

    /// The definitions as they are to run, the built-in context-manager among them.
    pub(crate) fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    pub(super) fn into_definitions(self) -> Vec<Definition> {
        self.definitions
    }

    fn renew_config(&mut self) -> Vec<String> {
        let path = self.agents.config();
        if !self.agents.names_config() && path.try_exists().is_ok_and(|exists| !exists) {
            let is_gone = self.is_missing || self.config == Config::default();
            self.is_missing = !is_gone;
            if is_gone {
                self.config = Config::default();
            }
            return Vec::new();
        }
        self.is_missing = false;
        let (config, found) = Config::read(&path);
        let mut findings = shown(&found);
        if found.iter().any(Diagnostic::is_error) {
            findings.push(format!("warning: the configuration goes on as it was, until {} is mended", path.display()));
        } else {
            self.config = config;
        }
        findings
    }

    /// Lays the configuration over the definitions, and says what was not said before. The built-in context-manager
    /// always runs; a file of that name takes the place of its text, and of what it says in its `bus:` block.
    fn lay_out(&mut self, mut findings: Vec<String>) {
        findings.extend(shown(&self.loaded.diagnostics));
        let broken = self.loaded.kept.difference(&self.loaded.missing);
        findings.extend(broken.map(|agent| format!("warning: {agent} goes on as it was defined before, until its file is mended")));
        let mut definitions = self.loaded.definitions.clone();
        let manager = roster::parse(Path::new("context-manager.md (built in)"), CONTEXT_MANAGER).0;
        if let Some(manager) = manager {
            match definitions.iter_mut().find(|definition| definition.name == manager.name) {
                Some(own) => own.bus = std::mem::take(&mut own.bus).over(manager.bus),
                None => definitions.push(manager),
            }
        }
        findings.extend(shown(&self.config.apply(&mut definitions)));
        findings.iter().filter(|finding| !self.said.contains(*finding)).for_each(printer::say);
        self.said = findings.into_iter().collect();
        self.definitions = definitions;
    }
}

fn shown(found: &[Diagnostic]) -> Vec<String> {
    found.iter().map(|finding| show::plain(&finding.to_string())).collect()
}
