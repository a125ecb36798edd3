//! An evaluation as text: how many were right, who was taken for whom, and each miss with why.

use agentbus::Name;

use super::eval::{Miss, Report};
use crate::show;

/// The whole report.
pub(super) fn text(report: &Report) -> String {
    let percent = (report.accuracy * 1000.0).round() / 10.0;
    let mut text = format!("{} of {} right ({percent} %), {} of them the first that was named", report.right, report.prompts, report.first);
    if report.misses.is_empty() {
        return text;
    }
    let rows = report.confusion.iter().map(|row| [row.count.to_string(), name(row.expected.as_ref()), name(row.chosen.as_ref())]);
    text.push_str(&format!("\n\n{}", show::table(["count", "expected", "chosen"], 3, rows)));
    for miss in &report.misses {
        text.push_str(&format!("\n\n{}", explained(miss)));
    }
    text
}

fn explained(miss: &Miss) -> String {
    let expected: Vec<_> = miss.expected.iter().map(Name::as_str).collect();
    let expected = if expected.is_empty() { "nobody".to_owned() } else { expected.join(" or ") };
    let why: String = show::decision_text(&miss.decision).lines().map(|line| format!("\n  {line}")).collect();
    format!("{}\n  expected {expected}{why}", show::plain(&miss.text))
}

fn name(name: Option<&Name>) -> String {
    name.map_or_else(|| "nobody".to_owned(), Name::to_string)
}
