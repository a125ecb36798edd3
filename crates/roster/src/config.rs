//! `agentbus.toml`: what the owner of a bus says about its agents, over what their files say.
//!
//! `[agents."NAME"]` takes the keys of the `bus:` block and wins over it; `[defaults]` takes the same
//! keys, but those that belong to one agent only, and fills what neither says; `[aliases]` says who goes by a
//! name that no agent has; `[delegation]` says which agents may be asked though they cost money. Reads and checks; where the file is looked for is the command line's business.
//! Next: `aliases.rs`, `delegation.rs`, and `bus.rs`, which lays block over block.

mod aliases;
mod delegation;
mod places;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use protocol::Name;
use toml::de::DeTable;

pub use self::delegation::MayCost;
use self::{aliases::Aliases, places::Places};
use crate::{
    Bus, Definition, Diagnostic, Place,
    diagnostic::Report,
    load::{self, MAX_FILE_BYTES},
    read::{Entry, Value},
};

/// What stands in an `agentbus.toml`. The default is an empty one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    file: PathBuf,
    defaults: Bus,
    agents: BTreeMap<Name, (Place, Bus)>,
    aliases: Aliases,
    may_cost: MayCost,
}

/// The tables of the file.
const TABLES: &str = "[defaults], [agents.\"NAME\"], [aliases] and [delegation]";

/// Keys that name one agent, or something that only one agent may have.
const OF_ONE: [&str; 3] = ["aliases", "delegates", "probes"];

impl Config {
    /// Reads a file. What is right is taken, and each finding says where the rest is wrong. A file
    /// that cannot be read is a finding, too (`unreadable`).
    #[must_use]
    pub fn read(path: &Path) -> (Self, Vec<Diagnostic>) {
        let refused = |code, why: String| {
            let message = format!("{}: {why}", path.display());
            (Self::default(), vec![Diagnostic::error(code, path, Place::START, message)])
        };
        match fs::metadata(path) {
            Ok(found) if !found.is_file() => return refused("unreadable", "not a file".to_owned()),
            Ok(found) if found.len() > MAX_FILE_BYTES as u64 => return refused("too_large", "larger than 1 MiB".to_owned()),
            _ => {}
        }
        match fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => Self::parse(path, &text),
            Ok(Err(_)) => refused("not_utf8", "not UTF-8".to_owned()),
            Err(error) => refused("unreadable", error.to_string()),
        }
    }

    /// The same for a text; `path` is used in findings only.
    #[must_use]
    pub fn parse(path: &Path, text: &str) -> (Self, Vec<Diagnostic>) {
        let mut report = Report::new(path);
        let mut config = Self { file: path.to_owned(), ..Self::default() };
        let places = Places(text);
        match DeTable::parse(text) {
            Ok(table) => config.tables(places.entries(table.get_ref()), &mut report),
            Err(error) => report.error("bad_toml", places.of(error.span().unwrap_or_default()), first_line(error.message())),
        }
        (config, report.finish())
    }

    /// Lays the configuration over and under the definitions. A table or an alias for an agent that is not among
    /// them is a warning (`unknown_agent`), and so is an alias that is an agent's own name (`alias_clash`).
    pub fn apply(&self, definitions: &mut [Definition]) -> Vec<Diagnostic> {
        for definition in definitions.iter_mut() {
            let own = self.agents.get(&definition.name).map(|(_, bus)| bus.clone()).unwrap_or_default();
            definition.bus = own.over(std::mem::take(&mut definition.bus)).over(self.defaults.clone());
            definition.bus.may_cost = self.may_cost.clone();
        }
        let known = |name: &Name| definitions.iter().any(|definition| definition.name == *name);
        let strangers = self.agents.iter().filter(|(name, _)| !known(name));
        let warn = |(name, (place, _)): (&Name, &(Place, Bus))| {
            let message = format!("there is no agent '{name}'");
            Diagnostic::warning("unknown_agent", &self.file, *place, message)
                .hint("names are case-sensitive, and aliases do not count here")
        };
        let mut found: Vec<_> = strangers.map(warn).collect();
        found.extend(self.aliases.apply(&self.file, definitions));
        load::introduce(definitions);
        found
    }

    fn tables(&mut self, entries: Vec<Entry>, report: &mut Report) {
        for entry in entries {
            match (entry.key.as_str(), entry.value.value) {
                ("defaults", Value::Map(keys)) => self.defaults = defaults(keys, report),
                ("agents", Value::Map(agents)) => agents.into_iter().for_each(|agent| self.agent(agent, report)),
                ("aliases", Value::Map(aliases)) => self.aliases = Aliases::of(aliases, report),
                ("delegation", Value::Map(keys)) => self.may_cost = MayCost::of(keys, report),
                ("defaults" | "agents" | "aliases" | "delegation", _) => {
                    report.error("wrong_type", entry.value.place, format!("'{}' must be a table", entry.key))
                }
                _ => {
                    report.error("unknown_key", entry.key_place, format!("there is no table '{}' here", entry.key));
                    report.hint(format!("use {TABLES}"));
                }
            }
        }
    }

    fn agent(&mut self, entry: Entry, report: &mut Report) {
        let name: Name = match entry.key.parse() {
            Ok(name) => name,
            Err(why) => return report.error("bad_name", entry.key_place, format!("'{}': {why}", entry.key)),
        };
        let Value::Map(keys) = entry.value.value else {
            report.error("wrong_type", entry.value.place, format!("'agents' holds tables, and '{}' is none", entry.key));
            return report.hint("write [agents.\"NAME\"], with quotes where the name has dots");
        };
        let bus = Bus::of(keys, &format!("agents.\"{name}\""), report);
        self.agents.insert(name, (entry.key_place, bus));
    }
}

