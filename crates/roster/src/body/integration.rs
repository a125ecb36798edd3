//! The list "Integration with other agents": whom this agent works with, and on what.

use std::collections::BTreeSet;

use protocol::Name;

use super::{bullet, title};
use crate::{Place, read::Line};

/// How much of an item is kept as its text, in characters.
const MAX_TEXT: usize = 300;

/// Words after which a name stands.
const BEFORE: [&str; 6] = ["with", "to", "from", "by", "via", "alongside"];

/// Words that join names.
const JOINS: [&str; 2] = ["and", "or"];

/// Words that may follow a name. After any other word it was an adjective: "real-time data".
const AFTER: [&str; 15] =
    ["on", "for", "in", "about", "to", "with", "when", "during", "regarding", "at", "as", "through", "after", "before", "via"];

/// An agent that another one works with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integration {
    /// The other agent's name, or an alias of it.
    pub name: Name,
    /// What the list says, without marks, at most 300 characters of it.
    pub text: String,
    /// Where the name stands.
    pub place: Place,
}

/// Reads the list, as found in the wild.
///
/// - It begins with a line `Integration with … agents`, as a heading, in bold or plain, and ends with the
///   next heading or, after the first bullet, with the next line at the margin that is no bullet.
///   What follows a colon on the first line belongs to it.
/// - Each item is divided into clauses at commas and semicolons. Marks (`**`, backticks, `@`,
///   brackets) and `'s` are dropped; `/` and `&` divide words.
/// - A word is a target if it is a `known` agent, wherever it stands. Any other word is one if it has the form of
///   an agent's name (lower case with `-` or `_`, more than one letter before it) and stands where
///   a name would: as first or second word of the item, after "with", "to", "from" and the like, or in a row of
///   names; and before a preposition, a colon, a dash or the end of the clause.
/// - Of words that are not known only the first row in a clause counts, and once a row has
///   ended a clause does not begin with one: "Work with data-engineer on end-to-end tests,
///   low-cost storage" names one agent.
pub(super) fn read(prose: &[Line<'_>], known: &BTreeSet<Name>) -> Vec<Integration> {
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    for (line, item) in section(prose) {
        let text = plain(item);
        for (name, word) in targets(item, known) {
            if names.insert(name.clone()) {
                found.push(Integration { name, text: text.clone(), place: line.place(word) });
            }
        }
    }
    found
}

/// The lines of the list, each with the text that counts.
fn section<'a>(prose: &[Line<'a>]) -> Vec<(Line<'a>, &'a str)> {
    let is_title = |text: &str| text.starts_with("integration with") && text.contains("agent");
    let mut lines = prose.iter();
    let Some((first, rest)) = lines.by_ref().find_map(|line| Some((line, title(line, is_title)?))) else {
        return Vec::new();
    };
    let mut texts = if rest.is_empty() { Vec::new() } else { vec![(*first, rest)] };
    for line in lines {
        let item = bullet(line);
        let over = line.text.starts_with('#') || (line.is_flush() && item.is_none() && !texts.is_empty());
        if over {
            break;
        }
        texts.extend(item.map(|item| (*line, item)));
    }
    texts
}

/// The names in an item, each with the stretch of text that it was read from.
fn targets<'a>(item: &'a str, known: &BTreeSet<Name>) -> Vec<(Name, &'a str)> {
    let mut targets = Vec::new();
    let mut row = Row::None;
    for clause in item.split([',', ';']) {
        let words = words(clause);
        let earlier = targets.len();
        for (index, word) in words.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|index| words.get(index)).map(|word| word.text);
            let likely = || row.admits(index, before) && has_form(word.text) && (word.stop || follows(words.get(index + 1), known));
            let name = word.text.parse::<Name>().ok().filter(|name| known.contains(name) || likely());
            if let Some(name) = name {
                targets.push((name, word.text));
                row = if word.stop { Row::Over } else { Row::Open };
            } else if row == Row::Open && !JOINS.contains(&word.text) {
                // A clause that does not go on with the row may have one of its own.
                row = if targets.len() == earlier { Row::Earlier } else { Row::Over };
            }
        }
        if row == Row::Over {
            row = Row::Earlier;
        }
    }
    targets
}

/// Where an item stands with its row of names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    /// There was none yet.
    None,
    /// The last word was one of it, or joins two of it.
    Open,
    /// It has ended in this clause.
    Over,
    /// It has ended in an earlier clause.
    Earlier,
}

impl Row {
    /// Whether a name may stand here: the word's index in its clause, and the word before it.
    fn admits(self, index: usize, before: Option<&str>) -> bool {
        let introduced = before.is_some_and(|word| BEFORE.contains(&word));
        match self {
            Self::None => index <= 1 || introduced,
            Self::Open => true,
            Self::Over => false,
            Self::Earlier => introduced || (index == 1 && before.is_some_and(|word| !JOINS.contains(&word))),
        }
    }
}

/// A word of a clause: a slice of it, without marks.
struct Word<'a> {
    text: &'a str,
    /// Whether a colon, a dash, a full stop or a bracket follows.
    stop: bool,
}

