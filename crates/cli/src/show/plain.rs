//! Text from the bus made harmless: no control characters, no escape sequences, nothing that
//! turns the direction of writing round. Every other file here relies on it.

use serde::Serialize;
use serde_json::Value;

/// What stands where a character was taken out.
const TAKEN_OUT: char = '\u{fffd}';

/// A text on one line, as it may be shown.
pub(crate) fn plain(text: &str) -> String {
    let harmless = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if is_hostile(c) => TAKEN_OUT,
        c => c,
    };
    text.chars().map(harmless).collect()
}

/// The same, but with its lines.
pub(crate) fn lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}

/// The same as [`lines`], but each character keeps its length in bytes, for text into which byte offsets point.
pub(super) fn in_place(text: &str) -> String {
    let harmless = |c: char| match (c, c.len_utf8()) {
        ('\n' | '\t', _) => c,
        ('\r', _) => ' ',
        (c, _) if !is_hostile(c) => c,
        (_, 1) => '?',
        (_, 2) => '\u{b7}',
        (_, _) => TAKEN_OUT,
    };
    text.chars().map(harmless).collect()
}

/// Cuts a text to at most `most` characters, the last of which then is an ellipsis.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// A value on one line: a text as it is, anything else as JSON.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        other => plain(&other.to_string()),
    }
}

/// The word that stands for a variant on the wire, and so for people too.
pub(super) fn word(variant: &impl Serialize) -> String {
    serde_json::to_value(variant).map(|word| value(&word)).unwrap_or_default()
}

/// Whether a terminal does something at this character instead of showing it.
fn is_hostile(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Clears the screen, sets the title, turns the text round, deletes, and begins an escape in one byte.
    const HOSTILE: &str = "a\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}b\u{2067}\u{7f}\u{9b}31m\u{8}\u{61c}";

    #[test]
    fn nothing_hostile_is_left() {
        assert_eq!(plain(HOSTILE), "a\u{fffd}[2J\u{fffd}]0;x\u{fffd}\u{fffd}b\u{fffd}\u{fffd}\u{fffd}31m\u{fffd}\u{fffd}");
        for c in (0..=0x2fff).filter_map(char::from_u32) {
            let shown = plain(&c.to_string());
            assert!(!shown.chars().any(|c| c.is_control() || is_hostile(c)), "{c:?} becomes {shown:?}");
        }
    }

    #[test]
    fn other_scripts_stay_as_they_are() {
        let text = "größe 大きさ размер حجم 👩\u{200d}🔬";
        assert_eq!(plain(text), text);
    }

    #[test]
    fn lines_are_kept_only_where_they_are_wanted() {
        assert_eq!(plain("one\ntwo\r\n\tthree"), "one two   three");
        assert_eq!(lines("one\r\ntwo\rover\n\u{1b}three"), "one\ntwo over\n\u{fffd}three");
    }

    #[test]
    fn offsets_stay_true() {
        let text = format!("{HOSTILE}\r\n\tend");
        let shown = in_place(&text);
        assert_eq!((shown.len(), shown.find("end")), (text.len(), text.find("end")));
        assert!(!shown.chars().any(|c| is_hostile(c) && !matches!(c, '\n' | '\t')));
    }

    #[test]
    fn a_cut_counts_characters() {
        assert_eq!(cut("größe", 5), "größe");
        assert_eq!(cut("größen", 5), "größ…");
        assert_eq!(cut("a b c", 3), "a…");
    }

    #[test]
    fn a_value_is_one_line() {
        assert_eq!(value(&serde_json::json!({ "a": ["x\n\u{9b}"] })), "{\"a\":[\"x\\n\u{fffd}\"]}");
        assert_eq!(value(&"12\n13".into()), "12 13");
    }
}
