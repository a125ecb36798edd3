//! `agentbus inbox progress`, `answer`, `release` and `ask`: what is sent about a query in hand.

use std::{process::ExitCode, time::Duration};

use agentbus::{Done, Fact, FactKey, Fault, Inquiry, QueryId, protocol::Extra};
use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Desk;
use crate::{
    commands::{progress::object, told_to_stop},
    enclosed::Enclosed,
    failure::{Exit, Failure},
    options::duration,
    printer, show,
};

/// Options of `inbox progress`.
#[derive(Debug, Args)]
pub(super) struct Progress {
    /// The query
    id: QueryId,
    /// What you are doing, in a word or two, as in reading
    status: String,
    /// What there is to report: a JSON object of names and values, or - for standard input
    #[arg(value_name = "JSON")]
    fields: Option<String>,
}

/// Options of `inbox answer`.
#[derive(Debug, Args)]
pub(super) struct Answer {
    /// The query
    id: QueryId,
    /// The answer in words, or - for standard input
    text: String,
    /// The answer proper, where it is data
    #[arg(long, value_name = "JSON", value_parser = data)]
    result: Option<Value>,
    #[command(flatten)]
    enclosed: Enclosed,
    /// A fact that you state, as in team.size=12; may be given several times
    #[arg(long = "fact", value_name = "KEY=VALUE", value_parser = fact)]
    facts: Vec<(FactKey, Value)>,
    /// Something that was asked and that you do not know; may be given several times
    #[arg(long = "unknown", value_name = "TOPIC")]
    unknown: Vec<String>,
    /// It failed for good: a stable word that says why, as in not_possible
    #[arg(long, value_name = "CODE", conflicts_with_all = ["result", "files", "facts", "unknown"])]
    failed: Option<String>,
}

/// Options of `inbox release`.
#[derive(Debug, Args)]
pub(super) struct Release {
    /// The query
    id: QueryId,
}

/// Options of `inbox ask`.
#[derive(Debug, Args)]
pub(super) struct Ask {
    /// The query
    id: QueryId,
    /// The question, or - for standard input
    text: String,
    /// A reply to choose from; may be given several times
    #[arg(long = "choice", value_name = "REPLY")]
    choices: Vec<String>,
    /// What you go on with when nobody replies in time
    #[arg(long, value_name = "REPLY")]
    default: Option<String>,
    /// How long to wait for the reply. Default: until the query expires
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait: Option<Duration>,
}

impl Progress {
    pub(super) async fn run(self, Desk { bus, json }: &Desk) -> Result<ExitCode, Failure> {
        let fields = match self.fields {
            Some(fields) => object(&crate::commands::text(fields).await?)?,
            None => Extra::new(),
        };
        bus.taken(self.id).await?.progress(self.status, fields).await?;
        // Read again: the lease begins anew, if it still was in hand.
        let until = bus.taken(self.id).await?.lease_until();
        if *json {
            printer::json(&json!({ "id": self.id, "lease_until": until }));
        } else {
            printer::say(format!("in hand until {}", until.map_or_else(|| "?".to_owned(), show::moment)));
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Answer {
    /// What can be said before anything is sent.
    pub(super) fn check(&self) -> Result<(), Failure> {
        words(&self.text, "an answer needs words", "Say what was delivered, or what you do not know.")?;
        let is_code = |code: &String| {
            code.starts_with(|c: char| c.is_ascii_lowercase())
                && code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        if self.failed.as_ref().is_some_and(|code| !is_code(code)) {
            return Err(Failure::usage("bad_code", "a code is a word of a-z, 0-9 and '_', as in not_possible"));
        }
        Ok(())
    }

    pub(super) async fn run(self, Desk { bus, json }: &Desk) -> Result<ExitCode, Failure> {
        let text = crate::commands::text(self.text).await?;
        words(&text, "standard input was empty, and an answer needs words", "Nothing was sent: it is still in your hands.")?;
        let taken = bus.taken(self.id).await?;
        if let Some(code) = &self.failed {
            taken.fail(Fault::fail(code, text)).await?;
        } else {
            let (now, me, id) = (Timestamp::now(), bus.name(), self.id);
            let fact = |(key, value)| Fact {
                key,
                value,
                kind: agentbus::FactKind::Value,
                source: format!("stated by {me} in answer to {id}"),
                observed_by: me.clone(),
                observed_at: now,
                topics: Vec::new(),
                extra: Extra::new(),
            };
            let facts = self.facts.into_iter().map(fact).collect();
            let attachments = self.enclosed.beside(&taken).await?;
            taken.answer(Done { result: self.result, attachments, facts, unknown: self.unknown, ..Done::new(text) }).await?;
        }
        let outcome = if self.failed.is_some() { "failed" } else { "completed" };
        if *json {
            printer::json(&json!({ "id": self.id, "state": outcome }));
        } else {
            printer::say(format!("{outcome}: the answer is in the ledger, and {} has it", taken.requester()));
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Release {
    pub(super) async fn run(self, Desk { bus, json }: &Desk) -> Result<ExitCode, Failure> {
        bus.taken(self.id).await?.release().await?;
        if *json {
            printer::json(&json!({ "id": self.id }));
        } else {
            printer::say("given back: it waits again, and no attempt is spent");
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Ask {
    /// What can be said before anything is sent.
    pub(super) fn check(&self) -> Result<(), Failure> {
        words(&self.text, "a question needs words", "Say what you need to know.")
    }

    pub(super) async fn run(self, Desk { bus, json }: &Desk) -> Result<ExitCode, Failure> {
        let text = crate::commands::text(self.text).await?;
        words(&text, "standard input was empty, and a question needs words", "Nothing was asked.")?;
        let taken = bus.taken(self.id).await?;
        let mut inquiry = Inquiry::new(text).choices(self.choices);
        inquiry.default = self.default.map(Value::from);
        inquiry.within = self.wait;
        let replied = tokio::select! {
            replied = taken.question(inquiry) => replied?,
            // The question is dropped by now, and so nobody is to reply to it.
            stop = told_to_stop() => {
                stop?;
                return Err(Failure::new(Exit::Ended, "interrupted", "you wait for a reply no longer; the question is withdrawn")
                    .hint(format!("It is still in your hands: agentbus status {}", self.id)));
            }
        };
        if *json {
            printer::json(
                &json!({ "id": self.id, "question": replied.question, "reply": replied.value, "by_default": replied.by_default }),
            );
        } else {
            let reply = replied.value.as_str().map_or_else(|| replied.value.to_string(), str::to_owned);
            printer::data(show::plain(&reply));
            if replied.by_default {
                printer::say("nobody replied in time: this is the default");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What is sent in a person's name has words of that person.
fn words(text: &str, problem: &str, hint: &str) -> Result<(), Failure> {
    if text.trim().is_empty() { Err(Failure::usage("empty_text", problem).hint(hint)) } else { Ok(()) }
}

/// JSON, as it is typed.
fn data(text: &str) -> Result<Value, String> {
    agentbus::protocol::schema::json(text.as_bytes()).map_err(|invalid| format!("this is no JSON: {}", invalid.reason))
}

/// A fact's key and value; the value is JSON where it is JSON, else a text.
fn fact(text: &str) -> Result<(FactKey, Value), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, as in team.size=12")?;
    let key: FactKey = key.trim().parse().map_err(|error| format!("{error}"))?;
    Ok((key, data(value).unwrap_or_else(|_| value.into())))
}
