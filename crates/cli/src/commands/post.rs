//! `agentbus post`: posts a query and prints its id at once.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use agentbus::{Kind, Message, Name, Query};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    bus,
    enclosed::Enclosed,
    failure::Failure,
    options::{Global, Question},
    printer,
    spread::{self, Spread},
};

/// Options of `post`.
#[derive(Debug, Args)]
pub(crate) struct Post {
    #[command(flatten)]
    question: Question,
    #[command(flatten)]
    spread: Spread,
    #[command(flatten)]
    enclosed: Enclosed,
    /// A file with the whole query as JSON, its requester too; - for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["text", "to", "request_type", "tags", "timeout", "id", "priority"], conflicts_with_all = spread::ALL)]
    file: Option<PathBuf>,
    /// Print id and sequence as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// The question, or - for standard input
    #[arg(required_unless_present = "file")]
    text: Option<String>,
}

impl Post {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let mut query = match (&self.file, self.text) {
            (Some(file), _) => {
                let query = read(file).await?;
                agree(&self.question.from.from, &query.requesting_agent)?;
                query
            }
            (None, text) => self.spread.of(self.question.query(super::text(text.unwrap_or_default()).await?)?)?,
        };
        let bus = bus::connect(global, query.requesting_agent.clone()).await?;
        self.enclosed.enclose(&bus, &mut query).await?;
        let receipt = bus.post(query).await?;
        bus.close().await;
        if self.json {
            printer::json(&json!({ "id": receipt.id, "seq": receipt.seq, "repeated": receipt.repeated }));
        } else {
            printer::data(receipt.id.to_string());
        }
        if printer::is_watched() {
            printer::say(format!("follow it: agentbus status {}", receipt.id));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A name that was typed must be the file's; the default and AGENTBUS_NAME give way to the file's.
fn agree(from: &Name, requester: &Name) -> Result<(), Failure> {
    let usual = from.as_str() == "cli" || std::env::var("AGENTBUS_NAME").is_ok_and(|name| name == from.as_str());
    if from == requester || usual {
        return Ok(());
    }
    let message = format!("--from says {from}, and the file says that {requester} asks");
    Err(Failure::usage("writer", message).hint("Leave --from out, or change the file."))
}

/// Reads a query from a file: whatever is wrong with it is said before anything is sent.
async fn read(file: &Path) -> Result<Query, Failure> {
    let place = if file.as_os_str() == "-" { "standard input".to_owned() } else { file.display().to_string() };
    let text = super::read(file).await?;
    let wrong = |invalid| Failure::invalid(&place, invalid).hint("See what a query looks like: agentbus schema query");
    let body: Value = agentbus::protocol::schema::body(&text).map_err(wrong)?;
    let from = body.get("requesting_agent").and_then(Value::as_str).unwrap_or_default();
    // A name that is none is told by the schema, with its place.
    let from: Name = from.parse().unwrap_or_else(|_| Name::coordinator());
    match Message::parse(Kind::Query, &from, &text) {
        Ok(Message::Query(query)) => Ok(query),
        Ok(_) => Err(Failure::usage("schema_violation", format!("{place} is no query"))),
        Err(invalid) => Err(wrong(invalid)),
    }
}