fn defaults(keys: Vec<Entry>, report: &mut Report) -> Bus {
    let (of_one, keys): (Vec<_>, Vec<_>) = keys.into_iter().partition(|entry| OF_ONE.contains(&entry.key.as_str()));
    for entry in of_one {
        report.error("unknown_key", entry.key_place, format!("'{}' belongs to one agent, and cannot be a default", entry.key));
        report.hint("write it under [agents.\"NAME\"]");
    }
    Bus::of(keys, "defaults", report)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("not TOML")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Handler;

    fn parse(text: &str) -> (Config, Vec<String>) {
        let (config, found) = Config::parse(Path::new("agentbus.toml"), text);
        (config, found.iter().map(Diagnostic::to_string).collect())
    }

    fn definition(text: &str) -> Definition {
        crate::parse(Path::new("a.md"), text).0.unwrap()
    }

    #[test]
    fn the_agents_table_wins_over_the_file_and_defaults_fill_the_rest() {
        let (config, found) = parse(
            r#"
            [defaults]
            lease = "1m"
            capacity = 2
            handler = "exec"
            limits = { time = "5m", output = "1MiB" }

            [agents."a.b"]
            command = ["./own", "--x"]
            capacity = 9
            limits = { time = "2m" }
            probes = { "team.size" = { command = "wc -l STAFF", ttl = "1h", kind = "evidence" } }
            "#,
        );
        assert!(found.is_empty(), "{found:?}");
        let mut agents = [
            definition("---\nname: a.b\nbus: {capacity: 5, command: other, stall: 3m}\n---\n"),
            definition("---\nname: c\nbus: {handler: context}\n---\n"),
        ];
        assert!(config.apply(&mut agents).is_empty());
        let [first, second] = agents.map(|agent| agent.bus);
        assert_eq!((first.capacity(), first.lease().as_secs(), first.handler()), (9, 60, Handler::Exec));
        assert_eq!(first.command.unwrap().to_string(), "./own --x");
        assert_eq!(first.stall.unwrap().as_secs(), 180);
        let limits = first.limits.unwrap();
        assert_eq!((limits.time.unwrap().as_secs(), limits.output()), (120, 1 << 20));
        assert_eq!(first.probes.unwrap().len(), 1);
        assert_eq!((second.capacity(), second.handler(), second.command), (2, Handler::Context, None));
    }

    #[rstest::rstest]
    #[case("[default]\n", "1:2: error[unknown_key]: there is no table 'default' here")]
    #[case("\n[defaults]\nhandlr = 'exec'\n", "3:1: error[unknown_key]: 'defaults' has no key 'handlr'")]
    #[case("[defaults]\naliases = ['x']\n", "2:1: error[unknown_key]: 'aliases' belongs to one agent")]
    #[case("[agents.'a b']\n", "1:9: error[bad_name]: 'a b'")]
    #[case("[agents.x]\n capacity = 'é' # é\n", "2:13: error[bad_bus]: 'capacity'")]
    #[case("[agents.x]\nlimits = {memory = 'lots'}\n", "2:10: error[bad_bus]: 'limits': 'lots' is not a size")]
    #[case("agents = 1\n", "1:10: error[wrong_type]: 'agents' must be a table")]
    #[case("[agents]\nx = 1\n", "2:5: error[wrong_type]")]
    #[case("[agents.x]\n[agents.x]\n", "2:9: error[bad_toml]: duplicate key")]
    #[case("[agents", "1:8: error[bad_toml]")]
    fn a_finding_says_where(#[case] text: &str, #[case] says: &str) {
        let (_, found) = parse(text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found.iter().all(|found| found.starts_with(&format!("agentbus.toml:{says}"))), "{found:?}");
    }

    #[test]
    fn what_is_right_is_taken_though_something_is_wrong() {
        let (config, found) = parse("[agents.x]\ncapacity = 3\nno = 1\n[agents.y]\nlease = '9s'\n");
        assert_eq!((found.len(), config.agents.len()), (1, 2));
        assert_eq!(parse("\u{feff}# nothing\r\n").1, [""; 0]);
    }

    #[test]
    fn a_table_for_nobody_is_a_warning() {
        let (config, _) = parse("[agents.x]\n\n[agents.X]\n");
        let warnings = config.apply(&mut [definition("---\nname: x\n---\n")]);
        let brief: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(brief, ["agentbus.toml:3:9: warning[unknown_agent]: there is no agent 'X'"]);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_a_finding() {
        let folder = tempfile::tempdir().unwrap();
        let code = |path: &Path| Config::read(path).1.first().map(|found| found.code);
        assert_eq!(code(&folder.path().join("none.toml")), Some("unreadable"));
        assert_eq!(code(folder.path()), Some("unreadable"));
        fs::write(folder.path().join("bad.toml"), [0xff]).unwrap();
        assert_eq!(code(&folder.path().join("bad.toml")), Some("not_utf8"));
        fs::write(folder.path().join("good.toml"), "").unwrap();
        assert_eq!(code(&folder.path().join("good.toml")), None);
    }
}
