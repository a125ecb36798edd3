//! How texts are made comparable: one rule for keywords, queries and topics.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// A word of a text, and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word {
    /// The word, normalised.
    pub(crate) text: String,
    /// Its first character in the text, counted from 0, and the one after its last.
    pub(crate) at: [u32; 2],
}

/// The words of a text: NFKD without combining marks, lower-case, runs of letters and digits, each
/// with the `+` and `#` that follow it.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word = Word::default();
    for (at, original) in (0_u32..).zip(text.chars()) {
        let plain = original.nfkd().flat_map(char::to_lowercase).nfkd().filter(|c| !is_combining_mark(*c));
        for c in plain {
            let suffix = matches!(c, '+' | '#') && !word.text.is_empty();
            let goes_on = suffix || (c.is_alphanumeric() && !word.text.ends_with(['+', '#']));
            if !goes_on && !word.text.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            if !goes_on && !c.is_alphanumeric() {
                continue;
            }
            if word.text.is_empty() {
                word.at = [at, at];
            }
            word.text.push(c);
        }
        // A mark belongs to the word that it stands in, though nothing is left of it.
        if !word.text.is_empty() {
            word.at = [word.at[0], at + 1];
        }
    }
    if !word.text.is_empty() {
        words.push(word);
    }
    words
}

/// The words of a text, normalised.
///
/// ```
/// assert_eq!(roster::tokens("Nasazení přes CI/CD, C++ a c#"), ["nasazeni", "pres", "ci", "cd", "c++", "a", "c#"]);
/// ```
#[must_use]
pub fn tokens(text: &str) -> Vec<String> {
    words(text).into_iter().map(|word| word.text).collect()
}

/// A text as its words with single spaces between them; two texts that normalise alike are one keyword.
#[must_use]
pub fn normalise(text: &str) -> String {
    tokens(text).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("nasazení", "nasazeni")]
    #[case("ci/cd", "ci cd")]
    #[case("C++17", "c++ 17")]
    #[case("  + # ", "")]
    #[case("ﬁne ﬂow", "fine flow")]
    #[case("İstanbul", "istanbul")]
    #[case("snake_case", "snake case")]
    fn texts_are_made_comparable(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(normalise(text), expected);
        assert_eq!(normalise(expected), expected);
    }
}