fn words(clause: &str) -> Vec<Word<'_>> {
    let divides = |c: char| c.is_whitespace() || matches!(c, '/' | '&' | '+');
    let mut words: Vec<Word<'_>> = Vec::new();
    for piece in clause.split(divides).filter(|piece| !piece.is_empty()) {
        let text = piece.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let bare = text.strip_suffix("'s").or_else(|| text.strip_suffix("’s")).unwrap_or(text);
        match words.last_mut() {
            _ if !bare.is_empty() => {
                let stop = piece.trim_end_matches(['*', '`', '_']).ends_with([':', '.', ')', '–', '—']);
                words.push(Word { text: bare, stop });
            }
            Some(last) if matches!(piece, "-" | "–" | "—" | "->" | "→") => last.stop = true,
            _ => {}
        }
    }
    words
}

/// Whether a word that nobody knows looks like an agent's name.
fn has_form(word: &str) -> bool {
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    let start = word.split(['-', '_']).next().unwrap_or_default();
    word.contains(['-', '_']) && word.chars().all(lower) && start.len() > 1
}

/// Whether the next word is one that can follow a name.
fn follows(next: Option<&Word<'_>>, known: &BTreeSet<Name>) -> bool {
    next.map(|next| next.text).is_none_or(|next| {
        let is_known = || next.parse().is_ok_and(|name: Name| known.contains(&name));
        AFTER.contains(&next) || JOINS.contains(&next) || has_form(next) || is_known()
    })
}

/// A list item without its marks. Every target keeps it, so it is cut where nobody would read on.
fn plain(text: &str) -> String {
    let text: String = text.chars().take(MAX_TEXT).collect();
    text.replace("**", "").replace('`', "").trim().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::read::lines;

    fn names(body: &str, known: &[&str]) -> Vec<String> {
        let known = known.iter().map(|name| name.parse().unwrap()).collect();
        let prose: Vec<_> = lines(body, 1, 0).collect();
        read(&prose, &known).into_iter().map(|target| target.name.to_string()).collect()
    }

    fn item(text: &str, known: &[&str]) -> Vec<String> {
        names(&format!("Integration with other agents:\n- {text}\n"), known)
    }

    #[rstest::rstest]
    #[case("Work with data-engineer on pipelines", &["data-engineer"])]
    #[case("Work with data-engineer on end-to-end tests with on-call staff", &["data-engineer"])]
    #[case("Support a-1-agent on x", &[])]
    #[case("Work with ui-designer, qa-expert and sre-engineer on x", &["ui-designer", "qa-expert", "sre-engineer"])]
    #[case("Work with ui-designer/qa-expert on x", &["ui-designer", "qa-expert"])]
    #[case("Work with `ui-designer` & @qa-expert on x", &["ui-designer", "qa-expert"])]
    #[case("**ui-designer** – screens and real-time data", &["ui-designer"])]
    #[case("**ui-designer**: real-time data, low-cost storage, and on-call", &["ui-designer"])]
    #[case("Work with ui-designer on colours, high-contrast and spacing", &["ui-designer"])]
    #[case("**ui-designer / qa-expert**: screens", &["ui-designer", "qa-expert"])]
    #[case("**ui-designer** - screens", &["ui-designer"])]
    #[case("Provide real-time figures to ui-designer", &["ui-designer"])]
    #[case("Take drafts from ui-designer, hand them on to qa-expert", &["ui-designer", "qa-expert"])]
    #[case("Take drafts from ui-designer, with on-call staff on stand-by", &["ui-designer"])]
    #[case("Receive ui-designer's drafts", &[])]
    #[case("Assist networking scenarios with cloud-architect.", &["cloud-architect"])]
    #[case("Ask powershell-5.1-expert for scripts", &["powershell-5.1-expert"])]
    #[case("Hand over to devops_mlops_engineer when ready", &["devops_mlops_engineer"])]
    #[case("Coordinate with the support team on CI/CD and A/B tests", &[])]
    #[case("Use the debugger on crashes", &[])]
    fn targets_without_a_roster(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(item(text, &[]), expected);
    }

    #[rstest::rstest]
    #[case("Use the debugger on crashes", &["debugger"])]
    #[case("Provide drafts for QA to ui-designer", &["QA", "ui-designer"])]
    #[case("Work with data-engineer on what ui-designer needs", &["data-engineer", "ui-designer"])]
    fn a_known_agent_counts_wherever_it_stands(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(item(text, &["debugger", "QA", "ui-designer"]), expected);
    }

    #[test]
    fn the_list_ends_where_the_text_goes_on() {
        let body = "See other-agent.\n\n## Integration with Other Agents\n\nThis agent works so:\n\n- Help ui-designer on x\n\n  \
                    - ask qa-expert\n\nAlways work with care-taker.\n- Work with no-body on x\n";
        assert_eq!(names(body, &[]), ["ui-designer", "qa-expert"]);
        let heading = "**Integration with other agents:**\n1. Help ui-designer on x\n# Next\n- Help qa-expert on x\n";
        assert_eq!(names(heading, &[]), ["ui-designer"]);
    }

    #[test]
    fn the_list_can_be_one_sentence() {
        let body = "Integration with other agents: work with ui-designer on x, help qa-expert with y, coordinate with teams on z.\n\nEnd.";
        assert_eq!(names(body, &[]), ["ui-designer", "qa-expert"]);
    }

    #[test]
    fn a_target_knows_its_place() {
        let body = "Integration with other agents:\n- **ui-designer** – screens\n";
        let prose: Vec<_> = lines(body, 7, 100).collect();
        let all = read(&prose, &BTreeSet::new());
        let target = all.first().unwrap();
        assert_eq!(target.text, "ui-designer – screens");
        assert_eq!(target.place, Place { line: 8, column: 5, offset: 135, len: 11 });
    }
}
