//! `agentbus list`: the queries of the bus, newest first.

use std::process::ExitCode;

use agentbus::{Name, State, Summary};
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use jiff::Timestamp;

use crate::{
    bus,
    failure::Failure,
    options::{From, Global},
    printer, show,
};

/// The longest request type in the table, in characters.
const TYPE: usize = 32;

/// Options of `list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    from: From,
    /// Only queries in this state
    #[arg(long, value_name = "STATE", value_parser = states())]
    state: Option<State>,
    /// Only queries that this agent works on or answered
    #[arg(long, value_name = "NAME")]
    agent: Option<Name>,
    /// How many at most, up to 1000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Print them as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl List {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let bus = bus::connect(global, self.from.from).await?;
        let queries = bus.list(self.state, self.agent.as_ref(), self.limit.into()).await?;
        bus.close().await;
        if self.json {
            printer::json(&queries);
            return Ok(ExitCode::SUCCESS);
        }
        if queries.is_empty() {
            let all = self.state.is_none() && self.agent.is_none();
            printer::say(if all {
                "no query yet; ask one: agentbus ask --type get_project_context \"Context needed: languages, tests\""
            } else {
                "no such query"
            });
            return Ok(ExitCode::SUCCESS);
        }
        let header = ["id", "state", "age", "type", "requester", "agent", "waits for"];
        let now = Timestamp::now();
        printer::data(show::table(header, 3, queries.iter().map(|query| row(query, now))));
        if queries.len() == usize::from(self.limit) {
            printer::say(format!("the newest {}; there may be more: --limit N", self.limit));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(query: &Summary, now: Timestamp) -> [String; 7] {
    [
        query.id.to_string(),
        query.state.to_string(),
        show::age(query.posted_at, now),
        query.request_type.as_deref().map_or_else(|| "?".to_owned(), |request_type| show::cut(&show::plain(request_type), TYPE)),
        query.requester.to_string(),
        query.agent.as_ref().map(Name::to_string).unwrap_or_default(),
        query.waiting_for.as_deref().map(show::plain).unwrap_or_default(),
    ]
}

fn states() -> impl TypedValueParser<Value = State> {
    PossibleValuesParser::new(State::ALL.map(State::as_str)).try_map(|text| text.parse::<State>())
}
