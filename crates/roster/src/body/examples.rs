//! The JSON examples of a body: context queries and progress reports.

use protocol::{
    Kind,
    message::{Progress, Query},
    schema,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::blocks::Block;
use crate::{Place, diagnostic::Report};

/// A context query as the definition shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ContextQuery {
    /// The query.
    pub query: Query,
    /// The line that opens its block.
    pub place: Place,
}

/// A progress report as the definition shows it. Its values are invented.
#[derive(Clone, Debug, PartialEq)]
pub struct ProgressExample {
    /// The report.
    pub progress: Progress,
    /// The line that opens its block.
    pub place: Place,
}

/// Reads the `json` blocks. One that is meant as a message but is none is left out, with a warning.
pub(super) fn read(blocks: &[Block<'_>], report: &mut Report) -> (Vec<ContextQuery>, Vec<ProgressExample>) {
    let (mut queries, mut progress) = (Vec::new(), Vec::new());
    for block in blocks.iter().filter(|block| block.language.eq_ignore_ascii_case("json")) {
        let place = block.open.place(block.open.text.trim());
        let text = block.text();
        let Ok(value) = serde_json::from_str::<Value>(&text) else {
            if text.contains("\"requesting_agent\"") {
                report.warning("bad_example", place, "this context query is not JSON, and is left out");
            }
            continue;
        };
        if has(&value, ["requesting_agent", "request_type", "payload"]) {
            let query = message(Kind::Query, value, place, report);
            queries.extend(query.map(|query| ContextQuery { query, place }));
        } else if has(&value, ["agent", "status", "progress"]) {
            let report = message(Kind::Progress, value, place, report);
            progress.extend(report.map(|progress| ProgressExample { progress, place }));
        }
    }
    (queries, progress)
}

fn has(value: &Value, keys: [&str; 3]) -> bool {
    keys.iter().all(|key| value.get(key).is_some())
}

/// The message, if the contract takes it as it stands.
fn message<T: DeserializeOwned>(kind: Kind, value: Value, place: Place, report: &mut Report) -> Option<T> {
    let checked = schema::check(kind.as_str(), &value).map_err(|why| why.to_string());
    let message = checked.and_then(|()| serde_json::from_value(value).map_err(|why| why.to_string()));
    message.map_err(|why| report.warning("bad_example", place, format!("this {kind} is not valid, and is left out: {why}"))).ok()
}
