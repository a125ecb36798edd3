//! `agentbus agents`: who there is, and who of them is live.

use std::process::ExitCode;

use agentbus::{Name, Presence};
use clap::Args;
use protocol::{Instance, Trouble};
use roster::Roster;

use crate::{
    bus,
    failure::{Exit, Failure},
    options::{From, Global},
    printer, show,
};

/// The longest cell of the table, in characters.
const CELL: usize = 72;

/// How many names a hint offers.
const HINTS: usize = 3;

/// Options of `agents`.
#[derive(Debug, Args)]
pub(crate) struct Agents {
    #[command(flatten)]
    from: From,
    /// An agent to show, by name or alias
    name: Option<Name>,
    /// Print them as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Agents {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let bus = bus::connect(global, self.from.from).await?;
        let present = bus.agents().await?;
        bus.close().await;
        match &self.name {
            Some(name) => one(name, &present, self.json)?,
            None if self.json => printer::json(&present),
            None if present.is_empty() => printer::say("no agent is known yet; start some with 'agentbus serve agents --agents DIR'"),
            None => printer::data(show::table(
                ["name", "handler", "live", "load", "trouble", "waiting", "answers", "description"],
                6,
                present.iter().map(row),
            )),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn one(name: &Name, present: &[Presence], json: bool) -> Result<(), Failure> {
    let roster = Roster::new(present.iter().map(|presence| presence.card.clone()));
    let found = roster.resolve(name).and_then(|card| present.iter().find(|presence| presence.card.agent == card.agent));
    match found {
        Some(presence) if json => printer::json(presence),
        Some(presence) => show::card(presence),
        None => return Err(unknown(name, &roster)),
    }
    Ok(())
}

fn unknown(name: &Name, roster: &Roster) -> Failure {
    let nearest: Vec<_> = roster.nearest(name.as_str(), HINTS).iter().map(Name::to_string).collect();
    let hint = match nearest.as_slice() {
        [] => "No agent is known yet.".to_owned(),
        names => format!("The nearest names are {}.", names.join(", ")),
    };
    Failure::new(Exit::Ended, "unknown_agent", format!("no agent goes by the name '{name}'")).hint(hint)
}

fn row(Presence { card, instances, waiting }: &Presence) -> [String; 8] {
    // One that takes no more is on its way out; what it still has in hand counts.
    let live = instances.iter().filter(|one| one.capacity > 0 || one.pulls).count();
    let (load, capacity) = instances.iter().fold((0, 0), |(load, capacity), one| (load + one.load, capacity + one.capacity));
    let short = |text: &str| show::cut(&show::plain(text), CELL);
    [
        card.agent.to_string(),
        short(&card.handler),
        live.to_string(),
        // Who fetches its work has no measure of it.
        if instances.iter().any(|one| !one.pulls) { format!("{load}/{capacity}") } else { load.to_string() },
        trouble(instances),
        waiting.to_string(),
        short(&card.answers.join(", ")),
        short(&card.description),
    ]
}

/// How many instances are in which trouble, as in `1 deaf`; nothing where all is well.
fn trouble(instances: &[Instance]) -> String {
    let told = |trouble: Trouble, word: &str| {
        let count = instances.iter().filter(|one| one.trouble == Some(trouble)).count();
        (count > 0).then(|| format!("{count} {word}"))
    };
    [told(Trouble::Deaf, "deaf"), told(Trouble::Stalled, "stalled")].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn present() -> Vec<Presence> {
        let instance = |load: u8| json!({ "instance": "i7", "capacity": 4, "load": load, "heard_at": "2026-11-21T09:00:00Z" });
        let card =
            json!({ "agent": "qa-expert", "handler": "exec", "aliases": ["tester"], "answers": ["get_a", "get_b"], "description": "a\nb" });
        serde_json::from_value(json!([{ "card": card, "instances": [instance(1), instance(2)], "waiting": 3 }])).unwrap()
    }

    #[test]
    fn a_row_sums_the_instances() {
        assert_eq!(row(present().first().unwrap()), ["qa-expert", "exec", "2", "3/8", "", "3", "get_a, get_b", "a b"]);
    }

    #[test]
    fn an_instance_that_leaves_is_not_live_but_its_work_counts() {
        let mut present = present();
        let presence = present.first_mut().unwrap();
        presence.instances.first_mut().unwrap().capacity = 0;
        assert_eq!(row(presence).get(2..4).unwrap(), ["1", "3/4"]);
    }

    #[test]
    fn who_fetches_its_work_is_live_without_a_measure() {
        let mut present = present();
        let presence = present.first_mut().unwrap();
        presence.instances.iter_mut().for_each(|one| (one.capacity, one.pulls) = (0, true));
        assert_eq!(row(presence).get(2..4).unwrap(), ["2", "3"]);
    }

    #[test]
    fn an_agent_goes_by_its_name_and_aliases_and_no_other() {
        let ask = |name: &str| one(&name.parse().unwrap(), &present(), true);
        assert!(ask("qa-expert").is_ok() && ask("tester").is_ok());
        let failure = format!("{:?}", ask("qa-exprt").unwrap_err());
        assert!(failure.contains("unknown_agent") && failure.contains("qa-expert"), "{failure}");
    }
}
