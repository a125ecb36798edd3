//! The points of one score as a table: what earned them, and where that stands in the text.

use protocol::score::{Gate, GateKind, Part, PartKind, Score};

use super::{
    plain::{plain, word},
    style::dim,
    table::table,
};

/// What let it compete, then a line for each part.
pub(super) fn text(score: &Score) -> String {
    let order = score.parts.iter().any(|part| part.adjusted.is_some());
    let row = |part: &Part| {
        let adjusted = part.adjusted.unwrap_or(part.points).to_string();
        let at = part.at.map_or_else(String::new, |[from, to]| format!("characters {} to {to}", from.saturating_add(1)));
        [part.points.to_string(), if order { adjusted } else { String::new() }, word(&part.part), name(part), at]
    };
    let mut lines = vec![dim(gate(&score.gate))];
    lines.push(table(["points", "in order", "for", "", "at"], 5, score.parts.iter().map(row)));
    if score.more > 0 {
        lines.push(dim(format_args!("and {} more", score.more)));
    }
    lines.join("\n")
}

fn name(part: &Part) -> String {
    if part.part == PartKind::Default { "what everybody is given".to_owned() } else { plain(&part.name) }
}

fn gate(gate: &Gate) -> String {
    let tags = plain(&gate.tags.join(", "));
    match gate.by {
        GateKind::Tags => format!("competes by the tags that the query asserts: {tags}"),
        GateKind::Keyword if tags.is_empty() => "competes by a keyword in the text".to_owned(),
        GateKind::Keyword => format!("competes by a keyword in the text; required tags found: {tags}"),
        GateKind::Required if tags.is_empty() => "competes, since all is there that it requires".to_owned(),
        GateKind::Required => format!("competes, since all is there that it requires: {tags}"),
        GateKind::Words => "competes by words of its description".to_owned(),
    }
}
