//! A query's text, cut into the topics that it asks about.
//!
//! Owns the reading of lists and sentences. It must never reword a topic: what is unknown is
//! reported in the requester's own words. Next: `matching`.

use std::collections::BTreeSet;

use super::words::{telling_words, words};

/// The most topics that one query is cut into. What goes beyond is kept as one last topic, which
/// asks for all of it at once, so that nothing is dropped in silence.
pub const MAX_TOPICS: usize = 64;

/// The longest topic that is repeated in an answer, in characters. What is longer is a document,
/// and its beginning tells which.
pub const MAX_TEXT: usize = 2000;

/// One thing that a query asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The topic in the requester's words.
    pub text: String,
    /// Its normal form: the words that a fact must have. Never empty.
    pub words: BTreeSet<String>,
}

impl Topic {
    /// A topic of this text, or none where the text has no words.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let words = telling_words(text);
        let cut = if text.chars().count() > MAX_TEXT { text.chars().take(MAX_TEXT).chain(['…']).collect() } else { text.to_owned() };
        (!words.is_empty()).then_some(Self { text: cut, words })
    }
}

/// Cuts a text into topics, in the order in which they are asked.
///
/// Lines (with or without bullets) and sentences stand for themselves. In each, what comes before
/// the first colon leads in and is dropped; on a bulleted line it is a label, and so a topic too.
/// The rest is a list, cut at commas and semicolons outside brackets, and in its last item at
/// "and" and "or", unless the list has its own ("a, b, and research and development").
///
/// Topics with the same normal form are one. There are at most [`MAX_TOPICS`], and none only where
/// the text has no words.
#[must_use]
pub fn topics(text: &str) -> Vec<Topic> {
    let mut items: Vec<&str> = text.lines().flat_map(line_items).map(trimmed).collect();
    if items.iter().all(|item| words(item).is_empty()) {
        // Nothing but a lead-in, as in "team size:".
        items = vec![trimmed(text)];
    }
    let mut seen = BTreeSet::new();
    let new = |topic: &Topic| seen.insert(topic.words.clone());
    limited(items.into_iter().filter_map(Topic::new).filter(new).collect())
}

/// Folds what goes beyond the limit into one last topic.
fn limited(mut topics: Vec<Topic>) -> Vec<Topic> {
    if topics.len() <= MAX_TOPICS {
        return topics;
    }
    let rest: Vec<_> = topics.split_off(MAX_TOPICS - 1).into_iter().map(|topic| topic.text).collect();
    topics.extend(Topic::new(&rest.join("; ")));
    topics
}

fn line_items(line: &str) -> Vec<&str> {
    let (bulleted, line) = without_bullet(line);
    sentences(line).into_iter().flat_map(|sentence| sentence_items(sentence, bulleted)).collect()
}

fn sentence_items(sentence: &str, bulleted: bool) -> Vec<&str> {
    let (label, list) = lead_in(sentence);
    let mut items = list_items(list);
    if let Some(label) = label.filter(|_| bulleted) {
        items.insert(0, label);
    }
    items
}

/// A line without its bullet or number, and whether it had one.
fn without_bullet(line: &str) -> (bool, &str) {
    let line = line.trim();
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = match number.strip_prefix(['.', ')']) {
        Some(rest) if number.len() < line.len() => Some(rest),
        _ => line.strip_prefix(['-', '*', '+', '•', '–', '—', '#']),
    };
    match rest {
        Some(rest) if rest.starts_with(char::is_whitespace) => (true, rest.trim()),
        _ => (false, line),
    }
}

/// Cuts at sentence ends: `.`, `?` and `!` before white space. A dot in `v1.2` or `Node.js` ends
/// nothing, nor does that of an abbreviation such as `e.g.`.
fn sentences(line: &str) -> Vec<&str> {
    let mut word = String::new();
    cut(line, |c, next| {
        let last = next.is_none_or(char::is_whitespace);
        let end = match c {
            '。' | '？' | '！' => true,
            '?' | '!' => last,
            '.' => last && !abbreviation(&word),
            _ => false,
        };
        if c.is_whitespace() {
            word.clear()
        } else {
            word.push(c)
        }
        end
    })
}

/// Whether a word is of the form `e.g`: single letters with dots between them.
fn abbreviation(word: &str) -> bool {
    word.contains('.') && word.split('.').all(|part| part.chars().count() == 1)
}

/// What stands before the first colon of a sentence, and what stands after it. The colon of a time
/// or of a URL is none, since no white space follows it.
fn lead_in(sentence: &str) -> (Option<&str>, &str) {
    let mut found = false;
    let parts = cut(sentence, |c, next| {
        let first = !found && c == ':' && next.is_none_or(char::is_whitespace);
        found |= first;
        first
    });
    match parts.as_slice() {
        [label, rest] => (Some(label), rest),
        _ => (None, sentence),
    }
}

/// The items of a list in running text.
fn list_items(list: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let mut before = None;
    let mut items = cut(list, |c, next| {
        depth += i32::from(matches!(c, '(' | '[' | '{'));
        depth -= i32::from(matches!(c, ')' | ']' | '}'));
        let digits = [before, next].iter().all(|c| c.is_some_and(|c: char| c.is_ascii_digit()));
        before = Some(c);
        depth <= 0 && (matches!(c, ';' | '；' | '、' | '，') || (c == ',' && !digits))
    });
    if let Some(last) = items.pop() {
        items.extend(last_items(last));
    }
    items.into_iter().map(without_conjunction).collect()
}

