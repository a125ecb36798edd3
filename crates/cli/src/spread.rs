//! How far a query spreads: whom it is asked of at once, who takes over where it fails, and what may be spent on its
//! behalf. It says what is typed wrongly; what is wrong with a whole query, the schema says (`options`).

use std::{num::NonZeroU32, time::Duration};

use agentbus::{Budget, Gather, Name, Query, Until};
use clap::Args;

use crate::{failure::Failure, options};

/// Options of `ask` and `post`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Spread {
    /// Ask several agents at once: to=A,B for these, top=N for the N best placed, all for every live one
    #[arg(long, value_name = "WHOM", value_parser = gather, conflicts_with = "to")]
    gather: Option<Gather>,
    /// How many of their answers to wait for: all, first or quorum=N. Default: all
    #[arg(long, value_name = "ANSWERS", value_parser = until, requires = "gather")]
    until: Option<Until>,
    /// When to make do with the answers that there are, as in 30s. Default: when the query expires
    #[arg(long, value_name = "DURATION", value_parser = options::timeout, requires = "gather")]
    gather_timeout: Option<Duration>,
    /// What agents may spend on its behalf, as in queries=20,depth=3,tokens=100000
    #[arg(long, value_name = "LIMITS", value_parser = budget)]
    budget: Option<Budget>,
    /// Let the next best agent take over when its attempts are spent
    #[arg(long)]
    failover: bool,
}

/// The names of these options, for those that exclude them.
pub(crate) const ALL: [&str; 5] = ["gather", "until", "gather_timeout", "budget", "failover"];

impl Spread {
    /// The query with what these options say of it.
    pub(crate) fn of(&self, mut query: Query) -> Result<Query, Failure> {
        query.gather = self.gather()?;
        query.budget.clone_from(&self.budget);
        query.failover = self.failover.then_some(true);
        options::checked(query)
    }

    fn gather(&self) -> Result<Option<Gather>, Failure> {
        let Some(mut gather) = self.gather.clone() else { return Ok(None) };
        gather.until = self.until;
        gather.timeout_ms = self.gather_timeout.map(options::millis);
        let most = gather.to.as_ref().map(Vec::len).or(gather.top.map(|top| top as usize));
        let needed = gather.until().needed();
        if let Some(most) = most.filter(|most| *most < needed) {
            let message = format!("{needed} answers can never come: no more than {most} are asked");
            return Err(Failure::usage("usage", message).hint("Ask more agents, or wait for fewer: --until quorum=N"));
        }
        Ok(Some(gather))
    }
}

fn gather(text: &str) -> Result<Gather, String> {
    let mut gather = Gather::default();
    match text.split_once('=') {
        None if text == "all" => gather.all = true,
        Some(("top", n)) => gather.top = Some(number::<NonZeroU32>(n)?.get()),
        Some(("to", names)) => gather.to = Some(agents(names)?),
        _ => return Err("use to=A,B, top=N or all".to_owned()),
    }
    Ok(gather)
}

fn agents(text: &str) -> Result<Vec<Name>, String> {
    let mut agents = Vec::new();
    for name in text.split(',') {
        let name: Name = name.trim().parse().map_err(|error| format!("'{name}': {error}"))?;
        if agents.contains(&name) {
            return Err(format!("{name} is named twice"));
        }
        agents.push(name);
    }
    Ok(agents)
}

fn until(text: &str) -> Result<Until, String> {
    match text.split_once('=') {
        None if text == "all" => Ok(Until::All),
        None if text == "first" => Ok(Until::First),
        Some(("quorum", n)) => Ok(Until::Quorum(number::<NonZeroU32>(n)?.get())),
        _ => Err("use all, first or quorum=N".to_owned()),
    }
}

fn budget(text: &str) -> Result<Budget, String> {
    let mut budget = Budget::default();
    for limit in text.split(',') {
        match limit.split_once('=').map(|(what, n)| (what.trim(), n)) {
            Some(("queries", n)) => budget.queries = Some(number(n)?),
            Some(("depth", n)) => budget.depth = Some(number(n)?),
            Some(("tokens", n)) => budget.tokens = Some(number(n)?),
            _ => return Err(format!("'{limit}': use queries=N, depth=N and tokens=N, separated by commas")),
        }
    }
    Ok(budget)
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.trim().parse().map_err(|_| format!("'{text}' is no number that can stand here"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn value(typed: Result<impl serde::Serialize, String>) -> Value {
        serde_json::to_value(typed.unwrap()).unwrap()
    }

    #[rstest]
    #[case("all", json!({ "all": true }))]
    #[case("top=3", json!({ "top": 3 }))]
    #[case("to=a", json!({ "to": ["a"] }))]
    #[case("to=a, powershell-5.1-expert", json!({ "to": ["a", "powershell-5.1-expert"] }))]
    fn whom(#[case] typed: &str, #[case] expected: Value) {
        assert_eq!(value(gather(typed)), expected);
    }

    #[rstest]
    #[case("queries=20,depth=3, tokens=100000", json!({ "queries": 20, "depth": 3, "tokens": 100_000 }))]
    #[case("depth=0", json!({ "depth": 0 }))]
    fn what_may_be_spent(#[case] typed: &str, #[case] expected: Value) {
        assert_eq!(value(budget(typed)), expected);
    }

    #[rstest]
    #[case("all", Until::All)]
    #[case("first", Until::First)]
    #[case("quorum=2", Until::Quorum(2))]
    fn how_many(#[case] typed: &str, #[case] expected: Until) {
        assert_eq!(until(typed), Ok(expected));
    }

    #[rstest]
    #[case("")]
    #[case("everybody")]
    #[case("top")]
    #[case("top=-1")]
    #[case("top=0")]
    #[case("top=many")]
    #[case("to=")]
    #[case("to=a,,b")]
    #[case("to=a,a")]
    #[case("to=coordinator")]
    #[case("all=1")]
    #[case("first")]
    #[case("quorum=2.5")]
    #[case("quorum=0")]
    #[case("queries=20;depth=3")]
    #[case("queries=20,")]
    #[case("depth=3m")]
    #[case("dollars=5")]
    fn what_is_none_of_these_is_refused(#[case] typed: &str) {
        assert_eq!((gather(typed).ok(), budget(typed).ok()), (None, None), "{typed}");
        assert!(typed == "first" || until(typed).is_err(), "{typed}");
    }
}
