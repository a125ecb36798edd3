//! `agentbus progress`: an agent reports progress outside a query.

use std::process::ExitCode;

use agentbus::{
    Name,
    protocol::{Extra, schema},
};
use clap::Args;
use serde_json::{Value, json};

use crate::{bus, failure::Failure, options::Global, printer};

/// Options of `progress`.
#[derive(Debug, Args)]
pub(crate) struct Progress {
    /// Who reports
    #[arg(long, value_name = "NAME")]
    agent: Name,
    /// What it is doing, in a word, as in building
    #[arg(long, value_name = "STATUS")]
    status: String,
    /// What there is to report: a JSON object of names and values, or - for standard input
    #[arg(value_name = "JSON")]
    fields: String,
    /// Print its id as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Progress {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let fields = object(&super::text(self.fields).await?)?;
        let bus = bus::connect(global, self.agent).await?;
        let id = bus.report(self.status, fields).await?;
        bus.close().await;
        if self.json {
            printer::json(&json!({ "id": id }));
        } else {
            printer::data(id.to_string());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Reads what is reported, before anything is sent.
pub(super) fn object(text: &str) -> Result<Extra, Failure> {
    let wrong =
        |code, why: String| Failure::usage(code, why).hint("Give an object of names and values, as in '{\"epoch\": 3, \"loss\": 0.21}'");
    match schema::body(text.as_bytes()) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(wrong("schema_violation", format!("the progress is {}, not an object", kind(&other)))),
        Err(invalid) => Err(wrong("malformed_json", format!("the progress is no JSON: {}", invalid.reason))),
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn progress_is_an_object() {
        assert_eq!(object(r#"{"epoch": 3}"#).unwrap().get("epoch"), Some(&3.into()));
        assert!(format!("{:?}", object("[1]").unwrap_err()).contains("a list, not an object"));
        assert!(format!("{:?}", object("{epoch: 3}").unwrap_err()).contains("malformed_json"));
        assert!(format!("{:?}", object(r#"{"a": 1, "a": 2}"#).unwrap_err()).contains("stands twice"));
    }
}