/// The last item of a list, cut at its conjunctions unless one introduces it.
fn last_items(last: &str) -> Vec<&str> {
    let introduced = without_conjunction(last).len() < last.trim().len();
    if introduced || last.contains(['(', '[', '{']) {
        return vec![last];
    }
    last.split(" and ").flat_map(|part| part.split(" or ")).collect()
}

/// An item without the conjunction that introduces it.
fn without_conjunction(item: &str) -> &str {
    let item = item.trim();
    for conjunction in ["and", "or", "plus", "And", "Or", "Plus"] {
        if let Some(rest) = item.strip_prefix(conjunction).filter(|rest| rest.starts_with(char::is_whitespace)) {
            return rest.trim();
        }
    }
    item
}

/// An item without quotes, emphasis and closing punctuation.
fn trimmed(item: &str) -> &str {
    let quote = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '“' | '”' | '‘' | '’' | '`' | '*');
    let closing = |c: char| quote(c) || matches!(c, '.' | ',' | ';' | ':' | '?' | '!' | '…');
    item.trim_start_matches(quote).trim_end_matches(closing)
}

/// Cuts a text at the characters for which `is_cut(character, next)` holds, and leaves them out.
fn cut(text: &str, mut is_cut: impl FnMut(char, Option<char>) -> bool) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if is_cut(c, chars.peek().map(|(_, next)| *next)) {
            parts.extend(text.get(start..at));
            start = at + c.len_utf8();
        }
    }
    parts.extend(text.get(start..));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(text: &str) -> Vec<String> {
        topics(text).into_iter().map(|topic| topic.text).collect()
    }

    #[rstest::rstest]
    #[case::seed(
        "MLOps context needed: team size, ML workloads, current infrastructure, pain points, compliance requirements, and growth projections.",
        &["team size", "ML workloads", "current infrastructure", "pain points", "compliance requirements", "growth projections"]
    )]
    #[case::no_oxford_comma("Needed: team size, pain points and growth.", &["team size", "pain points", "growth"])]
    #[case::compound_kept("a1, b1, and research and development", &["a1", "b1", "research and development"])]
    #[case::or("databases or queues", &["databases", "queues"])]
    #[case::bare_question("What is the team size?", &["What is the team size"])]
    #[case::two_questions("What is the team size? Which CI runs?", &["What is the team size", "Which CI runs"])]
    #[case::no_colon("team size, budget", &["team size", "budget"])]
    #[case::one_word("budget", &["budget"])]
    #[case::semicolons("Needed: CI pipelines; containers; and Kubernetes", &["CI pipelines", "containers", "Kubernetes"])]
    #[case::bullets("Please share:\n- team size\n* budget\n2) on-call rota\n", &["team size", "budget", "on-call rota"])]
    #[case::labels("- Team size: number of engineers", &["Team size", "number of engineers"])]
    #[case::several_leads("Needed: team size. Also: budget.", &["team size", "budget"])]
    #[case::brackets("infrastructure (cloud, on-premises and edge), budget", &["infrastructure (cloud, on-premises and edge)", "budget"])]
    #[case::numbers("clusters over 1,000 nodes,budget", &["clusters over 1,000 nodes", "budget"])]
    #[case::dots("Node.js version, use of v1.2, e.g. Kafka.", &["Node.js version", "use of v1.2", "e.g. Kafka"])]
    #[case::url("Needed: health of http://x:80/a, uptime since 10:30", &["health of http://x:80/a", "uptime since 10:30"])]
    #[case::only_a_lead("team size:", &["team size"])]
    #[case::quotes("“team size”, `budget`, **pain points**", &["team size", "budget", "pain points"])]
    #[case::duplicates("team size, the Team Sizes, size of the team", &["team size"])]
    #[case::stop_words("who, team", &["who", "team"])]
    #[case::signs("C++, C#", &["C++", "C#"])]
    #[case::nothing("…, - ;?", &[])]
    #[case::empty("", &[])]
    fn a_text_asks_about_these(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(texts(text), expected);
    }

    #[test]
    fn what_goes_beyond_the_limit_is_one_topic() {
        let many: Vec<_> = (0..100).map(|n| format!("topic{n}")).collect();
        let found = texts(&many.join(", "));
        assert_eq!(found.len(), MAX_TOPICS);
        let last = found.last().map(String::as_str).unwrap_or_default();
        assert!(last.starts_with("topic63; topic64") && last.ends_with("topic99"));
    }

    proptest! {
        #[test]
        fn topics_are_the_requesters_words(text in "([a-zA-Z0-9é,;:.?!()\n -]|and |or |- ){0,80}") {
            let found = topics(&text);
            prop_assert_eq!(found.is_empty(), words(&text).is_empty());
            prop_assert!(found.len() <= MAX_TOPICS);
            let forms: BTreeSet<_> = found.iter().map(|topic| &topic.words).collect();
            prop_assert_eq!(forms.len(), found.len());
            if found.len() < MAX_TOPICS {
                prop_assert!(found.iter().all(|topic| text.contains(&topic.text)));
            }
        }

        #[test]
        fn any_text_is_cut(text in any::<String>()) {
            prop_assert_eq!(topics(&text).is_empty(), words(&text).is_empty());
        }
    }
}
