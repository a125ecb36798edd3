//! `agentbus reply`: gives an agent the input that it waits for.

use std::process::ExitCode;

use agentbus::{Name, QueryId};
use clap::Args;
use serde_json::{Value, json};

use crate::{bus, failure::Failure, options::Global, printer};

/// Options of `reply`.
#[derive(Debug, Args)]
pub(crate) struct Reply {
    /// The query whose agent asks
    id: QueryId,
    /// The reply, or - for standard input
    #[arg(required_unless_present = "value")]
    text: Option<String>,
    /// The reply as JSON, where more than a text is wanted
    #[arg(long, value_name = "JSON", value_parser = value, conflicts_with = "text")]
    value: Option<Value>,
    /// Which question, by its number. Default: the only one that is open
    #[arg(long, value_name = "N")]
    question: Option<u32>,
    /// As whom to reply. Default: the query's requester, who alone may
    #[arg(long, value_name = "NAME", env = "AGENTBUS_NAME", hide_env_values = true)]
    from: Option<Name>,
    /// Print id and question as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Reply {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let reply = match (self.value, self.text) {
            (Some(value), _) => value,
            (None, text) => {
                let text = super::text(text.unwrap_or_default()).await?;
                if text.trim().is_empty() {
                    return Err(Failure::usage("empty_text", "a reply needs words").hint("To reply with an empty text: --value '\"\"'"));
                }
                text.into()
            }
        };
        let bus = match self.from {
            Some(name) => bus::connect(global, name).await?,
            None => bus::as_requester(global, self.id).await?,
        };
        let question = bus.reply(self.id, self.question, reply).await?;
        bus.close().await;
        if self.json {
            printer::json(&json!({ "id": self.id, "question": question }));
        } else {
            printer::say(format!("replied to question {question}; what becomes of it: agentbus ask --id {}", self.id));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn value(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("this is no JSON: {error}"))
}
