//! What of a session becomes progress. Text that a model wrote, or a tool printed, goes into the field `_text`, of which
//! no facts are made (`context::harvest`); the rest is the status, one short line.
//!
//! Pure. Everything is cut to a bound: a session may write without end.

use std::collections::BTreeMap;

use serde_json::Value;

use super::stream::{Retrying, Said};

/// The most of a piece of text, in characters.
const TEXT: usize = 2000;

/// The most of a tool's result, in characters.
const RESULT: usize = 500;

/// The most of a status, in characters; the schema allows 256.
const STATUS: usize = 200;

/// How many tools are remembered whose results are still to come.
const TOOLS: usize = 256;

/// Fields of a tool's input of which one says best what it does.
const TELLING: [&str; 9] = ["command", "file_path", "path", "pattern", "url", "query", "description", "prompt", "skill"];

/// A progress report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) status: String,
    pub(super) text: Option<String>,
}

/// Makes reports. Remembers what the tools are called whose results are still to come.
#[derive(Debug, Default)]
pub(super) struct Reporter {
    tools: BTreeMap<String, String>,
}

impl Reporter {
    /// The reports of what is said; none of what is dealt with elsewhere.
    pub(super) fn reports(&mut self, said: &Said) -> Vec<Report> {
        match said {
            Said::Began(began) => vec![status(&format!("Claude Code {} begins, with {}", began.claude_code_version, began.model))],
            Said::Text(text) => pieces(text).map(|piece| Report { status: "writing".to_owned(), text: Some(piece) }).collect(),
            Said::Tool { id, name, input } => {
                if self.tools.len() < TOOLS {
                    self.tools.insert(id.clone(), name.clone());
                }
                vec![status(&format!("{name}: {}", gist(input)))]
            }
            Said::ToolEnded { id, text, failed } => {
                let name = self.tools.remove(id).unwrap_or_else(|| "a tool".to_owned());
                let how = if *failed { "failed" } else { "has ended" };
                vec![Report { text: Some(cut(text, RESULT)).filter(|text| !text.is_empty()), ..status(&format!("{name} {how}")) }]
            }
            Said::Retrying(Retrying { attempt, max_retries, error, error_status }) => {
                let code = error_status.map(|code| format!(" {code}")).unwrap_or_default();
                vec![status(&format!("waiting for the API ({error}{code}); try {attempt} of {max_retries}"))]
            }
            _ => Vec::new(),
        }
    }
}

/// What a tool is to do, in a line: the most telling text of its input, or else all of it.
pub(super) fn gist(input: &Value) -> String {
    let telling = TELLING.iter().find_map(|field| input.get(field)?.as_str());
    telling.map_or_else(|| input.to_string(), str::to_owned)
}

fn status(text: &str) -> Report {
    // A status is one line, and never empty.
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Report { status: cut(&line, STATUS), text: None }
}

fn pieces(text: &str) -> impl Iterator<Item = String> {
    let mut rest: Vec<char> = text.trim().chars().collect();
    std::iter::from_fn(move || {
        let after = rest.split_off(rest.len().min(TEXT));
        let piece: String = std::mem::replace(&mut rest, after).into_iter().collect();
        Some(piece).filter(|piece| !piece.is_empty())
    })
}

/// The beginning of a text; an ellipsis says that there is more.
pub(super) fn cut(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_tool_is_reported_by_name_and_gist() {
        let mut reporter = Reporter::default();
        let tool = |input| Said::Tool { id: "t".to_owned(), name: "Bash".to_owned(), input };
        assert_eq!(reporter.reports(&tool(json!({ "timeout": 1, "command": "ls\n -l" })))[0].status, "Bash: ls -l");
        let ended = Said::ToolEnded { id: "t".to_owned(), text: "x".repeat(600), failed: true };
        let report = reporter.reports(&ended).remove(0);
        assert_eq!((report.status.as_str(), report.text.unwrap().chars().count()), ("Bash failed", RESULT + 1));
        assert_eq!(reporter.reports(&ended)[0].status, "a tool failed");
        assert_eq!(reporter.reports(&tool(json!([1])))[0].status, "Bash: [1]");
        assert!(reporter.reports(&tool(json!("x".repeat(999))))[0].status.chars().count() <= 256);
    }

    #[test]
    fn text_comes_in_pieces() {
        let reports = Reporter::default().reports(&Said::Text(format!(" {} ", "é".repeat(TEXT * 2 + 1))));
        let lengths: Vec<_> = reports.iter().map(|report| report.text.as_ref().unwrap().chars().count()).collect();
        assert_eq!(lengths, [TEXT, TEXT, 1]);
        assert_eq!(Reporter::default().reports(&Said::Text(" \n".to_owned())), []);
    }
}
